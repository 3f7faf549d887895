"""The conclusion of a study: better by how much, no difference shown, or too little data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from woundgen.numbers import write_interval, write_signed
from woundgen.tuning.budget import CONFIRMED
from woundgen.tuning.confirmation import StartDifference

Kind = Literal["better", "worse", "no difference shown", "too little data"]


@dataclass(frozen=True, slots=True)
class Conclusion:
    """chosen: the configuration that tuned.yaml holds. sentence: for people."""

    chosen: str
    kind: Kind
    sentence: str


def classify_difference(difference: StartDifference, *, start: float, floor: float) -> Kind:
    """Say what an interval shows. start: the starting config's value; floor: what photographs reach themselves.

    "too little data" where the interval is wider to either side than all that could be gained: an improvement to the
    level of photographs would not have been shown either.
    """
    if difference.high < 0:
        return "better"
    if difference.low > 0:
        return "worse"
    half = (difference.high - difference.low) / 2
    return "too little data" if half > max(start - floor, 0.0) else "no difference shown"


def conclude(
    differences: Mapping[str, StartDifference], *, start: float, floor: float, metric: str, patients: int, n: int
) -> Conclusion:
    """Choose a configuration and state what was shown. differences: by name, the winner of the search first."""
    kinds = {name: classify_difference(entry, start=start, floor=floor) for name, entry in differences.items()}
    better = [name for name, kind in kinds.items() if kind == "better"]
    chosen = min(better, key=lambda name: differences[name].value) if better else next(iter(differences))
    collected, kind = differences[chosen], kinds[chosen]
    where = f"on {n} photographs of {patients} confirmation patients, three fresh seeds each"
    interval = f"{write_interval(collected.low, collected.high, '.4g')}, corrected for {CONFIRMED} comparisons"
    value = write_signed(collected.value, ".4g")
    if kind == "better":
        sentence = (
            f"{chosen} is better than the starting config: {metric} lower by {-collected.value:.4g} "
            f"(difference {interval}) {where}."
        )
    elif kind == "worse":
        sentence = f"The starting config is better than {chosen}: {metric} {value} ({interval}) {where}."
    elif kind == "too little data":
        sentence = (
            f"Too little data: {metric} {value} ({interval}) {where}; an improvement to the level of "
            f"photographs ({start - floor:.4g}) would not have been shown either."
        )
    else:
        sentence = f"No difference from the starting config was shown: {metric} {value} ({interval}) {where}."
    return Conclusion(chosen, kind, sentence)


def indistinguishable(differences: Mapping[str, StartDifference]) -> Sequence[str]:
    """Return the configurations that the best is not shown to differ from."""
    return [name for name, entry in differences.items() if entry.low <= 0 <= entry.high]
