"""Encode prompts for a base model: one text encoder, or SDXL's two with a pooled vector and the picture's size.

SDXL's UNet wants more than states: the second encoder's pooled vector, and the size of the picture. So that the loop,
the samplers and the tables of prompts pass one tensor for every base, the pooled vector travels as a last row of the
states, and a hook on the UNet takes it off again and adds the size it sees (Podell et al. 2023, sections 2.2 and 2.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from woundgen.models.learned_tokens import spelled_out

FIRST, SECOND = "text_encoder", "text_encoder_2"


@dataclass(frozen=True, slots=True)
class TextTower:
    """SDXL's second encoder, which projects, and its tokenizer."""

    encoder: CLIPTextModelWithProjection
    tokenizer: CLIPTokenizer


def states_of(
    encoder: CLIPTextModel, tokenizer: CLIPTokenizer, second: TextTower | None, prompts: Sequence[str]
) -> Tensor:
    """[N, 77, D]; of SDXL [N, 78, D1 + D2], the last row the pooled vector, filled up with zeros."""
    if second is None:
        return encoder(_ids(tokenizer, prompts).to(encoder.device))[0]
    outputs = [
        one(_ids(words, prompts).to(one.device), output_hidden_states=True)
        for one, words in ((encoder, tokenizer), (second.encoder, second.tokenizer))
    ]
    states = torch.cat([output.hidden_states[-2] for output in outputs], dim=-1)
    pooled = outputs[1].text_embeds
    return torch.cat([states, F.pad(pooled, (0, states.shape[-1] - pooled.shape[-1]))[:, None]], dim=1)


def _ids(tokenizer: CLIPTokenizer, prompts: Sequence[str]) -> Tensor:
    return tokenizer(
        [spelled_out(prompt, tokenizer) for prompt in prompts],
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    ).input_ids


def take_off_pooled(unet: UNet2DConditionModel, *, pooled: int, pixels: int) -> None:
    """Let the UNet take what `states_of` gives for SDXL. pooled: width of that vector. pixels: a latent's side.

    The size told is that of the picture being made, uncropped; a call with conditions of its own is left alone.
    """

    def split(module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...] | None:
        given = dict(zip(("sample", "timestep", "encoder_hidden_states"), arguments, strict=False)) | named
        if given.get("added_cond_kwargs") is not None:
            return None
        sample, packed = given["sample"], given["encoder_hidden_states"]
        height, width = (side * pixels for side in sample.shape[-2:])
        # Filled in where they are used: a copy from the CPU cannot be recorded in a CUDA graph.
        sizes = [packed.new_full((len(packed), 1), side) for side in (height, width, 0, 0, height, width)]
        added = {"text_embeds": packed[:, -1, :pooled], "time_ids": torch.cat(sizes, dim=1)}
        return (), given | {"encoder_hidden_states": packed[:, :-1], "added_cond_kwargs": added}

    unet.register_forward_pre_hook(split, with_kwargs=True)
