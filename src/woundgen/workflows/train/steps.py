"""Take steps of training: the loop, given a model and its encoded data."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from woundgen.runtime.ranks import ALONE, Ranks
from woundgen.training.loop import GoBack, StepReport, train
from woundgen.training.loop_state import LoopSettings, LoopState
from woundgen.training.noising import Noising
from woundgen.training.terms import ExtraTerm
from woundgen.workflows.train.latent_cache import EncodedDataset
from woundgen.workflows.train.model import TrainableModel


def take_steps(
    model: TrainableModel,
    encoded: EncodedDataset,
    state: LoopState,
    *,
    settings: LoopSettings,
    learning_rate: Callable[[int], float],
    noising: Noising,
    after_step: Callable[[StepReport], bool],
    terms: Sequence[ExtraTerm] = (),
    go_back: GoBack | None = None,
    ranks: Ranks = ALONE,
) -> None:
    """Train up to settings.steps; the arguments are those of `training.loop.train`."""
    train(
        unet=model.unet,
        trainable=model.trainable,
        optimizer=model.optimizer,
        scaler=model.scaler,
        learning_rate=learning_rate,
        latents=encoded.latents,
        prompt_embeds=encoded.prompts,
        alphas_cumprod=model.base.alphas_cumprod,
        prediction=model.base.prediction,
        dropout=model.dropout,
        settings=settings,
        state=state,
        after_step=after_step,
        ranks=ranks,
        terms=terms,
        go_back=go_back,
        batches=encoded.batches,
        noising=noising,
        loss_pass=model.loss_pass,
    )
