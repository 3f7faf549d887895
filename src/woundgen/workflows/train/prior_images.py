"""Images of the class for DreamBooth's prior preservation: drawn once by the untrained base, kept in the run folder."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from woundgen.config.train import TrainConfig
from woundgen.errors import UserError
from woundgen.generation.in_memory import draw_images
from woundgen.models.base import BaseModel
from woundgen.runtime.ranks import Ranks
from woundgen.storage.files import sha256_json, write_bytes
from woundgen.storage.names import CACHE

Say = Callable[[str], None]
SEED_OFFSET = 55_000  # apart from the seeds of sample grids


def class_images_for(config: TrainConfig, base: BaseModel, out: Path, *, say: Say, ranks: Ranks) -> NDArray[np.uint8]:
    """What prior preservation needs, uint8 [N, side, side, 3]; N is 0 for every other method."""
    side = config.trained_side
    if config.training_method != "dreambooth" or config.prior_weight == 0:
        return np.empty((0, side, side, 3), np.uint8)
    return class_images(
        base,
        out,
        prompt=config.class_prompt,
        count=config.class_images,
        guidance_scale=config.guidance_scale,
        steps=config.inference_steps_during_training,
        seed=config.seed,
        size=side,
        say=say,
        ranks=ranks,
    )


def class_images(
    base: BaseModel,
    out: Path,
    *,
    prompt: str,
    count: int,
    guidance_scale: float,
    steps: int,
    seed: int,
    size: int,
    say: Say,
    ranks: Ranks,
) -> NDArray[np.uint8]:
    """uint8 [count, size, size, 3]. `base` is as it was before training; all ranks call together, the first writes."""
    recipe = {
        "base": base.digest, "prompt": prompt, "count": count, "guidance": guidance_scale, "steps": steps,
        "seed": seed, "size": size,
    }  # fmt: skip
    path = out / CACHE / f"class_images_{sha256_json(recipe)[:16]}.npy"
    (there,) = ranks.greatest([int(ranks.first and path.exists())], base.unet.device)
    if there:
        return _read(path)
    say(f"drawing {count} class images, once: {prompt}")
    images = draw_images(
        base, count=count, prompt=prompt, negative_prompt="", guidance_scale=guidance_scale, steps=steps,
        seed=seed + SEED_OFFSET, size=size, ranks=ranks,
    )  # fmt: skip
    if ranks.first:
        path.parent.mkdir(exist_ok=True)
        content = io.BytesIO()
        np.save(content, images, allow_pickle=False)
        write_bytes(path, content.getvalue())
    return images


def _read(path: Path) -> NDArray[np.uint8]:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error}).", "Delete it: the images are drawn again, the same.") from None
