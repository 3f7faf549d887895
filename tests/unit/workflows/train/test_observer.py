"""Early stopping waits for the metric that is asked for, in its direction."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from woundgen.config.load import load_train_config
from woundgen.errors import UserError
from woundgen.records import MetricValue
from woundgen.training.validation import EarlyStopping
from woundgen.workflows.train.observer import Observer


def value(metric: str, number: float, label: str = "") -> MetricValue:
    return MetricValue(metric, number, None, None, "none: a test", (16, 16), label=label)


@pytest.mark.parametrize(
    ("metric", "numbers", "waits"),
    [("kid", [3.0, 2.0, 2.5, 1.0], [0, 0, 1, 0]), ("inception_score", [3.0, 2.0, 2.5, 4.0], [0, 1, 2, 0])],
)
def test_the_direction_is_the_metrics_own(metric: str, numbers: list[float], waits: list[int]) -> None:
    stopping = EarlyStopping(patience=3)
    asked: Any = SimpleNamespace(
        stopping=stopping, config=SimpleNamespace(early_stopping_metric=metric), last_losses=[0.0, 0.0]
    )
    found = []
    for number in numbers:
        Observer._wait_for_better(asked, [value(metric, 0.0, "floor"), value(metric, number)])
        Observer._wait_for_better(asked, [value("val_loss", 1.0)])  # an evaluation that draws nothing says nothing
        found.append(stopping.waited)
    assert found == waits


def test_by_default_it_is_the_validation_loss() -> None:
    stopping = EarlyStopping(patience=3)
    asked: Any = SimpleNamespace(
        stopping=stopping, config=SimpleNamespace(early_stopping_metric="val_loss"), last_losses=[1.0, 2.0]
    )
    Observer._wait_for_better(asked, [value("kid", 1.0)])
    assert stopping.best == [1.0, 2.0]


@pytest.mark.parametrize(
    ("name", "says"),
    [("auto", "val_loss, fd"), ("loss", "is not one of"), ("fid", "needs inception among features")],
)
def test_what_cannot_be_waited_for(name: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        load_train_config(None, [f"early_stopping_metric={name}"])
