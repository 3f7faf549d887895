"""Settings of the training loop, and the state that its steps change."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from woundgen.config.optimization_groups import AveragingOptions, LossOptions

RATE_AFTER_ROLLBACK = 0.5


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """Settings of the loop. global_batch, micro_batch: images of a step, and of a forward pass."""

    seed: int
    steps: int
    global_batch: int
    micro_batch: int
    max_gradient_norm: float
    loss: LossOptions
    averaging: AveragingOptions  # of LoopState.average, where there is one
    precision: str  # fp32 | bf16 | fp16


@dataclass(slots=True)
class LoopState:
    """State that a step changes, besides the parameters and the optimizer.

    noise_stream: which normal numbers the run draws (training/noising.py); it never changes within a run.
    """

    step: int
    average: Tensor | None  # EMA, [P]
    skipped: int = 0
    skipped_in_a_row: int = 0
    rollbacks: int = 0
    powers: dict[float, Tensor] = field(default_factory=dict)  # power-function averages by length, [P] each
    noise_stream: int = 1

    @property
    def updates(self) -> int:
        return self.step - self.skipped

    @property
    def rate_factor(self) -> float:
        return RATE_AFTER_ROLLBACK**self.rollbacks
