"""Permutation tests of what a set gives away: against scipy, at their level, and with planted memories."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import binomtest, mannwhitneyu

from woundgen.errors import UserError
from woundgen.privacy.counts import upper_bound
from woundgen.privacy.membership import Membership, membership_test
from woundgen.privacy.nearness import Nearness, nearness_test
from woundgen.privacy.permutation import dealt_again
from woundgen.privacy.statement import verdict

TRAINED = np.arange(24) < 16
PATIENTS = [f"p{row // 2}" for row in range(24)]  # two photographs each: 8 trained on, 4 held out


def differences(seed: int, *, known: float = 0.0) -> np.ndarray:
    """Of a loss; patients' photographs are alike. `known`: how much lower for those trained on."""
    rng = np.random.default_rng(seed)
    return np.repeat(rng.normal(size=12), 2) + 0.1 * rng.normal(size=24) - known * TRAINED


def test_auc_is_mann_whitneys():
    values = differences(0, known=0.5)
    means = values.reshape(12, 2).mean(axis=1)
    expected = mannwhitneyu(-means[:8], -means[8:]).statistic / 32
    assert membership_test(values, TRAINED, PATIENTS).auc == pytest.approx(expected)


def test_membership_is_found_where_it_is_and_at_its_level_where_not():
    """Whole patients are dealt: 200 draws without memory are called memory in about 5 % (95 %: 4 to 17 of 200)."""
    assert membership_test(differences(1, known=9.0), TRAINED, PATIENTS).auc == 1.0
    assert membership_test(differences(1, known=9.0), TRAINED, PATIENTS).p <= 0.01  # 1 of 495 dealings
    rejected = sum(membership_test(differences(seed), TRAINED, PATIENTS).shown for seed in range(200))
    assert rejected <= 17


def test_the_level_is_held_over_every_way_to_deal():
    """Each of the 126 ways to deal 9 patients is as likely: 5 % may be shown, the 4 % that are rarest must be."""
    for values in (np.random.default_rng(4).normal(size=9), np.arange(9) // 2):  # without ties and with
        dealings = [np.isin(np.arange(9), chosen) for chosen in combinations(range(9), 5)]
        found = [membership_test(values, sides, None, seed=row) for row, sides in enumerate(dealings)]
        every = np.array([one.auc for one in found])
        rare = sum((every >= auc - 1e-12).mean() <= 0.04 for auc in every)
        assert 0 < rare <= sum(one.shown for one in found) <= 0.05 * 126


def test_the_smallest_auc_is_where_the_test_turns():
    found = membership_test(differences(3), TRAINED, PATIENTS)
    expected = next(u for u in range(33) if _exact(u) <= 0.05)
    assert found.smallest == pytest.approx(expected / 32, abs=1.01 / 32)


def _exact(u: int) -> float:
    """P(U >= u) of Mann-Whitney at 8 and 4, by counting all 495 dealings."""
    counts = [sum(sum(j < i for j in range(12) if j not in some) for i in some) for some in combinations(range(12), 8)]
    return float(np.mean(np.array(counts) >= u))


def test_a_patient_is_never_torn():
    for sides in dealt_again(TRAINED, PATIENTS, count=20, seed=0):
        assert sides.sum() == 16
        assert all(sides[row] == sides[row + 1] for row in range(0, 24, 2))
    with pytest.raises(AssertionError, match="both sides"):
        dealt_again(np.arange(24) < 15, PATIENTS, count=1, seed=0)


def photographs(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.repeat(rng.normal(size=(12, 8)), 2, axis=0) + 0.3 * rng.normal(size=(24, 8))


def nearness(images: np.ndarray, seed: int) -> Nearness:
    distances = np.linalg.norm(images[:, None] - photographs(seed)[None], axis=2)
    return nearness_test(distances, TRAINED, PATIENTS)


def test_nearness_sees_copies():
    copies = photographs(0)[:16] + 0.05 * np.random.default_rng(1).normal(size=(16, 8))
    assert nearness(copies, 0).p <= 0.01
    assert nearness(copies, 0).share == 1.0


def test_nearness_sees_nothing_where_nothing_is():
    """30 draws without memory: at most 5 of 30 below .05 (binomial, 99.5 %); 8 of 12 patients were trained on."""
    found = [nearness(np.random.default_rng([seed, 1]).normal(size=(20, 8)), seed) for seed in range(30)]
    assert sum(one.p <= 0.05 for one in found) <= 5
    assert np.mean([one.usual for one in found]) == pytest.approx(2 / 3, abs=0.05)


def test_too_few_patients():
    few = np.arange(24) < 20
    with pytest.raises(UserError, match="2 sealed are too few"):
        membership_test(differences(0), few, PATIENTS)
    with pytest.raises(UserError, match="2 patients held out are too few"):
        nearness_test(np.ones((3, 24)), few, PATIENTS)


@pytest.mark.parametrize(("hits", "n"), [(0, 200), (3, 200), (200, 200)])
def test_upper_bound_is_the_exact_one(hits: int, n: int):
    expected = binomtest(hits, n, alternative="less").proportion_ci(0.95, method="exact").high
    assert upper_bound(hits, n) == pytest.approx(expected)


def test_the_verdict_names_what_was_found_or_what_could_not_be():
    calm = Nearness(share=0.6, usual=0.6, excess=0.0, p=0.5, n=100, trained=8, held_out=4)
    memory = Membership(auc=0.97, p=0.001, smallest=0.8, trained=8, held_out=4)
    said = verdict(copies=2, n=100, bound=0.06, nearness=calm, membership=memory)
    assert said.startswith("Do not share")
    assert "2 of 100 images" in said
    assert "AUC 0.97" in said
    said = verdict(copies=0, n=100, bound=0.03, nearness=calm, membership=None)
    assert said.startswith("No sign of copying in 100 images; up to 3.0%")
    assert said.endswith("Not tested: membership.")
    said = verdict(copies=0, n=100, bound=0.03, nearness=calm, membership=None, held_back=7)
    assert "The screen held 7 copies back" in said
    said = verdict(copies=0, n=100, bound=0.03, nearness=calm, membership=None, proven=5)
    assert said.startswith("Do not share without a decision: 5 photographs trained on are proven")
