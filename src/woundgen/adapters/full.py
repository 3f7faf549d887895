"""Full fine-tuning: the whole UNet trained, saved as a UNet that diffusers opens, and put in place of the base's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from woundgen.adapters.plausibility import check_weight
from woundgen.errors import UserError
from woundgen.storage.names import ADAPTER_NOTES, WHOLE_FILE


def train_whole(unet: UNet2DConditionModel) -> dict[str, nn.Parameter]:
    """Every parameter of the UNet by name."""
    unet.requires_grad_(True)
    return dict(unet.named_parameters())


def save_whole(
    folder: Path, unet: UNet2DConditionModel, tensors: Mapping[str, Tensor], notes: Mapping[str, object]
) -> None:
    """config.json and diffusion_pytorch_model.safetensors: UNet2DConditionModel.from_pretrained(folder) opens them.

    tensors: values by parameter name (raw or EMA), fp32.
    """
    config = json.loads(unet.to_json_string())
    config.pop("_name_or_path", None)  # the place of the base, on whose machine it was
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True))
    weights = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    save_file(weights, folder / WHOLE_FILE, metadata={"format": "pt"})
    (folder / ADAPTER_NOTES).write_text(json.dumps(dict(notes), indent=1))


@torch.no_grad()
def blend_whole(unet: nn.Module, files: Sequence[tuple[Path, float]]) -> None:
    """W <- W + sum of strength * (W_file - W), a tensor at a time; one file at strength 1 is copied, to the bit.

    Differences to a common base add up as adapters do (task arithmetic, Ilharco et al. 2023).
    Raises UserError where a file lacks a layer or has one of another shape.
    """
    parameters = dict(unet.named_parameters())
    for path, _ in files:
        _check_fits(path, parameters)
    for name, parameter in parameters.items():
        moved = parameter.float()
        for path, strength in files:
            with safe_open(path, "pt") as file:
                value = file.get_tensor(name).to(parameter.device).float()
            check_weight(path, name, value)
            alone = len(files) == 1 and strength == 1
            moved = value if alone else moved + strength * (value - parameter.float())
        parameter.copy_(moved.to(parameter.dtype))


def _check_fits(path: Path, parameters: Mapping[str, nn.Parameter]) -> None:
    try:
        with safe_open(path, "pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} is not a safetensors UNet ({error}).", "Give the file a run saved.") from None
    for name, parameter in parameters.items():
        if shapes.get(name) != tuple(parameter.shape):
            raise UserError(f"{path}: {name} does not fit this base model.", "Use the base it was trained on.")
