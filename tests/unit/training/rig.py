"""A run of the training loop in memory: a tiny base with an adapter, five invented photographs, no files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from woundgen.adapters.dropout import DropoutMasks
from woundgen.adapters.lora import add_lora
from woundgen.adapters.lora_forward import run_by_position
from woundgen.config.method_groups import LoraOptions
from woundgen.config.optimization_groups import AveragingOptions, LossOptions
from woundgen.models.base import BaseModel
from woundgen.models.flat_parameters import FlatParameters, flatten
from woundgen.models.half_precision import HALVES, run_in_half
from woundgen.runtime.ranks import ALONE, Ranks
from woundgen.training.batches import Batches
from woundgen.training.latents import Latents
from woundgen.training.loop import GoBack, Network, StepReport, train
from woundgen.training.loop_state import LoopSettings, LoopState
from woundgen.training.loss_pass import VerifiedLossPass
from woundgen.training.state import new_optimizer
from woundgen.training.terms import ExtraTerm

IMAGES, VARIATIONS, RATE = 5, 3, 1e-2
LORA = LoraOptions(rank=4, alpha=8.0, dropout=0.1, target_modules=("to_q", "to_k", "to_v", "to_out.0"))
PLAIN = LoopSettings(
    seed=3,
    steps=6,
    global_batch=4,
    micro_batch=4,
    max_gradient_norm=1.0,
    loss=LossOptions(prompt_dropout=0.0),
    averaging=AveragingOptions(decay=0.9),
    precision="fp32",
)


def loop_settings(**changed: Any) -> LoopSettings:
    """PLAIN with other values; those of a group by their own names."""
    loss = {key: changed.pop(key) for key in list(changed) if key in LossOptions.model_fields}
    averaging = {key: changed.pop(key) for key in list(changed) if key in AveragingOptions.model_fields}
    return replace(
        PLAIN,
        loss=PLAIN.loss.model_copy(update=loss),
        averaging=PLAIN.averaging.model_copy(update=averaging),
        **changed,
    )


def photographs() -> Latents:
    source = torch.Generator().manual_seed(8)
    mean, deviation = torch.randn(2, IMAGES, VARIATIONS, 4, 8, 8, generator=source)
    return Latents(mean=mean, deviation=0.1 * deviation.abs(), scale=0.5)


def texts() -> Tensor:
    """A text state for each photograph, and one for the empty prompt at the end."""
    return torch.randn(IMAGES + 1, 7, 16, generator=torch.Generator().manual_seed(9))


def prompt_embeds(rows: Sequence[int], dropped: Sequence[bool]) -> Tensor:
    return texts()[[IMAGES if drop else row for row, drop in zip(rows, dropped, strict=True)]]


@dataclass(slots=True)
class Rig:
    """What a run changes, and what it reports."""

    base: BaseModel
    trainable: FlatParameters
    optimizer: torch.optim.AdamW
    dropout: DropoutMasks | None
    settings: LoopSettings
    state: LoopState
    reports: list[StepReport] = field(default_factory=list)

    @classmethod
    def build(cls, base: BaseModel, *, dropout: float = 0.0, checkpointing: bool = False, **settings: Any) -> Rig:
        trainable = flatten(add_lora(base.unet, LORA, seed=1))
        if checkpointing:
            base.unet.enable_gradient_checkpointing()
        if settings.get("precision", "fp32") in HALVES:
            run_in_half(base.unet, HALVES[settings["precision"]])
        return cls(
            base=base,
            trainable=trainable,
            optimizer=new_optimizer(trainable, betas=(0.9, 0.999), weight_decay=0.01),
            dropout=run_by_position(base.unet, dropout=dropout),
            settings=loop_settings(**settings),
            state=LoopState(step=0, average=trainable.values.detach().clone()),
        )

    def run(
        self,
        *,
        until: int | None = None,
        unet: Network | None = None,
        ranks: Ranks = ALONE,
        batches: Batches | None = None,
        terms: Sequence[ExtraTerm] = (),
        go_back: GoBack | None = None,
        latents: Latents | None = None,
        loss_pass: VerifiedLossPass | None = None,
    ) -> Rig:
        """Go on to the step `until`, or to the end. unet: stands in for the base's own."""
        device = self.values.device
        train(
            unet=unet or self.base.unet,
            trainable=self.trainable,
            optimizer=self.optimizer,
            scaler=torch.amp.GradScaler(device.type, enabled=self.settings.precision == "fp16"),
            learning_rate=lambda step: RATE / (1 + step),
            latents=latents or photographs(),
            prompt_embeds=lambda rows, dropped: prompt_embeds(rows, dropped).to(device),
            alphas_cumprod=self.base.alphas_cumprod,
            prediction=self.base.prediction,
            dropout=self.dropout,
            settings=self.settings,
            state=self.state,
            after_step=self._note(until),
            ranks=ranks,
            batches=batches,
            terms=terms,
            go_back=go_back,
            loss_pass=loss_pass,
        )
        return self

    def _note(self, until: int | None) -> Callable[[StepReport], bool]:
        def note(report: StepReport) -> bool:
            self.reports.append(report)
            return report.step == until

        return note

    @property
    def losses(self) -> list[float]:
        return [report.loss for report in self.reports]

    @property
    def values(self) -> Tensor:
        return self.trainable.values.detach()
