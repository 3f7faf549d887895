"""Which rows make the global batch of a step, and what each counts: functions of the step alone.

Prior preservation (Ruiz et al. 2023, DreamBooth): for each photograph of the subject one image of its class, drawn
once by the untrained base. The loss is the mean over photographs plus `weight` times the mean over class images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from woundgen.diffusion.randomness import batch_rows, position_seed
from woundgen.training.latents import Latents


@dataclass(frozen=True, slots=True)
class Batches:
    """rows(step): `size` rows of the latents. epochs_a_step: of photographs. weights: fp32, one for each row."""

    size: int
    rows: Callable[[int], list[int]]
    epochs_a_step: float
    weights: Tensor


def with_class_images(photographs: Latents, *, seed: int, batch: int, class_images: int, weight: float) -> Batches:
    """`batch` photographs and as many class images, in turn; the latter's rows come after the photographs'.

    Weights 2 and 2 `weight`, for the loop takes the mean over all slots: the two means, added as diffusers' example
    adds them.
    """
    class_seed, count = position_seed(seed, "class images"), len(photographs)

    def rows(step: int) -> list[int]:
        subject = photographs.rows(seed=seed, step=step, batch=batch)
        others = batch_rows(class_seed, step, batch=batch, size=class_images)
        return [row for pair in zip(subject, others, strict=True) for row in (pair[0], count + pair[1])]

    weights = torch.full((count + class_images,), 2.0)
    weights[count:] *= weight
    return Batches(size=2 * batch, rows=rows, epochs_a_step=batch / count, weights=weights)
