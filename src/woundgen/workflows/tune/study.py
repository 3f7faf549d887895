"""A study on disk: its record, fixed at the first start, and what a process needs to do its units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from woundgen.config.load import stored_config
from woundgen.config.train import TrainConfig
from woundgen.data.photo_set import gather_for
from woundgen.storage.files import read_json, stored_values
from woundgen.storage.names import TUNE_JSON
from woundgen.tuning.budget import TrialLayout
from woundgen.tuning.objective import Constraints, Kind, copies_allowed
from woundgen.tuning.space import Dimension, Space
from woundgen.workflows.tune.reference import StudyReferences, open_references
from woundgen.workflows.tune.unit import PHOTOGRAPHS


@dataclass(frozen=True, slots=True)
class TuningStudy:
    """config: the starting config. steps, epochs: of its training. threads: of a process on a CPU.

    floor: the objective of training photographs against those of selection. copy_ceiling, copy_rate: None where the
    photographs support no ceiling. seconds: of the search at most, over all
    processes, or None.
    """

    folder: Path
    config: TrainConfig
    space: Space
    layout: TrialLayout
    objective: Kind
    steps: int
    epochs: float
    two_sample: bool
    images: int
    confirmation_images: int
    seed: int
    threads: int
    least_recall: float | None
    copy_ceiling: int | None
    copy_rate: float
    floor: float
    confirmation_floor: float
    seconds: float | None

    def constraints(self, count: int) -> Constraints:
        """Return what `count` images have to hold."""
        copies = None if self.copy_ceiling is None else copies_allowed(count, expected_rate=self.copy_rate)
        return Constraints(self.least_recall, copies)

    @property
    def photographs(self) -> Path:
        """The folder of the division."""
        return self.folder / PHOTOGRAPHS

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "folder"}
        return values | {
            "config": self.config.flat(), "space": self.space.to_json(), "layout": self.layout.to_json(),
        }  # fmt: skip


def read_study(folder: Path) -> TuningStudy:
    """Read the record of a study."""
    path = folder / TUNE_JSON
    content = read_json(path)
    with stored_values(path):
        values = content["study"]
        return TuningStudy(
            **{
                **values,
                "folder": folder,
                "config": stored_config(values["config"]),
                "space": _space(values["space"]),
                "layout": TrialLayout(**{**values["layout"], "generations": tuple(values["layout"]["generations"])}),
            }
        )


def _space(values: Mapping[str, Any]) -> Space:
    dimensions = [
        Dimension(**{**entry, "choices": tuple(map(_hashable, entry["choices"]))}) for entry in values["trained"]
    ]
    return Space(tuple(dimensions), {key: tuple(map(_hashable, items)) for key, items in values["drawn"].items()})


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def open_study_references(config: TrainConfig, photographs: Path) -> StudyReferences:
    """Prepare the photographs of the division and load the network that measures."""
    return open_references(config, gather_for(config, photographs))
