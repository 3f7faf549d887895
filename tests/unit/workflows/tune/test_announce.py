"""What the plan of a study says of time and disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from woundgen.config.train import TrainConfig
from woundgen.events import Warn
from woundgen.tuning.budget import Cost, lay_out
from woundgen.tuning.space import default_space
from woundgen.workflows.tune.announce import announce_plan
from woundgen.workflows.tune.begin import Begun
from woundgen.workflows.tune.division import PatientDivision
from woundgen.workflows.tune.estimate import StudyEstimate
from woundgen.workflows.tune.study import TuningStudy

GIB = 1 << 30


def lines(*, disk: int = GIB, free: int = 10 * GIB, share: float = 1.0, steps: int = 100, alone: bool = False) -> str:
    config = TrainConfig.model_validate({"base_model": "embedded", "inference_steps_production": steps})
    study = TuningStudy(
        folder=Path("study"), config=config, space=default_space(config, steps=200), layout=lay_out(20, generation=4),
        objective="kid", steps=200, epochs=10.0, two_sample=False, images=64, confirmation_images=100, seed=0,
        threads=1, least_recall=None, copy_ceiling=None, copy_rate=0.0, floor=0.0, confirmation_floor=0.0, seconds=None,
    )  # fmt: skip
    sides = dict.fromkeys(("training", "selection", "confirmation"), (64, 64))
    estimate = StudyEstimate(600.0, 9600.0, 7200.0, Cost(0.1, 1.0, 5.0, 60.0), disk, free, share)
    begun = Begun(study, PatientDivision(sides, 0, ""), estimate, goes_on=False, planned_alone=alone)
    return "\n".join(("warning: " if isinstance(line, Warn) else "") + line.text for line in announce_plan(begun))


def test_time_and_disk_are_in_the_plan() -> None:
    told = lines()
    assert "about 10 min a trial: 2.7 h for the search and 2.0 h for the confirmation" in told
    assert "1.00 GiB at most of 10 GiB free" in told
    assert "warning" not in told
    assert "alone on the machine" not in told


def test_a_crowded_machine_is_told_from_a_slow_one() -> None:
    told = lines(share=0.2)
    assert "it got 20% of its processors" in told
    assert "takes 120 s or somewhat more" in told or "takes 2 min or somewhat more" in told


def test_a_disk_that_is_too_small_is_warned_of() -> None:
    assert "warning: the disk will not hold it" in lines(disk=11 * GIB)


@pytest.mark.parametrize(("steps", "told"), [(100, True), (15, False), (10, False)])
def test_that_the_start_is_drawn_in_fewer_steps_is_said(steps: int, told: bool) -> None:
    assert ("in 15 sampler steps in place of 100" in lines(steps=steps)) is told


def test_a_plan_alone_names_no_number_that_was_not_measured() -> None:
    assert "photographs themselves: 0; to hold: recall not held" in lines()
    told = lines(alone=True)
    assert "measured when the study begins" in told
    assert "not held" not in told
