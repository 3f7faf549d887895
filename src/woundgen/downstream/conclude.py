"""Predictions of all arms in, everything that is reported out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from woundgen.downstream.arms import controls, with_synthetic
from woundgen.downstream.assess import RANGES, Arm, Array, HeldOut, KappaDifference, differences, score_arm
from woundgen.downstream.choice import RULES, chosen
from woundgen.downstream.conclusion import UtilityVerdict, judge_doses, verdict


@dataclass(frozen=True, slots=True)
class UtilityConclusion:
    """compared: each dose against each of its controls; their intervals hold at once. chosen: arms of chosen
    images against as many at random, a family of its own."""

    arms: Mapping[str, Arm]
    compared: tuple[KappaDifference, ...]
    chosen: tuple[KappaDifference, ...]
    verdict: UtilityVerdict

    def to_json(self) -> dict[str, Any]:
        """Scores with the 95 % interval of each alone; differences with intervals that hold together."""
        return {
            "arms": [_arm(arm) for arm in self.arms.values()],
            "compared": [asdict(one) for one in self.compared],
            "chosen": [asdict(one) for one in self.chosen],
            "verdict": asdict(self.verdict),
        }


def _arm(arm: Arm) -> dict[str, Any]:
    scores = {}
    for name, estimate in arm.estimates.items():
        low, high = estimate.bounds()
        least, most = RANGES.get(name, (0.0, 1.0))  # Student's interval knows no ends of the scale
        scores[name] = {"value": estimate.value, "low": max(low, least), "high": min(high, most)}
    return {"name": arm.name, "scores": scores, "calibration": arm.calibration}


def conclude(
    predictions: Mapping[str, Array], test: HeldOut, *, doses: Sequence[float], choice: float | None = None
) -> UtilityConclusion:
    """predictions: arm → probabilities [S, T, K]. choice: the dose at which chosen images were compared."""
    arms = {name: score_arm(name, probabilities, test) for name, probabilities in predictions.items()}
    pairs = [(with_synthetic(dose), control) for dose in doses for control in controls(dose)]
    compared = differences(arms, pairs)
    judged = judge_doses(arms, compared, doses=doses)
    rules = [(chosen(rule, choice), with_synthetic(choice)) for rule in RULES] if choice is not None else []
    selected = tuple(differences(arms, rules)) if rules else ()
    return UtilityConclusion(arms, tuple(compared), selected, verdict(judged, groups=test.groups_of_phase(), arms=arms))
