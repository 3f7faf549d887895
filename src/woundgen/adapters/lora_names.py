"""The names of a Stable Diffusion's layers elsewhere: Stability's own (LDM) names, and kohya's, by those of diffusers.

Sources: diffusers, scripts/convert_diffusers_to_original_stable_diffusion.py and loaders/lora_conversion_utils.py;
kohya-ss/sd-scripts, networks/lora.py (LoRANetwork: prefix + the module's name with underscores).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

_RESNET = {
    "conv1": "in_layers.2", "conv2": "out_layers.3", "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection", "norm1": "in_layers.0", "norm2": "out_layers.0",
}  # fmt: skip
_FIXED = {
    "conv_in": "input_blocks.0.0", "conv_out": "out.2", "conv_norm_out": "out.0",
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
}  # fmt: skip
_BLOCK = re.compile(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)")
_MIDDLE = re.compile(r"mid_block\.(resnets|attentions)\.(\d+)\.(.+)")


def ldm_name(name: str, *, layers_per_block: int, attention_in: Callable[[str, int], bool]) -> str:
    """A UNet layer's name in Stability's layout. UserError is the caller's: ValueError for a name of no such UNet.

    attention_in(side, block): whether the block of that side ("down", "up") has attention, for an upsampler comes
    after it.
    """
    if name in _FIXED:
        return _FIXED[name]
    if match := _MIDDLE.fullmatch(name):
        kind, number, rest = match[1], int(match[2]), match[3]
        return f"middle_block.{1 if kind == 'attentions' else 2 * number}.{_inner(kind, rest)}"
    if not (match := _BLOCK.fullmatch(name)):
        raise ValueError(name)
    side, block, kind, number, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
    if side == "down":
        first = (layers_per_block + 1) * block + 1
        if kind == "downsamplers":
            return f"input_blocks.{first + layers_per_block}.0.op"
        return f"input_blocks.{first + number}.{int(kind == 'attentions')}.{_inner(kind, rest)}"
    first = (layers_per_block + 1) * block
    if kind == "upsamplers":
        return f"output_blocks.{first + layers_per_block}.{1 + attention_in('up', block)}.conv"
    return f"output_blocks.{first + number}.{int(kind == 'attentions')}.{_inner(kind, rest)}"


def _inner(kind: str, rest: str) -> str:
    return _RESNET.get(rest, rest) if kind == "resnets" else rest


def unet_aliases(names: Iterable[str], *, layers_per_block: int) -> dict[str, str]:
    """Map names with underscores, as diffusers or as Stability spells them, to those of diffusers, of all `names`."""
    listed = list(names)
    with_attention = {tuple(name.split(".")[:2]) for name in listed if ".attentions." in name}

    def attention_in(side: str, block: int) -> bool:
        return (f"{side}_blocks", str(block)) in with_attention

    found = {}
    for name in listed:
        found[name.replace(".", "_")] = name
        try:
            other = ldm_name(name, layers_per_block=layers_per_block, attention_in=attention_in)
        except ValueError:
            continue
        found.setdefault(other.replace(".", "_"), name)
    return found


def text_aliases(names: Iterable[str]) -> dict[str, str]:
    """As `unet_aliases`, of a CLIP text encoder, with and without `text_model.` (transformers 4 and 5)."""
    found = {}
    for name in names:
        bare = name.removeprefix("text_model.")
        for spelled in (bare, f"text_model.{bare}"):
            found[spelled] = found[spelled.replace(".", "_")] = name
    return found
