"""Calibrate the screen on real photographs: one joint rule, and how many places of two scenes agree by chance.

Separate 1-99 % bands on eight statistics accept only 73-78 % of real photographs at n = 85. One score, the
largest deviation of any statistic, needs one threshold, and its order statistic keeps the promised share.
Copies have two scores of their own, each with its ceiling (copies.ceiling, copies.layout).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from woundgen.copies.ceiling import CopyCeiling, estimate_ceiling
from woundgen.copies.layout import LayoutCeiling, estimate_layout_ceiling
from woundgen.errors import UserError
from woundgen.screening.conformal import ConformalBound, conformal_bound
from woundgen.screening.descriptors import NO_NETWORKS, UsedNetworks
from woundgen.screening.reference_statistics import FEWEST
from woundgen.screening.statistics import COPY_LAYOUT, COPY_PLACES, LOGARITHMIC, TINY, Statistics
from woundgen.similarity.groups import Groups, group_codes

Values = npt.NDArray[np.float64]

MAD_TO_SD = 1.4826  # of a normal distribution
FORMAT = 4  # 3 compared no layouts; 2 named no networks; 1 measured copies by aligned SSIM


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
    """usual: each judged statistic. threshold: of max |z|. copy_ceiling: of the places that agree with a reference.
    layout_ceiling: of the correlation of layouts.

    k: how many nearest the `topk` statistics averaged; images are to be measured with the same. networks: those that
    distances were taken in; thresholds hold in these alone.
    """

    n: int
    groups: int
    duplicates: int
    k: int
    acceptance: float
    copy_quantile: float
    judged: tuple[str, ...]
    usual: Mapping[str, Usual]
    threshold: ConformalBound
    copy_ceiling: CopyCeiling
    layout_ceiling: LayoutCeiling
    networks: UsedNetworks = NO_NETWORKS

    def deviations(self, statistics: Statistics) -> Values:
        """[judged, N] from the references, in robust standard deviations."""
        return np.stack([self.usual[name].z(name, statistics.columns[name]) for name in self.judged])

    def band(self, name: str) -> tuple[float, float]:
        """The values of a judged statistic that the joint rule lets through, in the statistic's own unit."""
        return self.usual[name].at(name, -self.threshold.value), self.usual[name].at(name, self.threshold.value)

    def statements(self) -> list[str]:
        """For people: what each threshold is worth at this n."""
        lines = [
            self.copy_ceiling.statement(),
            self.layout_ceiling.statement(),
            f"joint rule: {self.threshold.statement()}",
            self.networks.statement(),
        ]
        if self.groups < self.n:
            lines.append(
                f"{self.n} photographs are of {self.groups} groups: those of one group are alike, so the "
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
                    "usual": {name: Usual(**one) for name, one in stored["usual"].items()},
                    "threshold": ConformalBound(**stored["threshold"]),
                    "copy_ceiling": CopyCeiling(**stored["copy_ceiling"]),
                    "layout_ceiling": LayoutCeiling(**stored["layout_ceiling"]),
                    "networks": UsedNetworks(**stored["networks"]),
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
    copy_quantile: share of photographs of other scenes that the copy ceiling is not to call copies.
    duplicates: left out before, recorded only. Raises UserError for fewer than 10 references.
    """
    n = len(statistics)
    if n < FEWEST:
        raise UserError(f"{n} reference photographs are too few to calibrate.", f"Give {FEWEST} or more.")
    codes = group_codes(groups, n)
    judged = statistics.judged()
    middle, spread = _middle_and_spread(np.stack([on_scale(name, statistics.columns[name]) for name in judged]))
    return Calibration(
        n=n,
        groups=len(np.unique(codes)),
        duplicates=duplicates,
        k=k,
        acceptance=acceptance,
        copy_quantile=copy_quantile,
        judged=judged,
        usual={name: Usual(float(middle[at]), float(spread[at])) for at, name in enumerate(judged)},
        threshold=conformal_bound(left_out_deviations(statistics, groups), level=acceptance),
        copy_ceiling=estimate_ceiling(
            statistics.columns[COPY_PLACES].astype(np.intp),
            level=copy_quantile,
            pairs=statistics.same_scene_pairs,
            crowded=statistics.crowded,
        ),
        layout_ceiling=estimate_layout_ceiling(statistics.columns[COPY_LAYOUT]),
        networks=statistics.networks,
    )


def left_out_deviations(statistics: Statistics, groups: Groups | None = None) -> Values:
    """[n] largest deviation of each reference from those of other groups alone."""
    columns = np.stack([on_scale(name, statistics.columns[name]) for name in statistics.judged()])
    return np.asarray(np.abs(_left_out_z(columns, group_codes(groups, len(statistics)))).max(axis=0))


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
