"""Groups of training settings: the rest of a run: checkpoints, evaluation, photographs, prompts, device."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, field_validator

from woundgen.config.setting import MONITORS, known_metric, setting
from woundgen.config.strict import STRICT
from woundgen.records import Phase


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


class TrackingOptions(BaseModel):
    """Trackers, in which a run can be watched."""

    model_config = STRICT

    trackers: tuple[Literal["tensorboard", "trackio", "wandb", "mlflow"], ...] = setting(
        ("tensorboard",),
        "where numbers are shown while training, offline by default; pictures in tensorboard's local file alone",
        flat="tracker",
    )


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
    phases: tuple[Phase, ...] = setting(("I",), "healing phases this adapter is trained on", flat="phases")
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
        "text of the photographs: the approved plan's, one neutral sentence, none, or `prompt`",
        flat="prompts",
    )
    prompt: str | dict[Phase, str] | None = setting(
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
    deterministic: bool = setting(
        False,
        "on a GPU, only kernels that add in a fixed order, and no TF32: slower, for steps that repeat to the bit",
        flat="deterministic",
    )
    probe_steps: int = setting(
        3, "steps measured for the time and memory of the plan; 0: none", flat="probe_steps", ge=0, le=20
    )

    @field_validator("mixed_precision", mode="before")
    @classmethod
    def _yaml_no(cls, value: Any) -> Any:
        return "no" if value is False else value  # YAML reads a bare no as false
