"""Which pictures are chosen, and in which orders."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from woundgen.errors import UserError
from woundgen.study.design import FEWEST_BETWEEN, EligiblePicture, Wanted, choose, order_for_reader, repeated_gaps


def candidates(*, real: int = 40, synthetic: int = 40, sets: int = 1, patients: int = 10) -> list[EligiblePicture]:
    rows = [EligiblePicture("real", "IR"[i % 2], f"patient {i // 2 % patients}", i) for i in range(real)]
    return rows + [
        EligiblePicture("synthetic", "IR"[i % 2], f"set {s} image {i}", i, s)
        for s in range(sets)
        for i in range(synthetic)
    ]


def draw(rows: list[EligiblePicture], *, items: int = 24, per_patient: int = 2, sets: int = 1, seed: int = 0):
    return choose(rows, Wanted(items, per_patient, ("I", "R"), sets), np.random.default_rng(seed))


def test_as_many_of_each_kind_in_each_phase() -> None:
    counts = Counter((one.kind, one.phase) for one in draw(candidates()))
    assert set(counts.values()) == {6}
    assert len(counts) == 4


def test_a_patient_is_shown_at_most_k_times() -> None:
    for seed in range(20):
        chosen = draw(candidates(), seed=seed, items=40, per_patient=1)
        shown = Counter((one.group, one.phase) for one in chosen if one.kind == "real")
        assert max(shown.values()) == 1


def test_sets_have_equal_parts() -> None:
    counts = Counter(one.set for one in draw(candidates(sets=3), sets=3) if one.kind == "synthetic")
    assert counts == {0: 4, 1: 4, 2: 4}


def test_too_few_photographs_name_the_largest_size() -> None:
    with pytest.raises(UserError, match=r"5 held-out photographs of phase I .* --items 20 or fewer"):
        draw(candidates(patients=5, real=200), items=40, per_patient=1)


def test_every_candidate_can_be_drawn() -> None:
    """No preference for the first ones: each synthetic image is drawn in some of 200 studies."""
    drawn = Counter(one.row for seed in range(200) for one in draw(candidates(), seed=seed) if one.kind == "synthetic")
    assert len(drawn) == 40
    assert min(drawn.values()) > 200 * 12 / 40 / 2


NAMES = [f"item {i}" for i in range(60)]
KINDS = ["real" if i % 2 else "synthetic" for i in range(60)]


def order(seed: int) -> list[str]:
    return order_for_reader(NAMES, KINDS, ["check 0", "check 1"], repeats=8, rng=np.random.default_rng(seed))


def test_every_item_once_and_repeats_apart() -> None:
    for seed in range(50):
        counts = Counter(order(seed))
        assert sorted(counts.values()) == [1] * 54 + [2] * 8
        assert sum(KINDS[NAMES.index(name)] == "real" for name, count in counts.items() if count == 2) == 4
        assert min(repeated_gaps(order(seed))) >= FEWEST_BETWEEN


def test_orders_differ_between_readers_and_say_nothing_of_the_kind() -> None:
    assert order(1) != order(2)
    orders = [order(seed) for seed in range(200)]
    places = {
        kind: [shown.index(name) for shown in orders for name, of in zip(NAMES, KINDS, strict=True) if of == kind]
        for kind in ("real", "synthetic")
    }
    assert np.mean(places["real"]) == pytest.approx(np.mean(places["synthetic"]), abs=1.2)  # 3.2 standard errors


def test_checks_are_spread() -> None:
    for seed in range(50):
        first, second = (order(seed).index(name) for name in ("check 0", "check 1"))
        assert second - first >= 12
