"""A photograph that images are begun from: found among those they are held against, called by a salted id."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from woundgen.data.layouts.manifest import photograph_root
from woundgen.errors import UserError
from woundgen.events import Info, Work
from woundgen.generation.sampler import Beginning
from woundgen.models.base import BaseModel
from woundgen.models.images import encode_images
from woundgen.privacy.exposure import KEY
from woundgen.privacy.marks import marks_of
from woundgen.runtime.ranks import Ranks
from woundgen.storage.files import read_json
from woundgen.storage.names import RUN_JSON
from woundgen.workflows.screen.job import Screen


@dataclass(frozen=True, slots=True)
class InitImage:
    """pixels: uint8 [1, S, S, 3], prepared as training saw it. mark: salted id, the key of which stays in the run."""

    pixels: NDArray[np.uint8]
    mark: str


def find_source(photograph: Path, screen: Screen, *, real: Path, run: Path | None) -> InitImage:
    """Raises UserError where copies of the photograph would not be found, or nothing could salt its id."""
    if not photograph.is_file():
        raise UserError(f"{photograph} does not exist.", "Give --from a photograph of --real.")
    places = [Path(photo.path).resolve() for photo in screen.photographs]
    if photograph.resolve() not in places:
        raise UserError(
            f"{photograph} is not among the photographs that images are held against: a copy of it would not be found.",
            "Give --from a photograph of --real that the adapter was trained on.",
        )
    key = read_json(run / RUN_JSON).get("data", {}).get(KEY) if run is not None else None
    if key is None:
        raise UserError(
            "The adapter lies in no run, whose key would salt the photograph's id.", "Draw with the run's own folder."
        )
    row = places.index(photograph.resolve())
    mark = marks_of([screen.photographs[row]], key=key, roots=[photograph_root(real)])[0][0]
    return InitImage(screen.images[row : row + 1], mark)


def begin_from(
    base: BaseModel, source: InitImage | None, *, strength: float, size: int, ranks: Ranks
) -> Work[Beginning]:
    """The photograph's latents on every process, of which the first alone has found it; and what that means, said."""
    blank = np.zeros((1, size, size, 3), np.uint8)
    latents = encode_images(base.vae, blank if source is None else source.pixels)[0] * base.latent_scale
    latents = (torch.zeros_like(latents) if source is None else latents).to(base.unet.device)
    ranks.all_reduce_sum(latents)
    if source is not None:
        yield Info(
            f"every image begins from one photograph (salted id {source.mark}) at strength {strength:g}: what the "
            "noise leaves of it stays in the image. Those nearer to it than patients come to one another are held "
            "back; one that passes may still show that patient"
        )
    return Beginning(latents, strength)
