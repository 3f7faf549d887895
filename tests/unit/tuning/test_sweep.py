"""Which drawings a sweep measures, and in what order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from woundgen.tuning.objective import screening_images
from woundgen.tuning.sweep import count_measured, sweep_in_turn

VALUES: dict[str, tuple[Any, ...]] = {
    "guidance_scale": (2.0, 1.5, 1.0, 3.0, 5.0, 12.0),
    "weights": ("ema", "raw", "ema@0.1"),
    "guidance_interval": ((0.0, 1.0), (0.1, 0.8)),
    "inference_steps_production": (15,),
}


def sweep(best_guidance: float, *, missing: str = "", raw: float = 0.5) -> tuple[list[Any], list[Any]]:
    """Sweep where the objective falls towards a guidance and raw weights add `raw`; return (measured, ranked)."""
    measured: list[Mapping[str, Any]] = []

    def measure(drawing: Mapping[str, Any]) -> float | None:
        assert drawing not in measured, "no drawing twice"
        if drawing["weights"] == missing:
            return None
        measured.append(drawing)
        interval = 0.0 if drawing["guidance_interval"] == (0.0, 1.0) else 0.1
        return abs(drawing["guidance_scale"] - best_guidance) + (drawing["weights"] == "raw") * raw + interval

    return measured, list(sweep_in_turn(VALUES, measure))


@pytest.mark.parametrize(
    ("best", "visited"),
    [
        (2.0, [2.0, 3.0, 1.5]),
        (5.0, [2.0, 3.0, 5.0, 12.0]),
        (1.0, [2.0, 3.0, 1.5, 1.0]),
        (12.0, [2.0, 3.0, 5.0, 12.0]),
    ],
)
def test_numbers_are_climbed_from_the_preferred_one(best: float, visited: list[float]) -> None:
    measured, ranked = sweep(best)
    first = [entry["guidance_scale"] for entry in measured if entry["weights"] == "ema"]
    assert first[: len(visited)] == visited
    assert ranked[0]["guidance_scale"] == best


def test_later_settings_are_measured_at_the_best_of_those_before() -> None:
    measured, ranked = sweep(3.0, raw=-0.5)
    assert [(entry["guidance_scale"], entry["weights"]) for entry in measured[3:]] == [
        (3.0, "raw"), (3.0, "ema@0.1"), (3.0, "raw"),
    ]  # fmt: skip
    assert ranked[0] == {**{key: items[0] for key, items in VALUES.items()}, "guidance_scale": 3.0, "weights": "raw"}
    assert ranked[1]["guidance_interval"] == (0.1, 0.8)


def test_an_interval_of_no_guidance_is_not_drawn() -> None:
    measured, _ = sweep(1.0)
    assert all(entry["guidance_interval"] == (0.0, 1.0) for entry in measured)


def test_weights_that_are_not_there_are_passed_over() -> None:
    measured, ranked = sweep(2.0, missing="ema@0.1")
    assert len(measured) == len(ranked) == 5


def test_how_many_are_reckoned_with() -> None:
    assert count_measured(VALUES) == 1 + 3 + 2 + 1
    assert count_measured({key: items[:1] for key, items in VALUES.items()}) == 1


def test_a_quick_look_needs_few_images_only_where_the_objective_is_unbiased() -> None:
    assert screening_images(100, kind="kid") == 16
    assert screening_images(300, kind="kid") == 50
    assert screening_images(12, kind="kid") == 12
    assert screening_images(100, kind="fd") == 100
