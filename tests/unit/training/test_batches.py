"""Which rows a step sees, with class images and without."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from woundgen.diffusion.objective import weighted_error
from woundgen.diffusion.randomness import batch_rows
from woundgen.models.base import BaseModel
from woundgen.training.batches import Batches, with_class_images
from woundgen.training.latents import Latents, concatenate

from .rig import IMAGES, Rig


def ten() -> Latents:
    """Of ten photographs."""
    return Latents(mean=torch.zeros(10, 1, 4, 2, 2), deviation=torch.zeros(10, 1, 4, 2, 2), scale=1.0)


@pytest.mark.parametrize("class_images", [1, 3, 50])
def test_as_many_class_images_as_photographs(class_images: int) -> None:
    """In every batch; each photograph as often as without them, each class image as often as another."""
    batches = with_class_images(ten(), seed=3, batch=4, class_images=class_images, weight=1.0)
    seen = [batches.rows(step) for step in range(25 * class_images)]
    for step, rows in enumerate(seen):
        assert len(rows) == batches.size == 8
        assert rows[0::2] == batch_rows(3, step, batch=4, size=10)
        assert all(10 <= row < 10 + class_images for row in rows[1::2])
    counts = Counter(row for rows in seen for row in rows)
    assert len({counts[row] for row in range(10)}) == 1
    assert len({counts[row] for row in range(10, 10 + class_images)}) == 1


def test_the_loss_is_that_of_diffusers_example() -> None:
    """train_dreambooth.py: mse(instance) + prior_loss_weight * mse(prior), each a mean over its half of the batch."""
    batches = with_class_images(ten(), seed=3, batch=4, class_images=6, weight=0.7)
    source = torch.Generator().manual_seed(1)
    output, target = torch.randn(2, 8, 4, 8, 8, generator=source)
    rows = batches.rows(2)
    ours = weighted_error(output, target, batches.weights[rows]).sum() / batches.size
    error = torch.nn.functional.mse_loss
    expected = error(output[0::2], target[0::2]) + 0.7 * error(output[1::2], target[1::2])
    torch.testing.assert_close(ours, expected)


def test_the_loop_weighs_rows(make_base: Callable[[], BaseModel]) -> None:
    """The loss of a step is the weighted mean: halved weights halve it, none give none."""
    losses = {}
    for weight in (1.0, 0.5, 0.0):
        batches = Batches(
            4, lambda step: batch_rows(3, step, batch=4, size=IMAGES), 4 / IMAGES, torch.full((IMAGES,), weight)
        )
        losses[weight] = Rig.build(make_base()).run(until=1, batches=batches).losses[0]
    assert losses[1.0] == Rig.build(make_base()).run(until=1).losses[0]
    assert losses[0.5] == pytest.approx(losses[1.0] / 2)
    assert losses[0.0] == 0


def test_rows_of_both() -> None:
    """The photographs' first; where places of theirs count differently, the others' count alike."""
    photographs = replace(ten(), region=torch.full((10, 1, 2, 2), 3.0))
    both = concatenate(photographs, replace(ten(), mean=torch.ones(10, 1, 4, 2, 2)))
    assert len(both) == 20
    assert both.mean[:10].abs().max() == 0
    assert both.mean[10:].min() == 1
    assert both.region is not None
    assert both.region[:10].unique().tolist() == [3.0]
    assert both.region[10:].unique().tolist() == [1.0]
