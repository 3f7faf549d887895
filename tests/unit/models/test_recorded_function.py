"""A recorded function: used where it agrees with the plain one, else left with one warning."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from woundgen.models.recorded_function import GraphRecorder, VerifiedFunction, relative_difference

from ..recorders import StandIn


def affine(x: Tensor, y: Tensor) -> Tensor:
    return 2 * x + y + 1


def inputs(count: int) -> tuple[Tensor, Tensor]:
    x = torch.arange(1.0, count + 1)
    return x, x.flip(0)


def verified(recorder: StandIn, warnings: list[str]) -> VerifiedFunction:
    return VerifiedFunction(affine, record=recorder, name="map", faults=warnings)


def test_an_honest_recording_is_replayed_for_each_shape() -> None:
    warnings: list[str] = []
    recorder = StandIn()
    function = verified(recorder, warnings)
    for count in (3, 3, 3, 5, 5):
        values = [value + count for value in inputs(count)]
        torch.testing.assert_close(function(*values), affine(*values))
    assert recorder.shapes == [(3,), (5,)]
    assert recorder.replays == 5, "one check and two replays of the first shape, one and one of the second"
    assert not warnings


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        ("scaled", "differs from the plain pass by 0.1 "),
        ("stale", "differs from the plain pass"),
        ("not a number", "differs from the plain pass by inf"),
        ("error", "could not be recorded (operation not permitted when stream is capturing)"),
    ],
)
def test_a_lie_costs_one_warning_and_no_number(lie: str, words: str) -> None:
    """ "stale" would agree if it were compared on the inputs that it was recorded from."""
    warnings: list[str] = []
    recorder = StandIn(lie)
    function = verified(recorder, warnings)
    for count in (3, 3, 5):
        torch.testing.assert_close(function(*inputs(count)), affine(*inputs(count)))
    assert len(warnings) == 1
    assert words in warnings[0]
    assert "goes on without CUDA graphs" in warnings[0]
    assert recorder.replays == (lie != "error"), "after the check it is not run again"


def test_memory_that_runs_out_is_not_a_lie() -> None:
    """Whoever draws has to hear of it, to draw fewer images at once."""

    def record(function: object, values: object) -> object:
        raise torch.OutOfMemoryError("too many")

    function = VerifiedFunction(affine, record=record, name="map", faults=[])  # type: ignore[arg-type]
    with pytest.raises(torch.OutOfMemoryError):
        function(*inputs(3))
    assert function.trusted


def test_differences_are_relative() -> None:
    ones = torch.ones(4)
    assert relative_difference(ones, ones) == 0.0
    assert relative_difference(torch.zeros(4), torch.zeros(4)) == 0.0
    assert relative_difference(1.25 * ones, ones) == 0.25
    assert relative_difference(float("nan") * ones, ones) == float("inf")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")
def test_graphs_on_a_card() -> None:
    warnings: list[str] = []
    function = VerifiedFunction(affine, record=GraphRecorder(), name="map", faults=warnings)
    for count in (3, 3, 5, 3):
        values = [value.to("cuda") for value in inputs(count)]
        torch.testing.assert_close(function(*values), affine(*values))
    assert not warnings
