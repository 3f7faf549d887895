"""Each policy at its edges, on statistics written by hand; and pictures that must not pass."""

import numpy as np
import pytest

from woundgen.copies.ceiling import CopyCeiling
from woundgen.copies.layout import LayoutCeiling
from woundgen.errors import UserError
from woundgen.screening.calibration import Calibration, Usual
from woundgen.screening.conformal import conformal_bound
from woundgen.screening.reference_statistics import measure
from woundgen.screening.rules import Rule, judge
from woundgen.screening.statistics import Statistics

from .planted import blurred, pictures_of_nothing
from .stand_in import Bench, describe


def by_hand(**columns: list[float]) -> Statistics:
    """Statistics of an unremarkable image, but for `columns`."""
    usual = {
        "ssim_mean": 0.0, "ssim_topk": 0.0, "ssim_max": 0.0, "copy_places": 3.0, "copy_layout": 0.4,
        "perceptual_mean": 1.0, "perceptual_topk": 1.0, "perceptual_min": 1.0, "perceptual_nearest": 1.0,
    }  # fmt: skip
    n = len(next(iter(columns.values())))
    values = {name: np.full(n, value) for name, value in usual.items()}
    nearest = {"copy_places": np.arange(4, 4 + n), "copy_layout": np.full(n, 9), "perceptual_nearest": np.full(n, 7)}
    return Statistics(values | {name: np.array(column) for name, column in columns.items()}, nearest)


def unit_calibration(*, threshold: float = 2.0) -> Calibration:
    """Median 0 and spread 1 for every statistic; of the logarithm, for distances."""
    judged = ("ssim_mean", "perceptual_mean")
    return Calibration(
        n=40,
        groups=40,
        duplicates=0,
        k=5,
        acceptance=0.95,
        copy_quantile=0.99,
        judged=judged,
        usual={name: Usual(0.0, 1.0) for name in judged},
        threshold=conformal_bound(np.full(40, threshold), level=0.95),
        copy_ceiling=CopyCeiling(value=8, n=40, level=0.99, fitted=8, low=7, high=9, above=0, pairs=0, crowded=0.0),
        layout_ceiling=LayoutCeiling(value=0.65, n=40, fitted=0.65, low=0.6, high=0.7, above=0),
    )


def reasons(statistics: Statistics, rule: Rule) -> list[str]:
    return [verdict.reason for verdict in judge(statistics, unit_calibration(), rule)]


def test_calibrated_accepts_its_threshold_and_nothing_beyond():
    statistics = by_hand(ssim_mean=[2.0, -2.0, 2.01, -2.01])
    assert reasons(statistics, Rule()) == ["", "", "mean SSIM too high (2.01 > 2)", "mean SSIM too low (-2.01 < -2)"]


def test_the_reason_is_the_statistic_furthest_out_in_its_own_unit():
    statistics = by_hand(ssim_mean=[2.5], perceptual_mean=[np.exp(-3.0)])
    assert reasons(statistics, Rule()) == ["mean perceptual distance too low (0.0498 < 0.135)"]  # exp(-2)


def test_the_copy_ceiling_is_at_its_edge_no_copy_and_names_the_reference():
    verdicts = judge(by_hand(copy_places=[8.0, 9.0, 120.0]), unit_calibration(), Rule())
    assert [verdict.copy for verdict in verdicts] == [False, True, True]
    assert [verdict.nearest for verdict in verdicts] == [4, 5, 6]
    assert verdicts[1].reason == "copy by matched places (9 > 8)"
    assert verdicts[2].reason == "copy by matched places (120 > 8)"


def test_a_copy_by_layout_names_the_reference_of_its_layout_and_places_go_first():
    statistics = by_hand(copy_places=[8.0, 8.0, 9.0], copy_layout=[0.65, 0.66, 0.9])
    verdicts = judge(statistics, unit_calibration(), Rule())
    assert [verdict.copy for verdict in verdicts] == [False, True, True]
    assert [verdict.nearest for verdict in verdicts] == [4, 9, 6]
    assert verdicts[1].reason == "copy by layout (0.66 > 0.65)"
    assert verdicts[2].reason == "copy by matched places (9 > 8)"


@pytest.mark.parametrize("policy", ["calibrated", "spec", "report"])
def test_copies_are_held_back_under_every_policy_unless_released(policy: str):
    statistics = by_hand(copy_places=[90.0], ssim_topk=[0.9], perceptual_topk=[0.1])
    held, released = (
        judge(statistics, unit_calibration(), Rule(policy=policy, release_copies=release))[0]
        for release in (False, True)
    )
    assert not held.accepted
    assert held.copy
    assert held.reason.startswith("copy by")
    assert (released.accepted, released.copy, released.reason) == (True, True, "")


@pytest.mark.parametrize(
    ("aggregation", "suffixes"), [("max", "max min"), ("topk", "topk topk"), ("mean", "mean mean")]
)
def test_spec_is_literal_and_strict(aggregation: str, suffixes: str):
    ssim, perceptual = (f"{a}_{b}" for a, b in zip(("ssim", "perceptual"), suffixes.split(), strict=True))
    statistics = by_hand(**{ssim: [0.70, 0.71, 0.71, 0.81], perceptual: [0.29, 0.30, 0.29, 0.19]})
    verdicts = judge(statistics, unit_calibration(), Rule(policy="spec", aggregation=aggregation))
    assert [verdict.accepted for verdict in verdicts] == [False, False, True, True]
    assert "(0.7 <= 0.7)" in verdicts[0].reason
    assert "(0.3 >= 0.3)" in verdicts[1].reason
    assert [verdict.scores["spec_pass"] for verdict in verdicts] == [0, 0, 1, 1]
    assert [verdict.scores["spec_excellent"] for verdict in verdicts] == [0, 0, 0, 1]


def test_spec_without_a_perceptual_distance_is_refused():
    columns = {"ssim_mean": np.zeros(1), "copy_places": np.zeros(1), "copy_layout": np.zeros(1)}
    with pytest.raises(UserError, match="spec needs a perceptual distance"):
        judge(Statistics(columns, {"copy_places": np.zeros(1, int)}), unit_calibration(), Rule(policy="spec"))


def test_report_keeps_all_that_is_no_copy_and_records_every_statistic():
    statistics = by_hand(ssim_mean=[50.0])
    verdict = judge(statistics, unit_calibration(), Rule(policy="report"))[0]
    assert verdict.accepted
    assert verdict.scores["deviation"] == 50
    assert set(statistics.columns) | {"deviation"} <= set(verdict.scores)


# Judged with copies released: the joint rule has to turn these down by itself.
JOINT_RULE_ALONE = Rule(release_copies=True)


def test_pictures_of_nothing_are_rejected_by_calibrated(bench: Bench):
    for name, images in pictures_of_nothing(bench.photographs).items():
        verdicts = judge(measure(describe(images), bench.references), bench.calibration, JOINT_RULE_ALONE)
        assert not any(verdict.accepted for verdict in verdicts), name


def test_blurred_photographs_are_rejected_by_calibrated_as_not_sharp(bench: Bench):
    sharp = judge(bench.held_out_statistics, bench.calibration, JOINT_RULE_ALONE)[:20]
    statistics = measure(describe(blurred(bench.held_out[:20])), bench.references)
    verdicts = judge(statistics, bench.calibration, JOINT_RULE_ALONE)
    assert sum(verdict.accepted for verdict in sharp) >= 17
    assert not any(verdict.accepted for verdict in verdicts)
    assert all(
        verdict.reason.startswith(("too blurred (sharpness", "edges too soft (sharpness of edges"))
        for verdict in verdicts
    )
