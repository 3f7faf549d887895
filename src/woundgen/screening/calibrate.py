"""What is usual among real photographs: one joint rule, and how near two patients' photographs come.

Separate 1-99 % bands on eight statistics accept only 73-78 % of real photographs at n = 85. One score, the
largest deviation of any statistic, needs one threshold, and its order statistic keeps the promised share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from woundgen.errors import UserError
from woundgen.screening.conformal import ConformalBound, conformal_bound
from woundgen.screening.measure import FEWEST
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


@dataclass(frozen=True, slots=True)
class Calibration:
    """usual: each judged statistic. threshold: of max |z|. ceilings: of each closeness, larger being nearer.

    k: how many nearest the `topk` statistics averaged; images are to be measured with the same.
    """

    n: int
    groups: int
    duplicates: int
    k: int
    acceptance: float
    copy_quantile: float
    usual: Mapping[str, Usual]
    threshold: ConformalBound
    ceilings: Mapping[str, ConformalBound]

    def z(self, statistics: Statistics) -> dict[str, Values]:
        """[N] deviations of each judged statistic from the references, in robust standard deviations."""
        return {
            name: (on_scale(name, statistics.columns[name]) - usual.median) / usual.scale
            for name, usual in self.usual.items()
        }

    def band(self, name: str) -> tuple[float, float]:
        """The values of a statistic that the joint rule lets through, in the statistic's own unit."""
        usual = self.usual[name]
        ends = usual.median + usual.scale * self.threshold.value * np.array([-1.0, 1.0])
        low, high = np.exp(ends) if name in LOGARITHMIC else ends
        return float(low), float(high)

    def statements(self) -> list[str]:
        """For people: what each threshold is worth at this n."""
        lines = [f"joint rule: {self.threshold.statement()}"]
        lines += [f"copy ceiling, {name}: {bound.statement()}" for name, bound in self.ceilings.items()]
        if self.groups < self.n:
            lines.append(
                f"{self.n} photographs are of {self.groups} patients: those of one patient are alike, so the "
                "intervals are narrower than they should be"
            )
        return lines

    def to_json(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in _PLAIN}
        return {
            "format": FORMAT,
            **plain,
            "usual": {name: {"median": one.median, "scale": one.scale} for name, one in self.usual.items()},
            "threshold": self.threshold.to_json(),
            "ceilings": {name: bound.to_json() for name, bound in self.ceilings.items()},
        }

    @staticmethod
    def from_json(stored: Mapping[str, Any]) -> Calibration:
        """Raises UserError where `stored` is not what to_json of this version gave."""
        try:
            if stored["format"] != FORMAT:
                raise ValueError(f"format {stored['format']}")
            return Calibration(
                **{name: stored[name] for name in _PLAIN},
                usual={name: Usual(**one) for name, one in stored["usual"].items()},
                threshold=ConformalBound.from_json(stored["threshold"]),
                ceilings={name: ConformalBound.from_json(one) for name, one in stored["ceilings"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"The stored calibration is not readable ({error}).", "Run calibrate again.") from None


_PLAIN = ("n", "groups", "duplicates", "k", "acceptance", "copy_quantile")


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
    copy_quantile: share of real photographs that no ceiling is to call a copy, all ceilings together (each
    gets an equal part of the rest: Bonferroni). duplicates: left out before, recorded only.
    Raises UserError for fewer than 10 references.
    """
    n = len(statistics)
    if n < FEWEST:
        raise UserError(f"{n} reference photographs are too few to calibrate.", f"Give {FEWEST} or more.")
    codes = group_codes(groups, n)
    names = statistics.judged()
    scores = np.max([_left_out_z(on_scale(name, statistics.columns[name]), codes) for name in names], axis=0)
    each = 1 - (1 - copy_quantile) / len(statistics.closeness())
    return Calibration(
        n=n,
        groups=len(np.unique(codes)),
        duplicates=duplicates,
        k=k,
        acceptance=acceptance,
        copy_quantile=copy_quantile,
        usual={name: _usual(on_scale(name, statistics.columns[name])) for name in names},
        threshold=conformal_bound(scores, level=acceptance),
        ceilings={
            name: conformal_bound(CLOSENESS[name] * statistics.columns[name], level=each)
            for name in statistics.closeness()
        },
    )


def on_scale(name: str, values: Values) -> Values:
    """A statistic as it is judged: distances and ratios by their logarithm."""
    return np.log(np.maximum(values, TINY)) if name in LOGARITHMIC else values


def _usual(values: Values) -> Usual:
    median = float(np.median(values))
    spread = MAD_TO_SD * float(np.median(np.abs(values - median)))
    return Usual(median, max(spread, 1e-6 * max(1.0, abs(median))))  # all alike: any other value is unusual


def _left_out_z(values: Values, codes: npt.NDArray[np.intp]) -> Values:
    """[n] absolute deviation of each from the values of other groups."""
    result = np.empty(len(values))
    for code in np.unique(codes):
        own = codes == code
        usual = _usual(values[~own])
        result[own] = np.abs(values[own] - usual.median) / usual.scale
    return result
