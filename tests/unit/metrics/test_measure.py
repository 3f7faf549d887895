"""From images to rows: which network gives which metric, and that streaming changes nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from woundgen.features.cache import Cache
from woundgen.features.extractor import Extractor, Outputs
from woundgen.features.load import load_extractor
from woundgen.metrics import measure
from woundgen.metrics.frechet import frechet_distance
from woundgen.metrics.measure import RealSets, measure_images, perceptual_between
from woundgen.metrics.prepared import PreparedImages
from woundgen.records import Preparation
from woundgen.similarity.perceptual import embed, pairwise_squared_distances

PREPARED = Preparation(16, 0.25, False, 1)


def images(count: int, seed: int, mean: float = 128) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(mean, 40, (count, 16, 16, 3))
    return np.clip(noise, 0, 255).astype(np.uint8)


def stand_in(name: str) -> Extractor:
    """Four projections of the pixels as features, two classes, and the pixels as the only layer."""
    torch.manual_seed(0)
    module = torch.nn.Linear(16 * 16 * 3, 4)

    def run(batch: torch.Tensor) -> Outputs:
        pooled = module(batch.flatten(1) / 255)
        return Outputs(pooled, (batch / 255,), pooled[:, :2].softmax(1))

    gives = {
        "inception": {"pooled", "probabilities"},
        "lpips-alex": {"layers"},
        "dinov2-small": {"pooled", "layers"},
        "embedded": {"pooled", "layers"},
    }[name]
    return Extractor(name, f"digest of {name}", "0..1", frozenset(gives), module, run, batch=7)  # type: ignore[arg-type]


def test_each_network_gives_its_own_metrics() -> None:
    """FID and IS of Inception alone, LPIPS of an LPIPS network; each row names network and digest."""
    names = ("inception", "lpips-alex", "dinov2-small", "embedded")
    rows = measure_images(
        [stand_in(name) for name in names],
        generated=PreparedImages(images(24, 0, 120), PREPARED),
        real=RealSets(images(20, 1), PREPARED), neighbours=False,
    )  # fmt: skip
    found = {(row.metric, row.network) for row in rows if row.label == ""}
    whole = [row for row in rows if row.label == "whole sets, as pytorch-fid"]
    assert [(row.metric, row.network, row.n, row.low) for row in whole] == [("fid", "inception", (24, 20), None)]
    assert found == {
        *{("fid", "inception"), ("kid", "inception"), ("inception_score", "inception")},
        *{("fd", "dinov2-small"), ("kid", "dinov2-small"), ("fd", "embedded"), ("kid", "embedded")},
        *{("lpips", "lpips-alex"), ("perceptual", "embedded"), ("ssim", None)},
    }
    assert {(row.metric, row.network) for row in rows if row.label == "floor"} == found
    assert all(row.digest == f"digest of {row.network}" for row in rows if row.network)


def test_every_row_stands_beside_ceiling_and_training() -> None:
    real = images(20, 1)
    sets = RealSets(real, PREPARED, through=real, training=images(30, 2))
    rows = measure_images([stand_in("embedded")], generated=PreparedImages(images(24, 0), PREPARED), real=sets)
    labels = {row.metric: set() for row in rows}
    for row in rows:
        labels[row.metric].add(row.label)
    assert all(found == {"", "floor", "ceiling", "training"} for found in labels.values()), labels
    assert len(labels) == 9


@pytest.mark.parametrize("held", [1, 3, 100])
def test_streaming_changes_nothing(held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    one = stand_in("embedded")
    left, right = images(9, 0), images(8, 1)
    monkeypatch.setattr(measure, "EMBEDDING_BYTES", held * 16 * 16 * 3 * 4)
    between = perceptual_between(one)
    for a, b in ((left, right), (right, right)):
        expected = pairwise_squared_distances(embed(one.layers(a)), embed(one.layers(b)))
        np.testing.assert_allclose(between(a, b), expected, atol=1e-6)


def test_features_are_taken_once() -> None:
    """A second table against the same photographs looks at the new images alone."""
    seen: list[int] = []
    plain = stand_in("dinov2-small")

    def counting(batch: torch.Tensor) -> Outputs:
        seen.append(len(batch))
        return plain.run(batch)

    network, cache, real = replace(plain, run=counting), Cache(), RealSets(images(20, 1), PREPARED)
    for seed in (2, 3):
        seen.clear()
        measure_images(
            [network], generated=PreparedImages(images(24, seed), PREPARED), real=real, neighbours=False, cache=cache
        )
    assert sum(seen) == 24


def test_the_number_is_that_of_the_features() -> None:
    """One deal of the splits by hand: at n of half of the smaller set, mean of the values stored."""
    one, generated, real = load_extractor("embedded"), images(24, 0, 100), images(16, 1)
    fd = next(
        r
        for r in measure_images(
            [one], generated=PreparedImages(generated, PREPARED), real=RealSets(real, PREPARED), neighbours=False
        )
    )
    assert (fd.metric, fd.n) == ("fd", (8, 8))
    assert fd.value == pytest.approx(np.mean(fd.splits))
    whole = frechet_distance(one.pooled(generated), one.pooled(real))
    assert fd.value > whole > 0  # the smaller n, the larger FD
