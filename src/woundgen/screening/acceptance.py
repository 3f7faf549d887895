"""A rule tried on real photographs before it is asked of generated ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import beta

from woundgen.screening.calibration import Calibration
from woundgen.screening.rules import SPEC_COLUMNS, TITLES, Rule, distance_title, judge
from woundgen.screening.statistics import Statistics
from woundgen.verdicts import Verdict

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Of n held-out real photographs; low, high: exact 95 % interval of the share (Clopper & Pearson 1934)."""

    policy: str
    accepted: int
    copies: int
    n: int
    low: float
    high: float

    @property
    def share(self) -> float:
        return self.accepted / self.n

    def sentence(self) -> str:
        return (
            f"policy {self.policy} accepts {self.accepted} of {self.n} held-out real photographs "
            f"({self.share:.1%}; 95 % interval {self.low:.1%} to {self.high:.1%}; {self.copies} called copies)"
        )


def acceptance_of(verdicts: Sequence[Verdict], *, policy: str) -> Acceptance:
    accepted, n = sum(verdict.accepted for verdict in verdicts), len(verdicts)
    assert n, "acceptance of no photograph"
    tail = (1 - CONFIDENCE) / 2
    low = float(beta.ppf(tail, accepted, n - accepted + 1)) if accepted else 0.0
    high = float(beta.ppf(1 - tail, accepted + 1, n - accepted)) if accepted < n else 1.0
    return Acceptance(policy, accepted, sum(verdict.copy for verdict in verdicts), n, low, high)


def acceptance_on_real(held_out: Statistics, calibration: Calibration, rule: Rule) -> Acceptance:
    """Of the rule on real photographs that are no references, of patients who have none there."""
    return acceptance_of(judge(held_out, calibration, rule), policy=rule.policy)


def why_spec_accepts_nothing(held_out: Statistics, calibration: Calibration, rule: Rule) -> str | None:
    """The numbers and the ways out, where `spec` accepts no real photograph; None where it accepts one."""
    tried = acceptance_on_real(held_out, calibration, rule)
    if rule.policy != "spec" or tried.accepted:
        return None
    ssim, perceptual = SPEC_COLUMNS[rule.aggregation]
    networks = calibration.networks
    best, least = held_out.columns[ssim].max(), held_out.columns[perceptual].min()
    return (
        f"{tried.sentence()}: SSIM > {rule.ssim_minimum:.2f} and {distance_title('perceptual distance', networks)} < "
        f"{rule.perceptual_maximum:.2f} are asked of {TITLES[ssim]} and {distance_title(perceptual, networks)}, "
        f"where real photographs reach {best:.2f} and {least:.2f} at best. "
        f"{_instead(held_out, calibration)}"
    )


def _instead(held_out: Statistics, calibration: Calibration) -> str:
    usual = acceptance_on_real(held_out, calibration, Rule(policy="calibrated"))
    return (
        f"Use policy calibrated (accepts {usual.accepted} of the same {usual.n}; 95 % interval {usual.low:.1%} to "
        f"{usual.high:.1%}), policy report, or other thresholds."
    )
