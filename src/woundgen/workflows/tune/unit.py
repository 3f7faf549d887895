"""A unit of a study's work: a training up to a share of its steps, then images drawn and measured. And its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from woundgen.storage.files import read_json, stored_values

RUNS, RESULTS, GENERATIONS, PHOTOGRAPHS = "runs", "results", "generations", "photographs"
ENCODINGS = "encodings"  # of the photographs, made once for all trials


@dataclass(frozen=True, slots=True)
class Unit:
    """name: of its result. run: folder below runs/. settings: over the starting config, by flat name.

    share: of the run's steps. drawing: values of each draw-time setting. side: it is measured on `photographs` of it.
    images: drawn for the last measurement. keeps: whether features and a grid are written.
    """

    name: str
    run: str
    settings: Mapping[str, Any]
    seed: int
    share: float
    drawing: Mapping[str, tuple[Any, ...]]
    side: str
    photographs: int
    images: int
    draw_seed: int
    keeps: bool

    def to_json(self) -> dict[str, Any]:
        """Return the unit as JSON values."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return values | {"settings": dict(self.settings), "drawing": {k: list(v) for k, v in self.drawing.items()}}


def unit_from_json(values: Mapping[str, Any]) -> Unit:
    """Return the unit that `to_json` wrote."""
    drawing = {key: tuple(map(_hashable, items)) for key, items in values["drawing"].items()}
    return Unit(**{**values, "drawing": drawing})


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class Point:
    """A drawing of an adapter. drawing: its settings. value: the objective. recall: None where images are fewer.

    images: that were measured.
    """

    drawing: Mapping[str, Any]
    value: float
    recall: float | None
    images: int


@dataclass(frozen=True, slots=True)
class UnitResult:
    """points: every measurement, in order. best: the place of the lowest on all images. copies, two_sample: or None.

    violations: of recall and of copies, above 0 where it does not hold. seconds: of training in all, of drawing, and
    of the processor for this unit.
    """

    name: str
    steps: int
    points: tuple[Point, ...]
    best: int
    copies: int | None
    two_sample: float | None
    violations: tuple[float, float]
    seconds: Mapping[str, float]

    @property
    def value(self) -> float:
        """The objective at the best drawing."""
        return self.points[self.best].value

    @property
    def drawing(self) -> Mapping[str, Any]:
        """The settings of the best drawing."""
        return self.points[self.best].drawing

    @property
    def rank(self) -> tuple[float, ...]:
        """Sorts before another result that is worse: constraints come first."""
        return (sum(max(0.0, entry) for entry in self.violations), self.value)


def result_path(study: Path, name: str) -> Path:
    """Return where the result of a unit lies."""
    return study / RESULTS / f"{name}.json"


def read_result(study: Path, name: str) -> UnitResult | None:
    """Return a result; None where the unit has not been done."""
    path = result_path(study, name)
    if not path.exists():
        return None
    values = read_json(path)
    with stored_values(path):
        points = tuple(
            Point(
                {k: _hashable(v) for k, v in entry["drawing"].items()}, entry["value"], entry["recall"], entry["images"]
            )
            for entry in values["points"]
        )
        return UnitResult(
            values["name"], values["steps"], points, values["best"], values["copies"], values["two_sample"],
            tuple(values["violations"]), values["seconds"],
        )  # fmt: skip
