"""Whether an adapter is whole and of a size that training gives: what is half there or huge draws nonsense silently."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from woundgen.errors import UserError
from woundgen.storage.files import read_json
from woundgen.storage.names import ADAPTER_NOTES

LARGEST_CHANGE = 1000.0
"""An adapter's change of a layer over the layer's own norm; trained ones stay below 1, very strong ones below 10."""
LARGEST_WEIGHT = 1e4  # of a whole UNet; those of Stable Diffusion stay below 100


def check_complete(path: Path, adapted: Iterable[str], module: nn.Module, *, targets: tuple[str, ...] | None) -> None:
    """UserError where the notes beside `path` name targets and a layer of `module` that they match is not in the file.

    adapted: names of the module's layers that the file has. targets: in place of those of the notes. A file without
    notes comes from elsewhere, where it may adapt any layers.
    """
    wanted = _recorded_targets(path)
    if wanted is None:
        return
    ends = tuple(f".{target}" for target in targets or wanted)
    linear = (name for name, layer in module.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d))
    expected = [name for name in linear if f".{name}".endswith(ends)]
    present = set(adapted)
    if missing := [name for name in expected if name not in present]:
        raise UserError(
            f"{path} adapts {len(expected) - len(missing)} of {len(expected)} layers: {missing[0]} is missing.",
            "Is the file cut or damaged? Give the one that the run saved.",
        )


def _recorded_targets(path: Path) -> tuple[str, ...] | None:
    notes = path.parent / ADAPTER_NOTES
    recorded = read_json(notes).get("lora") if notes.is_file() else None
    targets = recorded.get("targets") if isinstance(recorded, dict) else None
    if not isinstance(targets, list) or not targets or not all(isinstance(name, str) for name in targets):
        return None
    return tuple(targets)


def check_change(path: Path, layer: str, change: Tensor, base: Tensor) -> None:
    """UserError where what is added to the weight `base` is not finite, or LARGEST_CHANGE times as large."""
    size = float(change.norm())
    usual = max(float(base.norm()), 0.01 * base.numel() ** 0.5)
    if not size <= LARGEST_CHANGE * usual:  # also NaN
        raise UserError(
            f"{path}: {layer} would be changed by {size / usual:.3g} times its size.",
            "No training gives that; is the file damaged? Give the one that the run saved.",
        )


def check_weight(path: Path, name: str, value: Tensor) -> None:
    """UserError where a weight of a whole UNet is not finite or beyond LARGEST_WEIGHT."""
    largest = float(torch.nan_to_num(value.abs(), nan=torch.inf).max()) if value.numel() else 0.0
    if not largest <= LARGEST_WEIGHT:
        raise UserError(
            f"{path}: {name} holds {largest:.3g}, and no trained UNet has numbers beyond {LARGEST_WEIGHT:g}.",
            "Is the file damaged? Give the one that the run saved.",
        )
