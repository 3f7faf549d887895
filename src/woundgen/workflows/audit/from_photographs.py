"""How much noise it takes until images that begin from a photograph trained on are no longer called its copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from woundgen.adapters.saved import apply_trained
from woundgen.copies.scene import describe_scene
from woundgen.events import Progress, Work
from woundgen.generation.sampler import Beginning, SamplerSettings, draw_block
from woundgen.metrics.intervals import binomial_bounds
from woundgen.models.base import BaseModel, encode_prompts
from woundgen.models.images import encode_images
from woundgen.workflows.audit.copies import CopySearch
from woundgen.workflows.audit.sides import Sides
from woundgen.workflows.audit.subject import Subject

BEGUN = 16  # photographs that images begin from, each once at every strength


@dataclass(frozen=True, slots=True)
class Recognised:
    """Of n images, each begun from another photograph at `strength`: how many are called copies, 95 % interval."""

    strength: float
    recognised: int
    n: int
    low: float
    high: float


def recognise_beginnings(
    subject: Subject,
    sides: Sides,
    search: CopySearch,
    sampler: Mapping[str, Any],
    *,
    strengths: Sequence[float],
) -> Work[list[dict[str, Any]] | dict[str, str]]:
    """Draw from photographs trained on at each strength, as `generate --from` does, and count the copies.

    sampler: as set.json holds it. Returns the facts of a Recognised for each strength, or {"not_made": why} where no
    ceiling can be had.
    """
    if not strengths:
        return []
    if search.ceiling is None:
        return {"not_made": search.rule}
    rows = sides.trained[:: max(1, len(sides.trained) // BEGUN)][:BEGUN]
    base = subject.load()
    apply_trained(base, subject.adapters)
    rates = []
    for strength in strengths:
        images = []
        for number, row in enumerate(rows):
            images.append(_draw_from(base, subject, row, sampler, strength=strength, seed=number))
            yield Progress(number + 1, len(rows), f"from photographs at strength {strength:g}")
        count = int(search.find_copies([describe_scene(image) for image in images]).sum())
        rates.append(asdict(Recognised(strength, count, len(rows), *binomial_bounds(count, len(rows)))))
    return rates


def _draw_from(
    base: BaseModel, subject: Subject, row: int, sampler: Mapping[str, Any], *, strength: float, seed: int
) -> NDArray[np.uint8]:
    """One image from photograph `row`, with the prompt it was trained with and no guidance."""
    pixels = subject.photos.images[row : row + 1]
    latents = encode_images(base.vae, pixels)[0] * base.latent_scale
    settings = SamplerSettings(
        sampler=sampler["sampler"], steps=sampler["steps"], guidance_scale=1.0, seed=seed, block=1,
        height=pixels.shape[1], width=pixels.shape[2],
    )  # fmt: skip
    states = encode_prompts(base, subject.prompts([row]))
    return np.asarray(
        draw_block(
            base, settings, [0], prompt_states=states, negative_states=None,
            beginning=Beginning(latents, strength),
        )[0]
    )  # fmt: skip
