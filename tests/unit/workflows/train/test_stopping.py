"""Which checkpoint is the best, and when to stop, decided on plain numbers."""

from __future__ import annotations

import pytest

from woundgen.config.load import load_train_config
from woundgen.errors import UserError
from woundgen.records import MetricValue
from woundgen.training.validation import EarlyStopping
from woundgen.workflows.train.stopping import BestAndStopping, Evaluation


def evaluation(step: int, losses: list[float], **measured: float) -> Evaluation:
    """With a floor of 0 beside each metric, which must not be taken for its value."""
    values = [MetricValue("val_loss", sum(losses) / len(losses), None, None, "none", (2, 2))]
    for metric, number in measured.items():
        values += [MetricValue(metric, n, None, None, "none", (16, 16), label=label)
                   for n, label in ((0.0, "floor"), (number, ""))]  # fmt: skip
    return Evaluation(step, "ema", f"digest {step}", losses, values)


def policy(monitor: str = "val_loss", waits_for: str = "val_loss", patience: int = 3) -> BestAndStopping:
    return BestAndStopping(monitor, waits_for, EarlyStopping(patience=patience))


@pytest.mark.parametrize(
    ("metric", "numbers", "waited"),
    [("kid", [3.0, 2.0, 2.5, 1.0], [0, 0, 1, 0]), ("inception_score", [3.0, 2.0, 2.5, 4.0], [0, 1, 2, 0])],
)
def test_stopping_waits_in_the_direction_of_the_metric(metric: str, numbers: list[float], waited: list[int]) -> None:
    decided = policy(waits_for=metric)
    found = []
    for step, number in enumerate(numbers):
        decided.update(evaluation(step, [1.0, 1.0], **{metric: number}), checkpoint="")
        decided.update(evaluation(step, [1.0, 1.0]), checkpoint="")  # did not draw: patience stays as it is
        found.append(decided.stopping.waited)
    assert found == waited


def test_stopping_waits_for_the_losses_of_each_image_by_default() -> None:
    decided = policy()
    decided.update(evaluation(1, [1.0, 2.0], kid=1.0), checkpoint="")
    assert decided.stopping.best == [1.0, 2.0]


def test_best_is_the_lowest_of_a_distance_and_the_highest_of_a_score() -> None:
    for metric, numbers, expected in (("fd", [3.0, 1.0, 2.0], 2), ("inception_score", [1.0, 3.0, 2.0], 2)):
        decided = policy(monitor=metric)
        better = [
            decided.update(evaluation(step, [1.0, 1.0], **{metric: number}), checkpoint=f"step {step}")
            for step, number in enumerate(numbers, start=1)
        ]
        assert better == [True, True, False]
        assert decided.best is not None
        assert (decided.best["step"], decided.best["checkpoint"]) == (expected, f"step {expected}")
        assert decided.best["digest"] == f"digest {expected}"


def test_an_evaluation_without_the_monitored_metric_is_no_candidate() -> None:
    decided = policy(monitor="fd")
    assert not decided.update(evaluation(1, [1.0, 1.0]), checkpoint="")
    assert decided.best is None


def test_a_resume_continues_the_patience() -> None:
    """Two evaluations without improvement before, one after: patience 3 has run out."""
    first = policy()
    for losses in ([1.0, 2.0], [3.0, 4.0], [3.0, 4.0]):
        first.update(evaluation(1, losses), checkpoint="")
    second = policy()
    second.restore(first.to_json())
    assert not second.exhausted
    second.update(evaluation(4, [3.0, 4.0]), checkpoint="")
    assert second.exhausted
    second.restore({})
    assert (second.best, second.exhausted) == (None, False)


@pytest.mark.parametrize(
    ("name", "says"),
    [("auto", "val_loss, fd"), ("loss", "is not one of"), ("fid", "needs inception among features")],
)
def test_unusable_stopping_metrics_are_refused(name: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        load_train_config(None, [f"early_stopping_metric={name}"])
