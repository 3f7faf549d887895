"""The groups of a training run's settings: each key, its default, its bounds and its meaning stand only here.

Mechanisms take the group that they need. Every key has a second, flat name, which the files of configs/ use:
`lora.rank` is `lora_rank`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator

from woundgen.config.prompts import SHORT_PROMPT
from woundgen.config.strict import STRICT

# What may choose the best checkpoint: metrics with a direction that an evaluation in training gives.
MONITORS = ("auto", "val_loss", "fd", "fid", "kid", "inception_score")


def setting(default: Any, description: str, *, flat: str, **bounds: Any) -> Any:
    """Declare a setting. flat: its name in a config without groups. bounds: of pydantic's Field."""
    return Field(default, description=description, json_schema_extra={"flat_name": flat}, **bounds)


def known_metric(name: str, allowed: tuple[str, ...]) -> str:
    """Return `name`, or raise ValueError where it is not one of `allowed`."""
    if name not in allowed:
        raise ValueError(f"{name!r} is not one of {', '.join(allowed)}")
    return name


class ModelOptions(BaseModel):
    """The base model, what is trained of it, and the size of the images."""

    model_config = STRICT

    base: str = setting(
        "stabilityai/stable-diffusion-2-1-base",
        "what is adapted: `embedded`, `sd21-base` (or the consultation's name for it), or a diffusers folder",
        flat="base_model",
    )
    method: Literal["lora", "full", "dreambooth", "textual_inversion"] = setting(
        "lora", "what is trained", flat="training_method"
    )
    resolution: int = setting(
        128, "side of the square images, pixels", flat="resolution", ge=32, le=1024, multiple_of=8
    )
    train_resolution: int | None = setting(
        None,
        "side that is trained and drawn at, reduced to resolution at the end; null: resolution",
        flat="train_resolution",
        ge=32,
        le=1024,
        multiple_of=8,
    )


class LoraOptions(BaseModel):
    """The LoRA adapter (Hu et al. 2021) and its variants: rsLoRA (Kalajdzievski 2023), DoRA (Liu et al. 2024)."""

    model_config = STRICT

    rank: int = setting(16, "rank r of the update B A of each layer", flat="lora_rank", ge=1, le=1024)
    alpha: float = setting(32, "the update is scaled by alpha / rank", flat="lora_alpha", gt=0)
    dropout: float = setting(0.1, "share of a layer's inputs dropped before A", flat="lora_dropout", ge=0, lt=1)
    target_modules: tuple[str, ...] = setting(
        ("to_q", "to_k", "to_v", "to_out.0"),
        "names of the adapted layers of the UNet",
        flat="lora_target_modules",
        min_length=1,
    )
    rslora: bool = setting(False, "scale alpha / sqrt(rank) instead of alpha / rank", flat="lora_rslora")
    dora: bool = setting(False, "learn direction and length of each row apart", flat="lora_dora")
    text_encoder: bool = setting(False, "adapt what reads the prompts, too", flat="lora_text_encoder")


class TokenOptions(BaseModel):
    """The word that DreamBooth and textual inversion bind what they learn to."""

    model_config = STRICT

    word: str | None = setting(
        None,
        "a rare word in the prompts; null: sks for dreambooth, <wound-PHASE> to learn",
        flat="instance_token",
        min_length=1,
    )
    vectors: int = setting(1, "textual_inversion: rows that the token stands for", flat="token_vectors", ge=1, le=16)
    initializer: str = setting(
        "wound",
        "textual_inversion: initialise the token with the mean embedding of these words",
        flat="token_initializer",
    )


class PriorOptions(BaseModel):
    """Prior preservation of DreamBooth (Ruiz et al. 2023)."""

    model_config = STRICT

    weight: float = setting(
        1.0, "dreambooth: of the loss on class images (prior preservation); 0: none", flat="prior_weight", ge=0, le=100
    )
    prompt: str = setting(SHORT_PROMPT, "dreambooth: what class images are drawn with", flat="class_prompt")
    images: int = setting(100, "dreambooth: drawn once by the untrained base", flat="class_images", ge=1, le=10000)


class BatchOptions(BaseModel):
    """The global batch: images of one optimizer step."""

    model_config = STRICT

    per_gpu: int = setting(8, "images in one forward pass", flat="batch_size_per_gpu", ge=1)
    accumulation: int = setting(2, "forward passes for one optimizer step", flat="gradient_accumulation", ge=1)
    devices: int = setting(2, "global batch = batch_size_per_gpu x accumulation x this", flat="planned_devices", ge=1)


class OptimizationOptions(BaseModel):
    """The optimizer, its learning rate, and how long it runs."""

    model_config = STRICT

    algorithm: Literal["adamw", "adamw-8bit"] = setting(
        "adamw", "adamw-8bit needs bitsandbytes and a GPU", flat="optimizer"
    )
    learning_rate: float = setting(1e-05, "of AdamW, at its peak", flat="learning_rate", gt=0, le=1)
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


class CheckpointOptions(BaseModel):
    """When checkpoints are saved, and how many stay whole."""

    model_config = STRICT

    every_n_epochs: int = setting(5, "a checkpoint after so many epochs", flat="save_every_n_epochs", ge=1)
    every_minutes: float | None = setting(
        10.0, "saves by the clock, for resuming; null: none", flat="save_every_minutes", gt=0
    )
    keep_last_n: int = setting(
        3, "how many can be resumed from; older ones keep their adapters only", flat="keep_last_n_checkpoints", ge=1
    )
    best_only: bool = setting(
        False, "no periodic checkpoints: the best, the last and those at a stop", flat="save_best_only"
    )


