"""LoRA in kohya's layout, which A1111, Forge, ComfyUI, InvokeAI and diffusers read.

Source of the names: kohya-ss/sd-scripts, networks/lora.py (SD 1 and 2: modules of diffusers) and
networks/lora.py with sdxl (modules of Stability's own UNet); prefixes lora_unet_, lora_te_, and lora_te1_, lora_te2_ of
SDXL. DoRA has no place: no reader of these files computes it as DoRA is defined.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from woundgen.adapters.lora_file import LoraLayer
from woundgen.adapters.lora_names import ldm_name

CLIP = "text_model."


def kohya_tensors(layers: Iterable[LoraLayer], *, xl: bool, layers_per_block: int) -> dict[str, Tensor]:
    """Return the tensors by kohya's keys; alpha is scale * rank, so that each reader's alpha / rank is the scale.

    layers: with the names of diffusers, none of them DoRA. Raises ValueError for a layer that Stability's UNet does
    not have.
    """
    listed = list(layers)
    with_attention = {tuple(one.name.split(".")[:2]) for one in listed if ".attentions." in one.name}
    found = {}
    for one in listed:
        name = one.name
        if one.part == "unet" and xl:
            name = ldm_name(
                name,
                layers_per_block=layers_per_block,
                attention_in=lambda side, block: (f"{side}_blocks", str(block)) in with_attention,
            )
        elif one.part != "unet" and name != "text_projection":
            name = f"{CLIP}{name.removeprefix(CLIP)}"
        key = _prefix(one.part, xl=xl) + name.replace(".", "_")
        found[f"{key}.lora_down.weight"] = one.down.contiguous()
        found[f"{key}.lora_up.weight"] = one.up.contiguous()
        found[f"{key}.alpha"] = torch.tensor(one.scale * one.rank)
    return found


def _prefix(part: str, *, xl: bool) -> str:
    prefixes: Mapping[str, str] = {
        "unet": "lora_unet_",
        "text_encoder": "lora_te1_" if xl else "lora_te_",
        "text_encoder_2": "lora_te2_",
    }
    return prefixes[part]
