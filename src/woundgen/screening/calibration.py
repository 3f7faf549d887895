"""What is usual among real photographs: one joint rule, and how near two patients' photographs come.

Separate 1-99 % bands on eight statistics accept only 73-78 % of real photographs at n = 85. One score, the
largest deviation of any statistic, needs one threshold, and its order statistic keeps the promised share.
The copy ceiling is made the same way of the statistics of closeness, of which only nearness counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from woundgen.errors import UserError
from woundgen.screening.conformal import ConformalBound, conformal_bound, mutual_conformal_bound
from woundgen.screening.reference_statistics import FEWEST
from woundgen.screening.statistics import CLOSENESS, LOGARITHMIC, TINY, Statistics
from woundgen.similarity.groups import Groups, group_codes

Values = npt.NDArray[np.float64]

MAD_TO_SD = 1.4826  # of a normal distribution
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Usual:
    """Median and robust standard deviation of a statistic among the references; of its log where so marked."""

    median: float
    scale: float

    def z(self, name: str, values: Values) -> Values:
        return (on_scale(name, values) - self.median) / self.scale

    def at(self, name: str, z: float) -> float:
        """The value, in the statistic's unit, at a deviation."""
        value = self.median + z * self.scale
        return float(np.exp(value)) if name in LOGARITHMIC else value


@dataclass(frozen=True, slots=True)
class Calibration:
    """usual: each judged statistic and each closeness. threshold: of max |z|. copy_threshold: of max closeness z.

    k: how many nearest the `topk` statistics averaged; images are to be measured with the same.
    """

    n: int
    groups: int
    duplicates: int
    k: int
    acceptance: float
    copy_quantile: float
    judged: tuple[str, ...]
    closeness: tuple[str, ...]
    usual: Mapping[str, Usual]
    threshold: ConformalBound
    copy_threshold: ConformalBound

    def deviations(self, statistics: Statistics) -> Values:
        """[judged, N] from the references, in robust standard deviations."""
        return np.stack([self.usual[name].z(name, statistics.columns[name]) for name in self.judged])

    def nearness(self, statistics: Statistics) -> Values:
        """[closeness, N] in robust standard deviations nearer than references of different patients usually are."""
        return np.stack(
            [CLOSENESS[name] * self.usual[name].z(name, statistics.columns[name]) for name in self.closeness]
        )

    def band(self, name: str) -> tuple[float, float]:
        """The values of a judged statistic that the joint rule lets through, in the statistic's own unit."""
        return self.usual[name].at(name, -self.threshold.value), self.usual[name].at(name, self.threshold.value)

    def ceiling(self, name: str) -> float:
        """The value of a closeness beyond which an image is a copy, in its own unit."""
        return self.usual[name].at(name, CLOSENESS[name] * self.copy_threshold.value)

    def statements(self) -> list[str]:
        """For people: what each threshold is worth at this n."""
        lines = [
            f"joint rule: {self.threshold.statement()}",
            f"copy ceiling, photographs counted in pairs: {self.copy_threshold.statement()}",
        ]
        if self.groups < self.n:
            lines.append(
                f"{self.n} photographs are of {self.groups} patients: those of one patient are alike, so the "
                "intervals are narrower than they should be"
            )
        return lines

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}

    @staticmethod
    def from_json(stored: Mapping[str, Any]) -> Calibration:
        """Raises UserError where `stored` is not what to_json of this version gave."""
        try:
            if stored["format"] != FORMAT:
                raise ValueError(f"format {stored['format']}")
            plain = {name: value for name, value in stored.items() if name != "format"}
            return Calibration(
                **plain
                | {
                    "judged": tuple(stored["judged"]),
                    "closeness": tuple(stored["closeness"]),
                    "usual": {name: Usual(**one) for name, one in stored["usual"].items()},
                    "threshold": ConformalBound(**stored["threshold"]),
                    "copy_threshold": ConformalBound(**stored["copy_threshold"]),
                }
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"The stored calibration is not readable ({error}).", "Run calibrate again.") from None


def calibrate(
    statistics: Statistics,
    groups: Groups | None = None,
    *,
    acceptance: float = 0.95,
    copy_quantile: float = 0.99,
    duplicates: int = 0,
    k: int = 5,
) -> Calibration:
    """From statistics of n distinct references against each other (measure.measure_references).

    groups [n]: patient of each. acceptance: share of real photographs the joint rule is to let through.
    copy_quantile: share of real photographs that the copy ceiling is not to call copies. duplicates: left out
    before, recorded only. Raises UserError for fewer than 10 references.
    """
    n = len(statistics)
    if n < FEWEST:
        raise UserError(f"{n} reference photographs are too few to calibrate.", f"Give {FEWEST} or more.")
    codes = group_codes(groups, n)
    judged, closeness = statistics.judged(), statistics.closeness()
    names = tuple(dict.fromkeys((*judged, *closeness)))
    middle, spread = _middle_and_spread(np.stack([on_scale(name, statistics.columns[name]) for name in names]))
    deviation, nearness = left_out_scores(statistics, groups)
    return Calibration(
        n=n,
        groups=len(np.unique(codes)),
        duplicates=duplicates,
        k=k,
        acceptance=acceptance,
        copy_quantile=copy_quantile,
        judged=judged,
        closeness=closeness,
        usual={name: Usual(float(middle[at]), float(spread[at])) for at, name in enumerate(names)},
        threshold=conformal_bound(deviation, level=acceptance),
        copy_threshold=mutual_conformal_bound(nearness, level=copy_quantile),
    )


def left_out_scores(statistics: Statistics, groups: Groups | None = None) -> tuple[Values, Values]:
    """[n] largest deviation and [n] largest nearness of each reference, from those of other groups alone."""
    judged, closeness = statistics.judged(), statistics.closeness()
    names = tuple(dict.fromkeys((*judged, *closeness)))
    columns = np.stack([on_scale(name, statistics.columns[name]) for name in names])
    z = dict(zip(names, _left_out_z(columns, group_codes(groups, len(statistics))), strict=True))
    return (
        np.max([np.abs(z[name]) for name in judged], axis=0),
        np.max([CLOSENESS[name] * z[name] for name in closeness], axis=0),
    )


def on_scale(name: str, values: Values) -> Values:
    """A statistic as it is judged: distances and ratios by their logarithm."""
    return np.log(np.maximum(values, TINY)) if name in LOGARITHMIC else values


def _middle_and_spread(columns: Values) -> tuple[Values, Values]:
    """Median and MAD, as a standard deviation, of each row of [S, n]."""
    middle = np.median(columns, axis=1)
    spread = MAD_TO_SD * np.median(np.abs(columns - middle[:, None]), axis=1)
    return middle, np.maximum(spread, 1e-6 * np.maximum(1.0, np.abs(middle)))  # all alike: any other is unusual


def _left_out_z(columns: Values, codes: npt.NDArray[np.intp]) -> Values:
    """[S, n] deviation of each value from those of other groups."""
    result = np.empty_like(columns)
    for code in np.unique(codes):
        own = codes == code
        middle, spread = _middle_and_spread(columns[:, ~own])
        result[:, own] = (columns[:, own] - middle[:, None]) / spread[:, None]
    return result
