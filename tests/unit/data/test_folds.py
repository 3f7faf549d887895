from __future__ import annotations

import numpy as np
import pytest

from woundgen.data.folds import deal_folds
from woundgen.errors import UserError

LABELS = np.repeat([0, 1, 2], [40, 30, 20])
GROUPS = [f"p{row // 2:02d}" for row in range(90)]


def test_every_image_is_tested_once_and_no_group_twice() -> None:
    folds = deal_folds(LABELS, GROUPS, folds=5, seed=1)
    assert sorted(np.concatenate(folds).tolist()) == list(range(90))
    owners = [{GROUPS[row] for row in fold} for fold in folds]
    assert sum(map(len, owners)) == len(set(GROUPS))
    for fold in folds:  # 8, 6 and 4 of each phase, give or take a patient
        assert np.abs(np.bincount(LABELS[fold]) - [8, 6, 4]).max() <= 2


def test_folds_do_not_depend_on_the_order_of_rows() -> None:
    order = np.random.default_rng(0).permutation(90)
    one = deal_folds(LABELS, GROUPS, folds=3, seed=1)
    other = deal_folds(LABELS[order], [GROUPS[row] for row in order], folds=3, seed=1)
    assert [sorted(fold) for fold in one] == [sorted(order[fold]) for fold in other]
    assert [sorted(fold) for fold in deal_folds(LABELS, GROUPS, folds=3, seed=2)] != [sorted(fold) for fold in one]


def test_too_few_groups_for_the_folds() -> None:
    with pytest.raises(UserError, match="2 groups, too few for 3 folds"):
        deal_folds(np.array([0, 0, 0, 1, 1]), ["a", "b", "c", "d", "e"], folds=3, seed=0)
