"""A base in the single-file layout of the original repositories: what diffusers converts, inverted, for SD 1's levels.

Names as in CompVis' ldm (openaimodel.py, autoencoder) and, for the text encoder, Hugging Face's own below a prefix.
"""

from __future__ import annotations

from torch import Tensor

from woundgen.models.base import BaseModel

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


def unet_places() -> dict[str, str]:
    """diffusers' beginning of a name -> the original's, for four levels of two layers."""
    places = dict(OUTER)
    for i in range(4):
        for j in range(2):
            places[f"down_blocks.{i}.resnets.{j}."] = f"input_blocks.{3 * i + j + 1}.0."
            places[f"down_blocks.{i}.attentions.{j}."] = f"input_blocks.{3 * i + j + 1}.1."
        for j in range(3):
            places[f"up_blocks.{i}.resnets.{j}."] = f"output_blocks.{3 * i + j}.0."
            places[f"up_blocks.{i}.attentions.{j}."] = f"output_blocks.{3 * i + j}.1."
        places[f"down_blocks.{i}.downsamplers.0.conv."] = f"input_blocks.{3 * i + 3}.0.op."
        places[f"up_blocks.{i}.upsamplers.0."] = f"output_blocks.{3 * i + 2}.{1 if i == 0 else 2}."
    return places


def vae_places() -> dict[str, str]:
    places = {}
    for i in range(4):
        for j in range(2):
            places[f"encoder.down_blocks.{i}.resnets.{j}."] = f"encoder.down.{i}.block.{j}."
        for j in range(3):
            places[f"decoder.up_blocks.{i}.resnets.{j}."] = f"decoder.up.{3 - i}.block.{j}."
        places[f"encoder.down_blocks.{i}.downsamplers.0."] = f"encoder.down.{i}.downsample."
        places[f"decoder.up_blocks.{i}.upsamplers.0."] = f"decoder.up.{3 - i}.upsample."
    for side in ("encoder", "decoder"):
        for j in range(2):
            places[f"{side}.mid_block.resnets.{j}."] = f"{side}.mid.block_{j + 1}."
        places[f"{side}.mid_block.attentions.0."] = f"{side}.mid.attn_1."
        places[f"{side}.conv_norm_out."] = f"{side}.norm_out."
    return places


def renamed(name: str, places: dict[str, str]) -> str:
    """With the longest beginning that has a place of its own."""
    begin = max((one for one in places if name.startswith(one)), key=len, default="")
    return places.get(begin, "") + name.removeprefix(begin)


def single_file(base: BaseModel) -> dict[str, Tensor]:
    tensors = {}
    for name, value in base.unet.state_dict().items():
        target = renamed(name, unet_places())
        if ".resnets." in name:
            for ours, theirs in RESNET.items():
                target = target.replace(f".{ours}", f".{theirs}")
        tensors[f"model.diffusion_model.{target}"] = value
    for name, value in base.vae.state_dict().items():
        target = renamed(name, vae_places())
        if ".resnets." in name:
            target = target.replace("conv_shortcut.", "nin_shortcut.")
        if ".attentions." in name:
            for ours, theirs in VAE_ATTENTION.items():
                target = target.replace(f".{ours}", f".{theirs}")
            value = value[..., None, None] if value.ndim == 2 else value  # 1x1 convolutions there
        tensors[f"first_stage_model.{target}"] = value
    for name, value in base.text_encoder.state_dict().items():
        tensors[f"cond_stage_model.transformer.text_model.{name}"] = value
    return {key: value.contiguous() for key, value in tensors.items()}