class EvaluationOptions(BaseModel):
    """Evaluations during training."""

    model_config = STRICT

    every_n_epochs: int = setting(
        5,
        "validation loss after so many epochs; drawing and metrics, too, as the plan has room",
        flat="evaluate_every_n_epochs",
        ge=1,
    )
    timesteps: int = setting(8, "fixed, stratified, per validation image", flat="validation_timesteps", ge=1, le=100)
    sample_images: int = setting(16, "images of each sample grid", flat="sample_images", ge=0, le=256)
    metric_images: int | None = setting(
        None,
        "images drawn for FD at each evaluation, at most; null: as many as fit; 0: no FD",
        flat="metric_images",
        ge=0,
    )
    sampler_steps: int = setting(
        50,
        "sampler steps of sample grids and of FD in training, at most",
        flat="inference_steps_during_training",
        ge=1,
        le=1000,
    )
    feature_networks: tuple[str, ...] = setting(
        ("embedded",), "feature networks that measure", flat="features", min_length=1
    )
    share: float = setting(
        0.5, "drawing and measuring may cost this share of the training", flat="evaluation_share", gt=0, le=100
    )
    best_metric: str = setting(
        "auto",
        "metric by which the best checkpoint is chosen; `auto`: FID or FD where it is measured, else `val_loss`",
        flat="monitor",
    )

    @field_validator("best_metric")
    @classmethod
    def _known_metric(cls, name: str) -> str:
        return known_metric(name, MONITORS)


class StoppingOptions(BaseModel):
    """Early stopping."""

    model_config = STRICT

    patience: int = setting(10, "evaluations without a better value; 0: never", flat="early_stopping_patience", ge=0)
    metric: str = setting("val_loss", "what early_stopping_patience waits for", flat="early_stopping_metric")

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, name: str) -> str:
        return known_metric(name, MONITORS[1:])


class SamplingOptions(BaseModel):
    """How images are sampled with the adapter."""

    model_config = STRICT

    steps: int = setting(
        100, "sampler steps of `woundgen generate` for this adapter", flat="inference_steps_production", ge=1, le=1000
    )
    guidance_scale: float = setting(
        12.0, "of sample grids and of FD in training; 1 is none", flat="guidance_scale", ge=1, le=50
    )


class PhotographOptions(BaseModel):
    """The photographs: which, how they are split, cropped and augmented."""

    model_config = STRICT

    folder: str | None = setting(None, "folder of photographs; --data overrides", flat="data")
    phases: tuple[Literal["I", "P", "R"], ...] = setting(
        ("I",), "healing phases this adapter is trained on", flat="phases"
    )
    box_margin: float = setting(
        0.25, "added on each side of the wound's box, share of it", flat="box_margin", ge=0, le=3
    )
    train_share: float = setting(
        0.85, "share of the photographs that is trained on; patients stay whole", flat="train_val_split", gt=0, lt=1
    )
    folds: int | None = setting(
        None, "parts the patients are dealt into, as `woundgen utility` does", flat="folds", ge=2
    )
    fold: int | None = setting(
        None, "the part that is held out; `train --folds K` gives each its run", flat="fold", ge=1
    )
    augmentation: bool = setting(
        True, "flips, turns and colour changes, encoded once before training", flat="data_augmentation"
    )
    variations: int = setting(
        8, "augmented versions of each photograph in the latent cache", flat="augmentation_variations", ge=1, le=64
    )
    balance_phases: bool = setting(True, "several phases: each is used equally often", flat="balance_phases")


class TextOptions(BaseModel):
    """The prompts."""

    model_config = STRICT

    strategy: Literal["medical", "short", "none", "custom"] = setting(
        "medical",
        "text of the photographs: the consultation's, one neutral sentence, none, or `prompt`",
        flat="prompts",
    )
    prompt: str | dict[Literal["I", "P", "R"], str] | None = setting(
        None, "with prompts: custom; one text, or one for each phase", flat="prompt"
    )
    negative_prompt: str | None = setting(None, "overrides that of the strategy", flat="negative_prompt")


class ComputeOptions(BaseModel):
    """Device, precision and memory."""

    model_config = STRICT

    device: Literal["auto", "cpu", "cuda"] = setting(
        "auto", "where to compute; auto takes a GPU where there is one", flat="device"
    )
    mixed_precision: Literal["no", "fp16", "bf16"] = setting(
        "fp16", "of the forward and backward pass on a GPU; on a CPU it is fp32, with a notice", flat="mixed_precision"
    )
    gradient_checkpointing: bool = setting(
        True, "less memory for about a third more time", flat="gradient_checkpointing"
    )
    use_xformers: bool = setting(True, "memory-efficient attention; PyTorch's own serves", flat="use_xformers")
    compile: bool = setting(False, "torch.compile of the UNet for the training steps", flat="compile")
    cuda_graphs: bool = setting(
        True, "on a GPU, a step's kernels start as one graph; not with compile", flat="cuda_graphs"
    )
    probe_steps: int = setting(
        3, "steps measured for the time and memory of the plan; 0: none", flat="probe_steps", ge=0, le=20
    )

    @field_validator("mixed_precision", mode="before")
    @classmethod
    def _yaml_no(cls, value: Any) -> Any:
        return "no" if value is False else value  # YAML reads a bare no as false
