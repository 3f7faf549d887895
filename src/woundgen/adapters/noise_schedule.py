"""The noise schedule that an adapter was trained on, where it is not its base's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from diffusers import DDPMScheduler

from woundgen.errors import UserError
from woundgen.models.base import BaseModel
from woundgen.storage.files import read_json
from woundgen.storage.names import ADAPTER_NOTES


def with_zero_terminal_snr(base: BaseModel) -> BaseModel:
    """The base on a schedule whose last timestep is pure noise (Lin et al. 2023).

    UserError unless it predicts v: of pure noise, epsilon says nothing about the picture.
    """
    if base.prediction != "v_prediction":
        raise UserError(
            f"zero_terminal_snr: base model {base.name} predicts {base.prediction}, which pure noise says nothing of.",
            "Set zero_terminal_snr: false, or use a base with v-prediction such as embedded.",
        )
    scheduler = DDPMScheduler.from_config(
        {**base.scheduler.config, "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    )
    return replace(base, scheduler=scheduler, alphas_cumprod=scheduler.alphas_cumprod.float())


def as_trained(base: BaseModel, adapters: Sequence[Path]) -> BaseModel:
    """The base on the schedule of these adapter files; UserError where they were trained on different ones."""
    notes = [file.parent / ADAPTER_NOTES for file in adapters]
    said = [path.exists() and bool(read_json(path).get("zero_terminal_snr")) for path in notes]
    if any(said) and not all(said):
        raise UserError(
            f"{adapters[said.index(False)]} was trained on another noise schedule than {adapters[said.index(True)]}.",
            "Draw with adapters that were trained with the same zero_terminal_snr.",
        )
    return with_zero_terminal_snr(base) if any(said) else base
