"""A base in the single-file layout of the original repositories, which A1111 and ComfyUI read: SD 1.x and 2.x.

Names as in CompVis' ldm (openaimodel.py, autoencoder). Text encoder: of SD 1 Hugging Face's below a prefix, of SD 2
OpenCLIP's (open_clip/transformer.py), as diffusers' convert_diffusers_to_original_stable_diffusion.py has them.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from woundgen.errors import UserError
from woundgen.models.base import BaseModel

LEVELS, LAYERS = 4, 2

RESNET = {
    "norm1.": "in_layers.0.",
    "conv1.": "in_layers.2.",
    "norm2.": "out_layers.0.",
    "conv2.": "out_layers.3.",
    "time_emb_proj.": "emb_layers.1.",
    "conv_shortcut.": "skip_connection.",
}
OUTER = {
    "time_embedding.linear_1.": "time_embed.0.",
    "time_embedding.linear_2.": "time_embed.2.",
    "conv_in.": "input_blocks.0.0.",
    "conv_norm_out.": "out.0.",
    "conv_out.": "out.2.",
    "mid_block.resnets.0.": "middle_block.0.",
    "mid_block.attentions.0.": "middle_block.1.",
    "mid_block.resnets.1.": "middle_block.2.",
}
VAE_ATTENTION = {"group_norm.": "norm.", "to_q.": "q.", "to_k.": "k.", "to_v.": "v.", "to_out.0.": "proj_out."}


OPEN_CLIP = {
    "layer_norm1.": "ln_1.",
    "layer_norm2.": "ln_2.",
    "mlp.fc1.": "mlp.c_fc.",
    "mlp.fc2.": "mlp.c_proj.",
    "self_attn.out_proj.": "attn.out_proj.",
}
OPEN_CLIP_OUTER = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
}


def unet_places() -> dict[str, str]:
    """diffusers' beginning of a name -> the original's, for four levels of two layers."""
    places = dict(OUTER)
    for i in range(LEVELS):
        for j in range(LAYERS):
            places[f"down_blocks.{i}.resnets.{j}."] = f"input_blocks.{3 * i + j + 1}.0."
            places[f"down_blocks.{i}.attentions.{j}."] = f"input_blocks.{3 * i + j + 1}.1."
        for j in range(LAYERS + 1):
            places[f"up_blocks.{i}.resnets.{j}."] = f"output_blocks.{3 * i + j}.0."
            places[f"up_blocks.{i}.attentions.{j}."] = f"output_blocks.{3 * i + j}.1."
        places[f"down_blocks.{i}.downsamplers.0.conv."] = f"input_blocks.{3 * i + 3}.0.op."
        places[f"up_blocks.{i}.upsamplers.0."] = f"output_blocks.{3 * i + 2}.{1 if i == 0 else 2}."
    return places


def vae_places() -> dict[str, str]:
    places = {}
    for i in range(LEVELS):
        for j in range(LAYERS):
            places[f"encoder.down_blocks.{i}.resnets.{j}."] = f"encoder.down.{i}.block.{j}."
        for j in range(LAYERS + 1):
            places[f"decoder.up_blocks.{i}.resnets.{j}."] = f"decoder.up.{3 - i}.block.{j}."
        places[f"encoder.down_blocks.{i}.downsamplers.0."] = f"encoder.down.{i}.downsample."
        places[f"decoder.up_blocks.{i}.upsamplers.0."] = f"decoder.up.{3 - i}.upsample."
    for side in ("encoder", "decoder"):
        for j in range(LAYERS):
            places[f"{side}.mid_block.resnets.{j}."] = f"{side}.mid.block_{j + 1}."
        places[f"{side}.mid_block.attentions.0."] = f"{side}.mid.attn_1."
        places[f"{side}.conv_norm_out."] = f"{side}.norm_out."
    return places


def rename(name: str, places: dict[str, str]) -> str:
    """Replace the longest beginning that has a place."""
    begin = max((place for place in places if name.startswith(place)), key=len, default="")
    return places.get(begin, "") + name.removeprefix(begin)


def check_layout(base: BaseModel) -> None:
    """UserError for a base whose levels the layout has no names for."""
    if base.second is not None:
        raise UserError("A single file of SDXL's layout is not written.", "Use --format merged, a folder.")
    for part, levels in ((base.unet, "down_block_types"), (base.vae, "down_block_types")):
        if len(part.config[levels]) != LEVELS or part.config["layers_per_block"] != LAYERS:
            raise UserError(
                f"Base {base.name} has not Stable Diffusion's {LEVELS} levels of {LAYERS} layers, and a single file "
                "has no names for others.",
                "Use --format merged, a folder.",
            )


def single_file(base: BaseModel) -> dict[str, Tensor]:
    """Return the tensors of the file. UserError where the layout has no place for the base."""
    check_layout(base)
    tensors = {
        **{f"model.diffusion_model.{name}": value for name, value in _unet(base.unet.state_dict()).items()},
        **{f"first_stage_model.{name}": value for name, value in _vae(base.vae.state_dict()).items()},
        **_text(base.text_encoder.state_dict(), is_open_clip=base.text_encoder.config.hidden_act == "gelu"),
    }
    return {key: value.contiguous() for key, value in tensors.items()}


def _unet(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    places = unet_places()
    return {
        _replace(rename(name, places), RESNET) if ".resnets." in name else rename(name, places): value
        for name, value in state.items()
    }


def _vae(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    places, tensors = vae_places(), {}
    for name, value in state.items():
        target = rename(name, places)
        if ".resnets." in name:
            target = target.replace("conv_shortcut.", "nin_shortcut.")
        if ".attentions." in name:
            target = _replace(target, VAE_ATTENTION)
            value = value[..., None, None] if value.ndim == 2 else value  # 1x1 convolutions there
        tensors[target] = value
    return tensors


def _text(state: Mapping[str, Tensor], *, is_open_clip: bool) -> dict[str, Tensor]:
    bare = {name.removeprefix("text_model."): value for name, value in state.items()}
    if not is_open_clip:
        return {f"cond_stage_model.transformer.text_model.{name}": value for name, value in bare.items()}
    tensors = {}
    for name, value in bare.items():
        if name in OPEN_CLIP_OUTER:
            tensors[OPEN_CLIP_OUTER[name]] = value
        elif ".self_attn." in name and ".out_proj." not in name:
            layer, _, kind = name.removeprefix("encoder.layers.").partition(".self_attn.")
            if kind.startswith("q_proj."):
                end = kind.removeprefix("q_proj.")
                parts = [bare[f"encoder.layers.{layer}.self_attn.{part}_proj.{end}"] for part in "qkv"]
                tensors[f"transformer.resblocks.{layer}.attn.in_proj_{end}"] = torch.cat(parts)
        elif name.startswith("encoder.layers."):
            target = name.replace("encoder.layers.", "transformer.resblocks.")
            tensors[_replace(target, OPEN_CLIP)] = value
    return {f"cond_stage_model.model.{name}": value for name, value in tensors.items()}


def _replace(name: str, words: Mapping[str, str]) -> str:
    for ours, theirs in words.items():
        name = name.replace(f".{ours}", f".{theirs}")
    return name
