"""Groups of training settings: how it is trained: batch, optimizer, loss terms, averages."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from woundgen.config.setting import setting
from woundgen.config.strict import STRICT


class BatchOptions(BaseModel):
    """The global batch: images of one optimizer step."""

    model_config = STRICT

    per_gpu: int = setting(8, "images in one forward pass", flat="batch_size_per_gpu", ge=1)
    accumulation: int = setting(2, "forward passes for one optimizer step", flat="gradient_accumulation", ge=1)
    devices: int = setting(2, "global batch = batch_size_per_gpu x accumulation x this", flat="planned_devices", ge=1)


class OptimizationOptions(BaseModel):
    """The optimizer, its learning rate, and how long it runs."""

    model_config = STRICT

    algorithm: Literal["adamw", "adamw-8bit", "prodigy"] = setting(
        "adamw",
        "adamw-8bit needs bitsandbytes and a GPU; prodigy finds its rate (needs prodigyopt and learning_rate: 1)",
        flat="optimizer",
    )
    learning_rate: float = setting(
        1e-05, "at its peak; with prodigy a factor on the rate that it finds", flat="learning_rate", gt=0, le=1
    )
    scheduler: Literal["cosine", "constant", "linear"] = setting(
        "cosine", "course of the learning rate after warm-up", flat="lr_scheduler"
    )
    warmup_steps: int = setting(100, "optimizer steps of linear warm-up", flat="lr_warmup_steps", ge=0)
    max_epochs: int = setting(100, "passes over the training photographs", flat="max_epochs", ge=1)
    max_steps: int | None = setting(None, "overrides max_epochs", flat="max_steps", ge=1)
    weight_decay: float = setting(0.01, "of AdamW", flat="weight_decay", ge=0)
    max_gradient_norm: float = setting(1.0, "a longer gradient is scaled down to this", flat="max_gradient_norm", gt=0)


class LossOptions(BaseModel):
    """The diffusion loss."""

    model_config = STRICT

    prompt_dropout: float = setting(
        0.1,
        "share of the training steps' images that see the empty prompt, so that guidance works",
        flat="prompt_dropout",
        ge=0,
        le=1,
    )
    min_snr_gamma: float | None = setting(
        None,
        "weighting of the loss by signal-to-noise ratio (Hang et al. 2023); null: none",
        flat="min_snr_gamma",
        gt=0,
    )
    noise_offset: float = setting(
        0.0,
        "noise shared by all positions of a channel, for darker and brighter images; 0: none",
        flat="noise_offset",
        ge=0,
        le=1,
    )
    zero_terminal_snr: bool = setting(
        False,
        "the last timestep made pure noise (Lin et al. 2023), in training and drawing; v only",
        flat="zero_terminal_snr",
    )
    region_weight: float = setting(
        1.0,
        "weight of the wound's box or mask in the loss against the rest; 1: all alike",
        flat="region_weight",
        gt=0,
        le=100,
    )
    region_masks: str | None = setting(
        None,
        "folder of masks named as the photographs are, not black in the wound; null: the boxes",
        flat="region_masks",
    )
    estimate_min_snr: float = setting(
        10.0,
        "apply the perceptual and adversarial terms only at a signal-to-noise ratio of at least this",
        flat="estimate_min_snr",
        gt=0,
    )


class PerceptualOptions(BaseModel):
    """The perceptual term of the loss."""

    model_config = STRICT

    weight: float = setting(
        0.0,
        "of the perceptual distance of the decoded clean estimate; 0: no such term",
        flat="perceptual_weight",
        ge=0,
        le=10,
    )
    share: float = setting(
        1 / 32,
        "of the samples that the perceptual term is taken on, weighted by its inverse",
        flat="perceptual_share",
        ge=1 / 32,
        le=1,
    )
    network: Literal["auto", "embedded", "lpips-vgg", "lpips-alex"] = setting(
        "auto",
        "features of the perceptual term; auto: lpips-vgg where it was fetched, else embedded",
        flat="perceptual_network",
    )


class AdversarialOptions(BaseModel):
    """The adversarial term of the loss and its discriminator."""

    model_config = STRICT

    weight: float = setting(
        0.0, "of the discriminator's term; 0: no discriminator", flat="adversarial_weight", ge=0, le=10
    )
    share: float = setting(1.0, "of the samples that the discriminator sees", flat="adversarial_share", ge=1 / 32, le=1)
    learning_rate: float = setting(
        0.0001, "learning rate of the Adam that trains the discriminator", flat="discriminator_rate", gt=0, le=1
    )
    r1: float = setting(0.1, "weight of the R1 gradient penalty", flat="discriminator_r1", ge=0)


class AveragingOptions(BaseModel):
    """Averages of the weights over the run."""

    model_config = STRICT

    ema: bool = setting(
        True,
        "keep an exponential moving average of the adapter, evaluated and saved with the raw weights",
        flat="ema",
    )
    decay: float = setting(0.9999, "of the average, at most", flat="ema_decay", ge=0, lt=1)
    warmup: bool = setting(
        True, "min(decay, (1 + t) / (10 + t)): the average follows from the first step", flat="ema_warmup"
    )
    post_hoc: bool | None = setting(
        None,
        "keep two power-function averages, for EMA of any length afterwards; null: for adapters",
        flat="post_hoc_ema",
    )
