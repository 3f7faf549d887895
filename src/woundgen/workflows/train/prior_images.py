"""Images of the class for DreamBooth's prior preservation: drawn once by the untrained base and cached."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from woundgen.errors import UserError
from woundgen.generation.in_memory import DrawParts, draw_images
from woundgen.models.base import encode_prompts
from woundgen.storage.arrays import write_array
from woundgen.storage.files import sha256_json
from woundgen.storage.names import CACHE
from woundgen.workflows.train.session import TrainingSession

SEED_OFFSET = 55_000  # apart from the seeds of sample grids


def load_class_images(session: TrainingSession) -> NDArray[np.uint8]:
    """Load the class images of a run, or draw them with the base, which must still be untrained.

    Returns uint8 [N, side, side, 3]; N is 0 for every method but dreambooth. All ranks call together, the first writes.
    """
    config, ranks = session.config, session.ranks
    side = config.trained_side
    if config.model.method != "dreambooth" or config.prior.weight == 0:
        return np.empty((0, side, side, 3), np.uint8)
    path = session.folder / CACHE / f"class_images_{_recipe_digest(session)[:16]}.npy"
    (is_cached,) = ranks.all_reduce_max([int(ranks.first and path.exists())], session.base.unet.device)
    if is_cached:
        return _read(path)
    session.console.info(f"drawing {config.prior.images} class images, once: {config.prior.prompt}")
    images = draw_images(
        session.base,
        count=config.prior.images,
        prompt=config.prior.prompt,
        negative_prompt="",
        guidance_scale=config.sampling.guidance_scale,
        steps=config.evaluation.sampler_steps,
        seed=config.seed + SEED_OFFSET,
        size=side,
        ranks=ranks,
        parts=DrawParts(lambda texts: encode_prompts(session.base, texts), session.unet_pass),
    )
    if ranks.first:
        path.parent.mkdir(exist_ok=True)
        write_array(path, images, private=True)
    return images


def _recipe_digest(session: TrainingSession) -> str:
    """Return the digest of all that decides the images."""
    config = session.config
    recipe = {
        "base": session.base.digest,
        "prompt": config.prior.prompt,
        "count": config.prior.images,
        "guidance": config.sampling.guidance_scale,
        "steps": config.evaluation.sampler_steps,
        "seed": config.seed,
        "size": config.trained_side,
    }
    return sha256_json(recipe)


def _read(path: Path) -> NDArray[np.uint8]:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error}).", "Delete it: the images are drawn again, the same.") from None
