"""One sentence: helps, harms, no difference shown, or too little data to say.

An arm with synthetic images helps where it is better than EACH arm without them at the same count, and harms
where it is worse than each: then it does not matter which of those is the best, and none has to be picked by
looking at the test groups. The intervals hold for all doses and all those arms at once, so "helps" is said of
images that change nothing in at most 2.5 of 100 studies.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from woundgen.downstream.arms import controls, with_synthetic
from woundgen.downstream.assess import KAPPA, Arm, KappaDifference
from woundgen.numbers import write_interval

HELPS, HARMS, NO_DIFFERENCE = "helps", "harms", "no difference shown"
TOO_LITTLE = "too little data to say"
FEWEST_GROUPS = 5
COARSE = 0.10
"""Kappa: a design that would not show a difference of this size says little by showing none."""


@dataclass(frozen=True, slots=True)
class AtDose:
    """best: the arm without synthetic images that is highest here; difference: to it. word: at this dose."""

    dose: float
    best: str
    difference: KappaDifference
    word: str


@dataclass(frozen=True, slots=True)
class UtilityVerdict:
    word: str
    sentence: str
    doses: tuple[AtDose, ...]


def judge_doses(
    arms: Mapping[str, Arm], compared: Sequence[KappaDifference], *, doses: Sequence[float]
) -> tuple[AtDose, ...]:
    """compared: every arm with synthetic images against each of its controls."""
    judged = []
    for dose in doses:
        own = [one for one in compared if one.arm == with_synthetic(dose)]
        best = max(controls(dose), key=lambda name: arms[name].estimates[KAPPA].value)
        word = HELPS if all(one.low > 0 for one in own) else NO_DIFFERENCE
        word = HARMS if all(one.high < 0 for one in own) else word
        judged.append(AtDose(dose, best, next(one for one in own if one.control == best), word))
    return tuple(judged)


def verdict(doses: Sequence[AtDose], *, groups: Mapping[str, int], arms: Mapping[str, Arm]) -> UtilityVerdict:
    """groups: test groups of each phase."""
    short = {phase: number for phase, number in groups.items() if number < FEWEST_GROUPS}
    if short:
        told = ", ".join(f"{number} of phase {phase}" for phase, number in short.items())
        return UtilityVerdict(
            TOO_LITTLE, f"Too little data to say: {told} test groups, and {FEWEST_GROUPS} are needed.", tuple(doses)
        )
    coarse = max((one.difference for one in doses), key=lambda one: one.smallest)
    coarsest = coarse.smallest  # what is said has to hold at every dose
    for word in (HELPS, HARMS):
        found = [one for one in doses if one.word == word]
        if found:
            return UtilityVerdict(word, _shown(word, found, doses, arms), tuple(doses))
    seen = (
        f"at every dose this design would have shown a difference of {coarsest:.2f} in kappa in 80 of 100 repetitions"
    )
    if coarsest > COARSE:
        text = f"Too little data to say: {seen}, and smaller ones less often."
        if coarse.of_seeds > 0.5:
            text += f" More seeds would show smaller ones: {100 * coarse.of_seeds:.0f} % of the variance is theirs."
        elif (needed := groups_needed(coarse, sum(groups.values()))) is not None:
            text += f" About {needed} test groups instead of {sum(groups.values())} would show {COARSE:.2f}."
        return UtilityVerdict(TOO_LITTLE, text, tuple(doses))
    return UtilityVerdict(NO_DIFFERENCE, f"No difference shown: {seen}.", tuple(doses))


def groups_needed(difference: KappaDifference, groups: int) -> int | None:
    """Return how many test groups would show COARSE in 80 of 100 repetitions; None where only more seeds could.

    The squared smallest difference is a variance: its patients' share falls as 1 / groups, its seeds' share stays.
    """
    variance = difference.smallest**2
    left = COARSE**2 - variance * difference.of_seeds
    return math.ceil(round(groups * variance * (1 - difference.of_seeds) / left, 6)) if left > 0 else None


def _shown(word: str, found: Sequence[AtDose], doses: Sequence[AtDose], arms: Mapping[str, Arm]) -> str:
    clearest = max(found, key=lambda one: abs(one.difference.value))
    d = clearest.difference
    way = "above" if word == HELPS else "below"
    text = (
        f"{word.capitalize()}: with {clearest.dose:g} synthetic images for each photograph, kappa is "
        f"{arms[d.arm].estimates[KAPPA].value:.2f}, {abs(d.value):.2f} {way} the best arm without them "
        f"({clearest.best}; difference {write_interval(d.low, d.high, '.2f')})."
    )
    against = [one for one in doses if one.word in (HELPS, HARMS) and one.word != word]
    return text + "".join(f" At {one.dose:g} it {one.word}." for one in against)
