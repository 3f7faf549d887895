"""Evaluations inside training: what they are held against, what they give, and that memory comes back."""

from __future__ import annotations

import gc
import resource
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from woundgen.config.train import TrainConfig
from woundgen.data.photo_set import PhotoSet
from woundgen.errors import UserError
from woundgen.features.load import load_extractor
from woundgen.models.base import BaseModel
from woundgen.records import Photo, Preparation
from woundgen.workflows.train.image_metrics import build_measure, choose_monitor, choose_reference, evaluation_wishes


def photographs(train: int, validation: int) -> PhotoSet:
    sides = ["train"] * train + ["validation"] * validation
    photos = [Photo(f"/x/{i}.png", "I", f"p{i}", split=side) for i, side in enumerate(sides)]  # type: ignore[arg-type]
    images = np.random.default_rng(0).integers(0, 256, (len(photos), 32, 32, 3)).astype(np.uint8)
    return PhotoSet(photos, images, "digest", Preparation(images.shape[1], None, False, 1))


def test_held_out_photographs_where_there_are_enough() -> None:
    many, few = photographs(40, 20), photographs(40, 6)
    reference = choose_reference(many, TrainConfig())
    assert reference is not None
    assert reference.training is not None
    np.testing.assert_array_equal(reference.images, many.images[40:])
    np.testing.assert_array_equal(reference.training, many.images[:40])
    trained = choose_reference(few, TrainConfig())
    assert trained is not None
    assert trained.training is None
    np.testing.assert_array_equal(trained.images, few.images[:40])


def test_too_few_photographs() -> None:
    """Left out where nobody asked; an error where metrics were asked for."""
    few = photographs(10, 2)
    assert choose_reference(few, TrainConfig()) is None
    assert choose_reference(photographs(40, 20), TrainConfig(metric_images=0)) is None
    for config in (TrainConfig(metric_images=32), TrainConfig(monitor="fd")):
        with pytest.raises(UserError, match="at least 16 images"):
            choose_reference(few, config)


def test_what_the_plan_is_asked_for() -> None:
    reference = choose_reference(photographs(40, 20), TrainConfig())
    assert evaluation_wishes(TrainConfig(), reference).images == 20
    assert evaluation_wishes(TrainConfig(metric_images=40), reference).images == 40
    assert evaluation_wishes(TrainConfig(), None).images == 0
    changed = evaluation_wishes(TrainConfig(guidance_scale=1, ema=False, evaluation_share=0.25), reference)
    assert (changed.guided, changed.kinds, changed.share) == (False, 1, 0.25)


def test_the_best_is_chosen_by_fid_or_fd_where_measured() -> None:
    reference = choose_reference(photographs(40, 20), TrainConfig())
    assert choose_monitor(TrainConfig(), reference) == "fd"
    assert choose_monitor(TrainConfig(features=("embedded", "inception")), reference) == "fid"
    assert choose_monitor(TrainConfig(), None) == "val_loss"
    assert choose_monitor(TrainConfig(monitor="kid"), reference) == "kid"


@pytest.fixture
def measure(make_base: Callable[[], BaseModel]) -> Callable[[np.ndarray], list]:
    reference = choose_reference(photographs(40, 20), TrainConfig())
    assert reference is not None
    return build_measure(make_base().vae, [load_extractor("embedded")], reference)


def drawn(seed: int, count: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3)).astype(np.uint8)


def test_every_history_fills(measure: Callable[[np.ndarray], list]) -> None:
    """Decision 7's histories: FD, SSIM and the perceptual distance, each beside floor, ceiling and training row."""
    rows = measure(drawn(1))
    found = {(row.metric, row.label) for row in rows}
    labels = ("", "floor", "ceiling", "training")
    assert found == {(metric, label) for metric in ("fd", "kid", "ssim", "perceptual") for label in labels}
    again = measure(drawn(1))
    assert [row.value for row in again] == [row.value for row in rows]
    assert [row.value for row in measure(drawn(2))] != [row.value for row in rows]


def tensors() -> int:
    gc.collect()
    return sum(1 for one in gc.get_objects() if isinstance(one, torch.Tensor))


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.slow
def test_ten_rounds_leave_nothing_behind(measure: Callable[[np.ndarray], list]) -> None:
    """No tensor more after ten rounds, and no higher peak than after the first two (20 MB of allocator's play)."""
    for seed in range(2):
        measure(drawn(seed, 60))
    count, peak = tensors(), peak_megabytes()
    for seed in range(10):
        measure(drawn(seed + 2, 60))
    assert tensors() == count
    assert peak_megabytes() < peak + 20


def test_a_leak_would_be_seen(measure: Callable[[np.ndarray], list]) -> None:
    kept = []
    count = tensors()
    for seed in range(3):
        measure(drawn(seed))
        kept.append(torch.zeros(3))
    assert tensors() == count + 3


def test_networks_are_put_back_after_a_failure(make_base: Callable[[], BaseModel]) -> None:
    reference = choose_reference(photographs(40, 20), TrainConfig())
    assert reference is not None
    network = load_extractor("embedded")

    def broken(batch: torch.Tensor) -> None:
        raise RuntimeError("out of memory")

    measure = build_measure(make_base().vae, [replace(network, run=broken)], reference)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="out of memory"):
        measure(drawn(0))
    assert {p.device.type for p in network.module.parameters()} == {"cpu"}
