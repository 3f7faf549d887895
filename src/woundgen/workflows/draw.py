"""Drawing pictures in memory, for measuring: the same seeds give the same pictures whatever is asked next."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from woundgen.generation.sampler import SamplerSettings, draw_block
from woundgen.models.base import BaseModel, encode_prompts

BLOCK = 16


def draw_images(
    base: BaseModel,
    *,
    count: int,
    prompt: str,
    negative_prompt: str,
    guidance_scale: float,
    steps: int,
    seed: int,
    size: int,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.uint8]:
    """uint8 [count, size, size, 3] in whole blocks of BLOCK, where the base is and in its precision."""
    settings = SamplerSettings(
        sampler="dpmsolver++",
        steps=steps,
        guidance_scale=guidance_scale,
        seed=seed,
        block=BLOCK,
        height=size,
        width=size,
    )
    states = encode_prompts(base, [prompt]), encode_prompts(base, [negative_prompt])
    blocks = []
    for first in range(0, count, BLOCK):
        blocks.append(
            draw_block(
                base,
                settings,
                range(first, first + BLOCK),
                prompt_states=states[0],
                negative_states=states[1],
                notice=lambda text: None,
            )
        )
        if progress is not None:
            progress(min(count, first + BLOCK), count)
    return np.concatenate(blocks)[:count]
