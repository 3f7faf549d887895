"""Attention checks: the picture says in words which answer passes."""

from __future__ import annotations

import numpy as np

from woundgen.study.checks import draw_check, passed


def test_a_check_asks_for_what_passes() -> None:
    check = draw_check(0, 128, np.random.default_rng(0))
    assert check.pixels.shape == (128, 128, 3)
    assert passed(check.answer, {**check.answer, "phase": "I"})
    assert not passed(check.answer, {"call": "synthetic", "confidence": check.answer["confidence"]})
    assert draw_check(1, 128, np.random.default_rng(0)).answer["call"] == "synthetic"


def test_checks_of_another_call_or_confidence_look_different() -> None:
    drawn = [draw_check(number, 128, np.random.default_rng(seed)) for number in (0, 1) for seed in range(8)]
    pictures: dict[bytes, set[tuple[str, int]]] = {}
    for check in drawn:
        pictures.setdefault(check.pixels.tobytes(), set()).add((check.answer["call"], check.answer["confidence"]))
    assert all(len(answers) == 1 for answers in pictures.values())
    assert len(pictures) == len({(c.answer["call"], c.answer["confidence"]) for c in drawn})
