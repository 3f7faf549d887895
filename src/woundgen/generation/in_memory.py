"""Drawing pictures in memory, for measuring: the same seeds give the same pictures whatever is asked next."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from woundgen.generation.sampler import SamplerSettings, draw_block
from woundgen.models.base import BaseModel, encode_prompts
from woundgen.models.unet_pass import UNetPass, plain_pass
from woundgen.runtime.ranks import ALONE, Ranks

BLOCK = 16


@dataclass(frozen=True, slots=True)
class DrawParts:
    """encode: texts -> states [N, 77, D]. unet_pass: how the UNet is run."""

    encode: Callable[[list[str]], Tensor]
    unet_pass: UNetPass = plain_pass


def draw_images(
    base: BaseModel,
    *,
    count: int,
    prompt: str | list[str],
    negative_prompt: str,
    guidance_scale: float,
    steps: int,
    seed: int,
    size: int,
    ranks: Ranks = ALONE,
    parts: DrawParts | None = None,
) -> NDArray[np.uint8]:
    """uint8 [count, size, size, 3] in whole blocks of BLOCK, where the base is and in its precision.

    The ranks share the blocks, and each gets all images: to the bit those of one process.

    prompt: one text for all, or one each (used in turn where they are fewer than `count`).
    parts: what stands in for the base's text encoder and for a plain pass of its UNet.
    """
    settings = SamplerSettings(
        sampler="dpmsolver++",
        steps=steps,
        guidance_scale=guidance_scale,
        seed=seed,
        block=BLOCK,
        height=size,
        width=size,
    )
    prompts = [prompt] if isinstance(prompt, str) else prompt
    parts = parts or DrawParts(lambda texts: encode_prompts(base, texts))
    states, negative_states = parts.encode(prompts), parts.encode([negative_prompt])
    blocks = math.ceil(count / BLOCK)
    drawn = torch.zeros(blocks * BLOCK, size, size, 3, dtype=torch.uint8, device=states.device)
    for number in ranks.shard(blocks):
        indices = range(number * BLOCK, (number + 1) * BLOCK)
        block = draw_block(
            base,
            settings,
            indices,
            prompt_states=states if len(prompts) == 1 else states[[i % len(prompts) for i in indices]],
            negative_states=negative_states,
            unet_pass=parts.unet_pass,
        )
        drawn[indices.start : indices.stop] = torch.from_numpy(block).to(drawn.device)
    ranks.all_reduce_sum(drawn)
    return drawn[:count].cpu().numpy()
