"""Requests for studies of utility, read before anything heavy is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from woundgen.config.ranges import check_real, check_seed, check_whole
from woundgen.errors import UserError

FEWEST_SEEDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class UtilityOptions:
    """How a study is made.

    doses: synthetic images for each photograph of a phase, in 0..100. classifier: "embedded" | "dinov2" | "colour" |
    "cnn", or a command. classes: phases to distinguish. phases: those that get synthetic images; None: all that the
    sets have. folds: where no photograph has split = holdout. seeds: trainings of each arm and fold, 5 or more. seed:
    of the folds. size: pixels a side. margin: around the wound's box, as a share of it; None: as the sets' generators
    were trained. clusters: let near duplicates stand for patients where none is named. runs: where the runs are that
    the sets were drawn with.
    """

    doses: tuple[float, ...] = (0, 0.25, 0.5, 1, 2)
    classifier: str = "embedded"
    classes: tuple[str, ...] = ("I", "P", "R")
    phases: tuple[str, ...] | None = None
    folds: int = 5
    seeds: int = 5
    seed: int = 0
    size: int = 128
    margin: float | None = None
    clusters: bool = False
    runs: Path = Path("runs")


@dataclass(frozen=True, slots=True)
class UtilityRequest:
    """A study. real: photographs with phase and patient. synthetic: generated sets."""

    real: Path
    synthetic: tuple[Path, ...]
    options: UtilityOptions = UtilityOptions()

    def positive_doses(self) -> tuple[float, ...]:
        """Return the doses above 0, each once, in order."""
        return tuple(sorted({dose for dose in self.options.doses if dose > 0}))


def check_request(request: UtilityRequest, doses: Sequence[float]) -> None:
    """Raise UserError for a study that cannot be made. doses: those above 0."""
    options = request.options
    if not request.synthetic:
        raise UserError("No synthetic set is named.", "Give --synthetic FOLDER; repeatable.")
    if any(not 0 <= number <= 100 for number in options.doses):
        text = ",".join(f"{dose:g}" for dose in options.doses)
        raise UserError(f"--doses {text!r}: a dose lies in 0..100.", "Such as 0,0.25,0.5,1,2.")
    if not doses:
        raise UserError("--doses holds no dose above 0.", "Such as --doses 0,0.25,0.5,1,2.")
    check_whole("--seeds", options.seeds, FEWEST_SEEDS)
    check_whole("--folds", options.folds, 2)
    check_seed("--seed", options.seed)
    check_whole("--size", options.size, 32)
    check_real("--margin", options.margin, 0)
