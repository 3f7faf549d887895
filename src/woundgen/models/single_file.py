"""A base in one .safetensors file, in the layout of the original repositories: diffusers' converters, no network.

The file holds weights alone. Configurations and words come from a folder beside it that has its name, or from what
`woundgen fetch` keeps of the base of its kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders.single_file_utils import (
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from woundgen.errors import UserError
from woundgen.models.sources import PINNED, snapshot

# A layer that only files of the kind have.
_SDXL = "conditioner.embedders.1.model.transformer.resblocks.0.mlp.c_fc.weight"
_SD2 = "cond_stage_model.model.transformer.resblocks.0.mlp.c_fc.weight"
_SD1 = "cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight"
M = TypeVar("M", bound=nn.Module)


def read_single_file(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} is not a safetensors file ({error}).", "Restore or fetch it again.") from None


def kind_of(path: Path, weights: Mapping[str, Tensor]) -> str:
    """The pinned base whose architecture the file has. SD 2.1's two are told apart by 768 in the file's name alone."""
    if _SDXL in weights:
        return "sdxl"
    if _SD2 in weights:
        return "sd21" if "768" in path.stem else "sd21-base"
    if _SD1 in weights:
        return "sd15"
    raise UserError(
        f"{path} is no Stable Diffusion 1, 2 or XL in one file.", "Give such a file, or a folder in diffusers' layout."
    )


def folder_of_configs(path: Path, kind: str) -> Path:
    """Return the folder with the configurations and tokenizer of a file's kind."""
    beside = path.with_suffix("")
    places = [beside, *(snapshot(*mirror) for mirror in PINNED[kind])]
    found = next((place for place in places if (place / "unet" / "config.json").is_file()), None)
    if found is None:
        raise UserError(
            f"{path} holds weights alone, and the configurations of {kind} are nowhere.",
            f"Fetch them: woundgen fetch {kind}; or put them into {beside}.",
        )
    return found


def unet_of(weights: dict[str, Tensor], configs: Path) -> UNet2DConditionModel:
    unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(configs / "unet"))
    return _filled(unet, convert_ldm_unet_checkpoint(dict(weights), unet.config), "UNet")


def vae_of(weights: dict[str, Tensor], configs: Path) -> AutoencoderKL:
    vae = AutoencoderKL.from_config(AutoencoderKL.load_config(configs / "vae"))
    return _filled(vae, convert_ldm_vae_checkpoint(dict(weights), vae.config), "autoencoder")


def text_of(weights: dict[str, Tensor], configs: Path) -> CLIPTextModel:
    """The first text encoder: CLIP's, or in SD 2 OpenCLIP's."""
    encoder = CLIPTextModel(CLIPTextConfig.from_pretrained(configs / "text_encoder", local_files_only=True))
    open_clip = _SD2 in weights
    found = convert_open_clip_checkpoint(encoder, weights) if open_clip else convert_ldm_clip_checkpoint(weights)
    bare = {key.removeprefix("text_model."): value for key, value in found.items()}
    return _filled(encoder, bare, "text encoder")


def second_text_of(weights: dict[str, Tensor], configs: Path) -> CLIPTextModelWithProjection:
    config = CLIPTextConfig.from_pretrained(configs / "text_encoder_2", local_files_only=True)
    encoder = CLIPTextModelWithProjection(config)
    found = convert_open_clip_checkpoint(encoder, weights, prefix="conditioner.embedders.1.model.")
    return _filled(encoder, found, "second text encoder")


def _filled(module: M, found: Mapping[str, Tensor], what: str) -> M:
    """The module with the weights, in fp32; UserError where one is missing or of another shape."""
    own = dict(module.named_parameters())
    absent = [name for name in own if name not in found or found[name].numel() != own[name].numel()]
    if absent:
        raise UserError(
            f"The single file lacks {len(absent)} weights of its {what}, {absent[0]} the first.",
            "Give a whole file, and the configurations of its kind.",
        )
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(found[name].view_as(parameter))
    return module.float()
