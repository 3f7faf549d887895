"""Sweeping a trained adapter: few images first, the lowest two on all, and no image drawn twice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from woundgen.config.train import TrainConfig
from woundgen.tuning.objective import choose_statistic
from woundgen.workflows.tune.measure import Painter, sweep_drawing, take_blocks
from woundgen.workflows.tune.unit import Unit

DRAWING = {
    "guidance_scale": (2.0, 1.5, 3.0),
    "weights": ("ema", "raw"),
    "guidance_interval": ((0.0, 1.0),),
    "inference_steps_production": (15,),
}
OFFSETS = {2.0: 40, 1.5: 60, 3.0: 20}  # how far the images of a guidance are from the photographs


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Blocks that were drawn: (guidance, weights, phase, first, count). An image's pixels are its place and offset."""
    blocks: list[tuple[Any, ...]] = []

    def draw_block(painter: Painter, drawing: Mapping[str, Any], phase: str, indices: range) -> Any:
        scale, weights = drawing["guidance_scale"], drawing["weights"]
        blocks.append((scale, weights, phase, indices.start, len(indices)))
        offset = OFFSETS[scale] + 10 * (weights == "raw")
        return np.array([np.full((2, 2, 3), spread(index) + offset, np.uint8) for index in indices])

    monkeypatch.setattr(Painter, "_draw_block", draw_block)
    return blocks


def spread(index: int) -> int:
    """Return 0..99 for 0..99, so that the first few are spread over all."""
    return index * 37 % 100


def features(images: Any) -> Any:
    values = images[:, 0, 0, 0].astype(float) / 50
    return np.stack([values, values**2], axis=1)


REFERENCES: Any = SimpleNamespace(
    network=SimpleNamespace(pooled=features),
    side_features=lambda side, count: features(np.array([np.full((2, 2, 3), row, np.uint8) for row in range(count)])),
)


def sweep(drawing: Mapping[str, tuple[Any, ...]], *, images: int, kind: Any = "kid") -> Any:
    painter = Painter(Path("unused"), TrainConfig(), {"I": 100}, seed=0)
    unit = Unit("trial", "trial", {}, 0, 1.0, drawing, "validation", 100, images, 0, True)
    return sweep_drawing(painter, REFERENCES, unit, kind)


def test_few_images_first_and_the_lowest_two_on_all(drawn: list[tuple[Any, ...]]) -> None:
    points, place, best = sweep(DRAWING, images=100)
    assert [(point.drawing["guidance_scale"], point.drawing["weights"], point.images) for point in points] == [
        (2.0, "ema", 16), (3.0, "ema", 16), (3.0, "raw", 16), (3.0, "ema", 100), (3.0, "raw", 100),
    ]  # fmt: skip
    assert (place, best.point) == (3, points[3])
    assert len(best.images) == len(best.features) == 100
    assert len(drawn) == len(set(drawn)), "no block is drawn twice"
    assert len([block for block in drawn if block[:2] == (2.0, "ema")]) == 1
    assert [block[3:] for block in drawn if block[:2] == (3.0, "ema")] == [
        (first, min(16, 100 - first)) for first in range(0, 100, 16)
    ]


def test_values_are_those_of_the_images_against_all_photographs(drawn: list[tuple[Any, ...]]) -> None:
    points, _, best = sweep(DRAWING, images=100)
    real = REFERENCES.side_features("validation", 100)
    assert points[3].value == choose_statistic("kid")(best.features, real)
    assert points[1].value == choose_statistic("kid")(best.features[:16], real)
    assert points[1].recall is None, "recall of few images is not that of many"
    assert points[3].recall is not None


def test_one_drawing_is_measured_at_once(drawn: list[tuple[Any, ...]]) -> None:
    points, place, _ = sweep({key: items[:1] for key, items in DRAWING.items()}, images=32)
    assert [(point.images, place) for point in points] == [(32, 0)]


def test_a_biased_objective_takes_all_images(drawn: list[tuple[Any, ...]]) -> None:
    points, _, _ = sweep(DRAWING, images=100, kind="fd")
    assert {point.images for point in points} == {100}
    assert len(drawn) == 3 * 7, "the last point is measured on what was drawn before"


def test_whole_blocks_of_each_phase() -> None:
    assert take_blocks({"I": 60, "R": 40}, 16) == {"I": 16, "R": 16}
    assert take_blocks({"I": 60, "R": 40}, 50) == {"I": 32, "R": 32}
    assert take_blocks({"I": 60, "R": 10}, 70) == {"I": 60, "R": 10}
    assert take_blocks({"I": 100}, 100) == {"I": 100}
