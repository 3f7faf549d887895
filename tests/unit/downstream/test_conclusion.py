"""The rule, on studies whose truth is known, and its sentences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from woundgen.downstream.arms import Material, controls, with_synthetic
from woundgen.downstream.assess import HeldOut, KappaDifference
from woundgen.downstream.conclude import UtilityConclusion, conclude
from woundgen.downstream.conclusion import (
    COARSE,
    HARMS,
    HELPS,
    NO_DIFFERENCE,
    TOO_LITTLE,
    AtDose,
    groups_needed,
    judge_doses,
    verdict,
)  # fmt: skip
from woundgen.downstream.run import Fit, Fold, fits, put_together
from woundgen.workflows.utility.classifiers import train_linear

PHASES = ("I", "P", "R")
TRAINED, ADDED, TESTED, WIDTH = 8, 40, 150, 10
DOSES = (1.0, 4.0)


def features(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Phases are apart along two of ten directions."""
    return rng.standard_normal((len(labels), WIDTH)) + np.eye(WIDTH)[labels] * 1.5


def study(kind: str, *, tested: int = TESTED, seed: int = 0) -> UtilityConclusion:
    rng = np.random.default_rng(seed)
    numbers = [TRAINED, ADDED, tested]
    labels = np.concatenate([np.repeat(range(3), number) for number in numbers])
    described = features(labels, rng)
    parts = np.split(np.arange(len(labels)), np.cumsum([3 * number for number in numbers])[:-1])
    real, added = ({p: part[labels[part] == k] for k, p in enumerate(PHASES)} for part in parts[:2])
    synthetic = {
        "fresh": added,
        "copies": {phase: np.repeat(rows, 5) for phase, rows in real.items()},
        "swapped": {"I": added["R"], "P": added["P"], "R": added["I"]},
    }[kind]
    fold = Fold(Material(real, {p: rows[:, None] for p, rows in real.items()}, synthetic), parts[2])
    planned: list[Fit] = list(fits([fold], doses=DOSES, seeds=5, phases=PHASES))
    done = [(fit, train_linear(fit, described, classes=3)) for fit in planned]
    test = HeldOut(PHASES, labels[parts[2]], np.arange(len(parts[2])))
    return conclude(put_together(done, folds=1, seeds=5), test, doses=DOSES)


def test_more_of_the_same_kind_helps() -> None:
    found = study("fresh")
    assert found.verdict.word == HELPS
    assert found.verdict.sentence.startswith("Helps: with 4 synthetic images for each photograph")


def test_wrong_labels_harm() -> None:
    found = study("swapped")
    assert found.verdict.word == HARMS
    assert "below the best arm" in found.verdict.sentence


def test_copies_change_nothing_and_the_sentence_says_what_would_have_been_seen() -> None:
    found = study("copies")
    assert found.verdict.word == NO_DIFFERENCE
    coarsest = max(one.difference.smallest for one in found.verdict.doses)
    assert f"a difference of {coarsest:.2f} in kappa" in found.verdict.sentence


def test_few_patients_are_too_little_to_say() -> None:
    assert study("fresh", tested=6).verdict.word == TOO_LITTLE


def test_below_five_groups_of_a_phase_there_is_no_verdict() -> None:
    found = study("fresh", tested=4)
    assert found.verdict.word == TOO_LITTLE
    assert "4 of phase I, 4 of phase P, 4 of phase R test groups" in found.verdict.sentence


def test_how_many_groups_would_be_enough_is_said() -> None:
    """Twice as coarse as asked for, all of it from patients: four times as many groups."""
    one = KappaDifference("a", "b", 0.0, -0.2, 0.2, 2 * COARSE, 0.0)
    assert groups_needed(one, 30) == 120
    assert groups_needed(replace(one, of_seeds=0.2), 30) == 480  # 30 * 0.04 * 0.8 / (0.01 - 0.008)
    assert groups_needed(replace(one, of_seeds=0.3), 30) is None


@pytest.mark.parametrize(("of_seeds", "told"), [(0.8, "More seeds would show smaller ones: 80 %"), (0.3, "")])
def test_what_more_seeds_would_buy_is_said(of_seeds: float, told: str) -> None:
    """Patients cannot be had by computing longer; seeds can."""
    found = study("copies")
    one = KappaDifference("real + synthetic x1", "real", 0.01, -0.2, 0.22, 0.3, of_seeds)
    sentence = verdict([AtDose(1, "real", one, NO_DIFFERENCE)], groups={"I": 9}, arms=found.arms).sentence
    assert sentence.startswith("Too little data to say")
    assert ("More seeds" in sentence) == bool(told)
    assert told in sentence


@pytest.mark.parametrize("sign", [1, -1])
def test_every_control_has_to_be_beaten(sign: int) -> None:
    """Better than two of three arms and level with the third is no help; worse than two is no harm."""
    found = study("copies")
    clear, open_ = sorted([sign * 0.1, sign * 0.3]), [-0.1, 0.2]
    for bounds, word in (((clear, clear, open_), NO_DIFFERENCE), ((clear, clear, clear), HELPS if sign > 0 else HARMS)):
        compared = [
            KappaDifference(with_synthetic(1), control, sign * 0.2, low, high, 0.05, 0.1)
            for control, (low, high) in zip(controls(1), bounds, strict=True)
        ]
        assert judge_doses(found.arms, compared, doses=[1])[0].word == word
