"""Training lists: as many images in each, the control repeats photographs, phases not added to stay as they are."""

from __future__ import annotations

import numpy as np
import pytest

from woundgen.downstream.arms import (
    AUGMENTED,
    REAL,
    SYNTHETIC_ONLY,
    Material,
    controls,
    oversampled,
    training_lists,
    with_synthetic,
)
from woundgen.downstream.choice import boundary_score, by_phase, choice_dose, choose, pool_of

REAL_ROWS = {"I": np.arange(0, 8), "R": np.arange(8, 12)}
VARIED = {phase: 100 + 3 * rows[:, None] + np.arange(3) for phase, rows in REAL_ROWS.items()}
POOL = {"I": np.arange(200, 240), "R": np.arange(240, 260)}
BOTH = Material(REAL_ROWS, VARIED, POOL)
MINORITY = Material(REAL_ROWS, VARIED, {"R": POOL["R"]})


@pytest.mark.parametrize("dose", [0.25, 1, 2])
def test_control_and_treatment_have_as_many_images(dose: float) -> None:
    lists = training_lists(BOTH, doses=[dose], seed=0)
    for phase, rows in REAL_ROWS.items():
        again, fresh = lists[oversampled(dose)][phase], lists[with_synthetic(dose)][phase]
        assert len(again) == len(fresh) == len(rows) + dose * len(rows)
        assert set(again) == set(rows)
        added = fresh[len(rows) :]
        assert set(added) <= set(POOL[phase])
        assert len(set(added)) == len(added)  # none twice
        assert (fresh[: len(rows)] == rows).all()


def test_only_the_minority_is_added_to() -> None:
    lists = training_lists(MINORITY, doses=[1], seed=0)
    for arm in (oversampled(1), with_synthetic(1)):
        assert (lists[arm]["I"] == REAL_ROWS["I"]).all()
        assert len(lists[arm]["R"]) == 8
    assert SYNTHETIC_ONLY not in lists  # phase I has none


def test_arms_that_every_study_has() -> None:
    lists = training_lists(BOTH, doses=[0.5, 2], seed=0)
    assert {REAL, AUGMENTED, SYNTHETIC_ONLY} < set(lists)
    assert set(controls(2)) < set(lists)
    assert len(lists[SYNTHETIC_ONLY]["I"]) == 16
    assert sorted(lists[AUGMENTED]["R"]) == list(range(124, 136))


def test_lists_depend_on_seed_and_dose_alone() -> None:
    one, more = training_lists(BOTH, doses=[1], seed=4), training_lists(BOTH, doses=[0.25, 1, 2], seed=4)
    assert all(
        (one[arm][phase] == more[arm][phase]).all() for arm in (oversampled(1), with_synthetic(1)) for phase in "IR"
    )
    other = training_lists(BOTH, doses=[1], seed=5)
    assert any((one[with_synthetic(1)][phase] != other[with_synthetic(1)][phase]).any() for phase in "IR")


def test_choice_takes_the_best_and_as_many() -> None:
    score = {"I": np.arange(40.0), "R": -np.arange(20.0)}
    lists = choose(BOTH, score, dose=0.5)
    assert lists["I"][8:].tolist() == [239, 238, 237, 236]
    assert lists["R"][4:].tolist() == [240, 241]


def test_a_choice_needs_twice_as_many_as_it_takes() -> None:
    assert choice_dose([0.5, 2, 3], [BOTH]) == 2  # 16 of 40, 8 of 20
    assert choice_dose([6], [BOTH]) is None


def test_boundary_is_where_two_phases_are_equally_likely() -> None:
    assert boundary_score(np.array([[0.5, 0.5, 0], [1, 0, 0], [0.4, 0.35, 0.25]])) == pytest.approx([0, -1, -0.05])
    values = by_phase(np.arange(60), POOL)
    assert (pool_of(POOL)[values["R"].astype(int)] == POOL["R"]).all()
