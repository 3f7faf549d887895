"""Which checkpoint is the best, and when no better one is to be expected. Pure: no files, no tensors, no models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from woundgen.records import METRICS, MetricValue
from woundgen.training.validation import EarlyStopping


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation of one kind of weights (raw or ema). losses: of each validation image. digest: of the weights."""

    step: int
    weights: str
    digest: str
    losses: list[float]
    values: list[MetricValue]

    def find(self, metric: str) -> float | None:
        """Return the value of a metric; None where this evaluation did not draw and measure."""
        return next((value.value for value in self.values if value.metric == metric and not value.label), None)


@dataclass(slots=True)
class BestAndStopping:
    """monitor: the metric that chooses the best checkpoint. waits_for: the metric that early stopping watches.

    best: None before the first evaluation that measured `monitor`.
    """

    monitor: str
    waits_for: str
    stopping: EarlyStopping
    best: dict[str, Any] | None = None

    def update(self, evaluation: Evaluation, *, checkpoint: str) -> bool:
        """Take an evaluation into account; return whether it is the best so far. checkpoint: name to record."""
        self._update_stopping(evaluation)
        value = evaluation.find(self.monitor)
        if value is None or not self._is_better(value):
            return False
        self.best = {
            "metric": self.monitor,
            "value": value,
            "step": evaluation.step,
            "weights": evaluation.weights,
            "digest": evaluation.digest,
            "checkpoint": checkpoint,
        }
        return True

    @property
    def exhausted(self) -> bool:
        """Whether patience has run out."""
        return self.stopping.exhausted

    def to_json(self) -> dict[str, Any]:
        """Return what a checkpoint must hold for a resume."""
        return {
            "best": self.best,
            "stopping_best": self.stopping.best,
            "stopping_waited": self.stopping.waited,
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Restore what `to_json` returned; {} is the state before the first evaluation."""
        self.best = saved.get("best")
        self.stopping.best = saved.get("stopping_best")
        self.stopping.waited = saved.get("stopping_waited", 0)

    def _update_stopping(self, evaluation: Evaluation) -> None:
        """val_loss must improve by more than its paired standard error; other metrics by any amount."""
        losses: Sequence[float] = evaluation.losses
        if self.waits_for != "val_loss":
            value = evaluation.find(self.waits_for)
            if value is None:
                return
            losses = [value if _lower_is_better(self.waits_for) else -value]
        self.stopping.update(list(losses))

    def _is_better(self, value: float) -> bool:
        if self.best is None:
            return True
        return value < self.best["value"] if _lower_is_better(self.monitor) else value > self.best["value"]


def _lower_is_better(metric: str) -> bool:
    return METRICS[metric].better == "lower"
