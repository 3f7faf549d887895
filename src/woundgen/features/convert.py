"""Downloaded weights -> safetensors. The only place that reads a pickled state dict, once, at fetch.

torch.load(weights_only=True) builds tensors and plain containers and runs no code of the file.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from woundgen.errors import UserError
from woundgen.features.inception import Inception
from woundgen.features.lpips import CHANNELS, Trunk
from woundgen.features.store import CONFIG_FILE, WEIGHTS_FILE, WeightsSource
from woundgen.storage.tensors import save_tensors

Weights = Mapping[str, Tensor]


def convert(name: str, source: WeightsSource, *, downloaded: Path, out: Path) -> tuple[str, ...]:
    """Files of `source` in `downloaded` -> what load_extractor reads, in `out`; the names written.

    UserError where a file holds other weights than the network has.
    """
    if source.kind == "dinov2":
        return _copied(downloaded, out)
    if source.kind == "inception":
        weights = inception_weights(_state_dict(downloaded / source.files[0].name))
    else:
        trunk, linear = (_state_dict(downloaded / file.name) for file in source.files)
        weights = lpips_weights(name, trunk, linear)
    save_tensors({key: value.contiguous() for key, value in weights.items()}, out / WEIGHTS_FILE)
    return (WEIGHTS_FILE,)


def inception_weights(state: Weights) -> dict[str, Tensor]:
    """All but the counters of batches, which some versions of torch wrote and evaluation does not read."""
    wanted = {k: v.shape for k, v in Inception().state_dict().items() if not k.endswith("num_batches_tracked")}
    return _exactly(state, wanted, "Inception")


def lpips_weights(name: str, trunk: Weights, linear: Weights) -> dict[str, Tensor]:
    """The trunk's convolutions under torchvision's names, and the linear weights as linear.0 to linear.4 [C]."""
    weights = _exactly(trunk, {k: v.shape for k, v in Trunk(name).state_dict().items()}, name)
    for layer, channels in enumerate(CHANNELS[name]):
        one = _exactly(linear, {f"lin{layer}.model.1.weight": torch.Size((1, channels, 1, 1))}, f"{name}'s linear")
        weights[f"linear.{layer}"] = next(iter(one.values())).flatten()
        if weights[f"linear.{layer}"].min() < 0:
            raise UserError(f"The linear weights of {name} are negative in layer {layer}: not LPIPS v0.1.")
    return weights


def _exactly(state: Weights, wanted: Mapping[str, torch.Size], what: str) -> dict[str, Tensor]:
    wrong = [key for key, shape in wanted.items() if key not in state or state[key].shape != shape]
    if wrong:
        found = tuple(state[wrong[0]].shape) if wrong[0] in state else "nothing"
        raise UserError(
            f"The file does not hold the weights of {what}: {wrong[0]} is {found}, not {tuple(wanted[wrong[0]])}.",
            "Fetch it from the address that `woundgen fetch` names.",
        )
    return {key: state[key].float() for key in wanted}


def _state_dict(path: Path) -> Weights:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged or a foreign file makes it raise
        raise UserError(f"{path.name} is no state dict of tensors ({str(error).splitlines()[0]}).") from None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"{path.name} is no state dict of tensors.")
    return state


def _copied(downloaded: Path, out: Path) -> tuple[str, ...]:
    try:
        with safe_open(downloaded / WEIGHTS_FILE, "pt") as file:
            file.keys()
    except SafetensorError as error:
        raise UserError(f"{WEIGHTS_FILE} is no safetensors file ({error}).") from None
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        shutil.move(downloaded / name, out / name)
    return CONFIG_FILE, WEIGHTS_FILE
