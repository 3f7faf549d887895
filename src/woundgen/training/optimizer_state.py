"""Optimizer state as flat, named tensors."""

from __future__ import annotations

import torch
from torch import Tensor

GROUP = "group"  # numbers that an optimizer keeps in its parameter groups, by name
LEARNED = ("d", "d_max", "d_numerator", "d_denom", "d_hat", "k")
"""Those of Prodigy: its estimate of the rate, and what that is made of."""


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's state as flat tensors: `<parameter index>.<name>` (exp_avg, exp_avg_sq, step).

    What it learns for a whole group goes by `group.<index>.<name>`, in double precision.
    """
    saved = optimizer.state_dict()
    tensors = {
        f"{index}.{name}": torch.as_tensor(value)
        for index, row in saved["state"].items()
        for name, value in row.items()
    }
    for index, group in enumerate(saved["param_groups"]):
        learned = {name: group[name] for name in LEARNED if name in group}
        tensors |= {
            f"{GROUP}.{index}.{name}": torch.tensor(value, dtype=torch.float64) for name, value in learned.items()
        }
    return tensors


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Load what `optimizer_tensors` returned."""
    state: dict[int, dict[str, Tensor]] = {}
    groups = optimizer.state_dict()["param_groups"]
    for key, value in tensors.items():
        if key.startswith(f"{GROUP}."):
            _, index, name = key.split(".")
            groups[int(index)][name] = int(value.item()) if name == "k" else float(value.item())
            continue
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def strip_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors below a prefix: {'unet.a': ..} becomes {'a': ..}."""
    return {key[len(prefix) + 1 :]: value for key, value in tensors.items() if key.startswith(prefix + ".")}
