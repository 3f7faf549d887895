"""Acceptance of real photographs: the interval against scipy, and what is said of a rule that accepts none."""

from dataclasses import replace

import pytest
from scipy.stats import binomtest

from woundgen.screening.acceptance import acceptance_of, acceptance_on_real, why_spec_accepts_nothing
from woundgen.screening.rules import Rule
from woundgen.verdicts import Verdict

from .stand_in import Bench


@pytest.mark.parametrize(("accepted", "n"), [(0, 20), (37, 40), (20, 20)])
def test_interval_is_the_exact_one(accepted: int, n: int):
    verdicts = [Verdict(accepted=row < accepted, reason="") for row in range(n)]
    found = acceptance_of(verdicts, policy="calibrated")
    expected = binomtest(accepted, n).proportion_ci(method="exact")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_calibrated_accepts_most_held_out_phantoms(bench: Bench):
    found = acceptance_on_real(bench.held_out_statistics, bench.calibration, Rule())
    assert found.share >= 0.85
    assert f"accepts {found.accepted} of 40 held-out real photographs" in found.sentence()


@pytest.mark.parametrize("aggregation", ["max", "topk", "mean"])
def test_spec_accepts_no_real_photograph_and_says_why(bench: Bench, aggregation: str):
    rule = Rule(policy="spec", aggregation=aggregation)
    said = why_spec_accepts_nothing(bench.held_out_statistics, bench.calibration, rule)
    best = bench.held_out_statistics.columns[f"ssim_{aggregation}"].max()
    assert said is not None
    assert "accepts 0 of 40" in said
    assert f"reach {best:.2f} and" in said
    assert "policy calibrated (accepts" in said


def test_nothing_is_said_where_spec_accepts_something(bench: Bench):
    loose = Rule(policy="spec", ssim_minimum=-1.0, perceptual_maximum=9.0)
    assert why_spec_accepts_nothing(bench.held_out_statistics, bench.calibration, loose) is None
    assert (
        why_spec_accepts_nothing(bench.held_out_statistics, bench.calibration, replace(loose, policy="report")) is None
    )
