"""Settings of a training run. No torch.

A config never enters a class: workflows flatten it into named arguments.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from woundgen.config.prompts import MEDICAL_NEGATIVE, MEDICAL_PROMPTS, SHORT_PROMPT
from woundgen.config.strict import STRICT

# What may choose the best checkpoint: metrics with a direction that an evaluation in training gives.
MONITORS = ("auto", "val_loss", "fd", "fid", "kid", "inception_score")


class TrainConfig(BaseModel):
    """One adapter's run. The first block of names is the consultation's (Decision 5), kept as approved."""

    model_config = STRICT

    # Model and resolution
    base_model: str = "stabilityai/stable-diffusion-2-1-base"
    resolution: int = Field(128, ge=32, le=1024, multiple_of=8)
    training_method: Literal["lora", "full", "dreambooth", "textual_inversion"] = "lora"
    # LoRA
    lora_rank: int = Field(16, ge=1, le=1024)
    lora_alpha: float = Field(32, gt=0)
    lora_dropout: float = Field(0.1, ge=0, lt=1)
    lora_target_modules: tuple[str, ...] = Field(("to_q", "to_k", "to_v", "to_out.0"), min_length=1)
    # Training
    batch_size_per_gpu: int = Field(8, ge=1)
    gradient_accumulation: int = Field(2, ge=1)
    learning_rate: float = Field(1e-5, gt=0, le=1)
    lr_scheduler: Literal["cosine", "constant", "linear"] = "cosine"
    lr_warmup_steps: int = Field(100, ge=0)
    max_epochs: int = Field(100, ge=1)
    early_stopping_patience: int = Field(10, ge=0, description="evaluations without a better value; 0: never")
    # Quality
    inference_steps_during_training: int = Field(50, ge=1, le=1000)
    inference_steps_production: int = Field(100, ge=1, le=1000)
    guidance_scale: float = Field(12.0, ge=1, le=50)
    # Data
    train_val_split: float = Field(0.85, gt=0, lt=1)
    data_augmentation: bool = True
    # Checkpointing
    save_every_n_epochs: int = Field(5, ge=1)
    keep_last_n_checkpoints: int = Field(3, ge=1)
    save_best_only: bool = False
    # Several GPUs, precision, memory
    mixed_precision: Literal["no", "fp16", "bf16"] = "fp16"
    gradient_checkpointing: bool = True
    use_xformers: bool = True

    # Methods: what is trained, and the word it is bound to
    lora_rslora: bool = Field(False, description="scale alpha / sqrt(rank) instead of alpha / rank")
    lora_dora: bool = Field(False, description="learn direction and length of each row apart")
    lora_text_encoder: bool = Field(False, description="adapt what reads the prompts, too")
    instance_token: str | None = Field(
        None, min_length=1, description="a rare word in the prompts; null: sks for dreambooth, <wound-PHASE> to learn"
    )
    prior_weight: float = Field(
        1.0, ge=0, le=100, description="dreambooth: of the loss on class images (prior preservation); 0: none"
    )
    class_prompt: str = Field(SHORT_PROMPT, description="dreambooth: what class images are drawn with")
    class_images: int = Field(100, ge=1, le=10_000, description="dreambooth: drawn once by the untrained base")
    token_vectors: int = Field(1, ge=1, le=16, description="textual_inversion: rows that the token stands for")
    token_initializer: str = Field("wound", description="textual_inversion: words whose mean row the token starts at")

    # What the consultation leaves open
    phases: tuple[Literal["I", "P", "R"], ...] = ("I",)
    data: str | None = Field(None, description="folder of photographs; --data overrides")
    box_margin: float = Field(0.25, ge=0, le=3, description="added on each side of the wound's box, share of it")
    seed: int = Field(0, ge=0)
    folds: int | None = Field(None, ge=2, description="parts the patients are dealt into, as `woundgen utility` does")
    fold: int | None = Field(None, ge=1, description="the part that is held out; `train --folds K` gives each its run")
    planned_devices: int = Field(2, ge=1, description="global batch = batch_size_per_gpu x accumulation x this")
    max_steps: int | None = Field(None, ge=1, description="overrides max_epochs")
    prompts: Literal["medical", "short", "none", "custom"] = "medical"
    prompt: str | dict[Literal["I", "P", "R"], str] | None = Field(
        None, description="with prompts: custom; one text, or one for each phase"
    )
    negative_prompt: str | None = Field(None, description="overrides the strategy's own")
    prompt_dropout: float = Field(0.1, ge=0, le=1)
    augmentation_variations: int = Field(8, ge=1, le=64)
    weight_decay: float = Field(0.01, ge=0)
    max_gradient_norm: float = Field(1.0, gt=0)
    min_snr_gamma: float | None = Field(None, gt=0)
    noise_offset: float = Field(0.0, ge=0, le=1)
    zero_terminal_snr: bool = Field(
        False, description="the last timestep made pure noise (Lin et al. 2023), in training and drawing; v only"
    )
    region_weight: float = Field(
        1.0, gt=0, le=100, description="weight of the wound's box or mask in the loss against the rest; 1: all alike"
    )
    region_masks: str | None = Field(
        None, description="folder of masks named as the photographs are, not black in the wound; null: the boxes"
    )
    estimate_min_snr: float = Field(
        10.0, gt=0, description="perceptual and adversarial terms count where the signal-to-noise ratio is as high"
    )
    perceptual_weight: float = Field(
        0.0, ge=0, le=10, description="of the perceptual distance of the decoded clean estimate; 0: no such term"
    )
    perceptual_share: float = Field(
        1 / 32,
        ge=1 / 32,
        le=1,
        description="of the samples that the perceptual term is taken on, weighted by its inverse",
    )
    perceptual_network: Literal["auto", "embedded", "lpips-vgg", "lpips-alex"] = Field(
        "auto", description="features of the perceptual term; auto: lpips-vgg where it was fetched, else embedded"
    )
    adversarial_weight: float = Field(0.0, ge=0, le=10, description="of the discriminator's term; 0: no discriminator")
    adversarial_share: float = Field(1.0, ge=1 / 32, le=1, description="of the samples that the discriminator sees")
    discriminator_rate: float = Field(1e-4, gt=0, le=1, description="learning rate of the discriminator's own Adam")
    discriminator_r1: float = Field(0.1, ge=0, description="its penalty on the slope at real latents")
    ema: bool = True
    ema_decay: float = Field(0.9999, ge=0, lt=1)
    ema_warmup: bool = True
    post_hoc_ema: bool | None = Field(
        None, description="keep two power-function averages, for EMA of any length afterwards; null: for adapters"
    )
    save_every_minutes: float | None = Field(10.0, gt=0, description="saves by the clock, for resuming; null: none")
    validation_timesteps: int = Field(8, ge=1, le=100, description="fixed, stratified, per validation image")
    evaluate_every_n_epochs: int = Field(5, ge=1)
    sample_images: int = Field(16, ge=0, le=256, description="images of each sample grid")
    metric_images: int | None = Field(
        None, ge=0, description="images drawn for FD at each evaluation, at most; null: as many as fit; 0: no FD"
    )
    features: tuple[str, ...] = Field(("embedded",), min_length=1, description="feature networks that measure")
    evaluation_share: float = Field(
        0.5, gt=0, le=100, description="drawing and measuring may cost this share of the training"
    )
    monitor: str = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    train_resolution: int | None = Field(
        None, ge=32, le=1024, multiple_of=8,
        description="side that is trained and drawn at, reduced to resolution at the end; null: resolution",
    )  # fmt: skip
    balance_phases: bool = Field(True, description="several phases: each is seen equally often")
    early_stopping_metric: str = Field("val_loss", description="what early_stopping_patience waits for")
    optimizer: Literal["adamw", "adamw-8bit"] = Field("adamw", description="adamw-8bit needs bitsandbytes and a GPU")
    compile: bool = Field(False, description="torch.compile of the UNet for the training steps")
    cuda_graphs: bool = Field(True, description="on a GPU, a step's kernels start as one graph; not with compile")
    probe_steps: int = Field(3, ge=0, le=20, description="steps tried for the plan's time and memory; 0: none")

    @field_validator("mixed_precision", mode="before")
    @classmethod
    def _yaml_no(cls, value: Any) -> Any:
        return "no" if value is False else value  # YAML reads a bare no as false

    @field_validator("monitor", "early_stopping_metric")
    @classmethod
    def _known_metric(cls, name: str) -> str:
        if name not in MONITORS:
            raise ValueError(f"{name!r} is not one of {', '.join(MONITORS)}")
        return name

    @field_validator("early_stopping_metric")
    @classmethod
    def _one_metric(cls, name: str) -> str:
        if name == "auto":
            raise ValueError(f"name one of {', '.join(MONITORS[1:])}")
        return name

    @model_validator(mode="after")
    def _agree(self) -> TrainConfig:
        if not self.phases:
            raise ValueError("phases: name at least one of I, P, R")
        if (self.fold is None) != (self.folds is None):
            raise ValueError("fold and folds: give both, or neither (train --folds K gives both)")
        if self.fold is not None and self.folds is not None and self.fold > self.folds:
            raise ValueError(f"fold = {self.fold}: there are {self.folds} folds")
        if self.prompts == "custom" and not self.prompt:
            raise ValueError("prompts: custom needs prompt")
        if isinstance(self.prompt, dict) and (without := [one for one in self.phases if not self.prompt.get(one)]):
            raise ValueError(f"prompt: phase {without[0]} has none; give it one, or leave it out of phases")
        _check_method(self)
        if self.prompts != "custom" and self.prompt is not None:
            raise ValueError(f"prompt is set but prompts is {self.prompts!r}; set prompts: custom")
        for key, metric in (("monitor", self.monitor), ("early_stopping_metric", self.early_stopping_metric)):
            if metric not in ("auto", "val_loss") and self.metric_images is not None and self.metric_images < 2:
                raise ValueError(f"{key}: {metric} needs metric_images of at least 2")
            if metric in ("fid", "inception_score") and "inception" not in self.features:
                raise ValueError(f"{key}: {metric} needs inception among features; others: val_loss, fd, kid")
            if metric == "fd" and not set(self.features) - {"inception", "lpips-vgg", "lpips-alex"}:
                raise ValueError(f"{key}: fd needs a feature network that gives FD, such as embedded")
        if self.region_masks is not None and self.region_weight == 1:
            raise ValueError("region_masks is set, and region_weight 1 makes no use of it; set region_weight: 3")
        if self.train_resolution is not None and self.train_resolution < self.resolution:
            raise ValueError(f"train_resolution {self.train_resolution} is below resolution {self.resolution}")
        return self

    @property
    def trained_side(self) -> int:
        return self.train_resolution or self.resolution

    @property
    def keeps_snapshots(self) -> bool:
        """A snapshot of an adapter is a few MB; of a whole network it is gigabytes, and has to be asked for."""
        whole = self.training_method in ("full", "dreambooth")
        return not whole if self.post_hoc_ema is None else self.post_hoc_ema

    @property
    def global_batch(self) -> int:
        return self.batch_size_per_gpu * self.gradient_accumulation * self.planned_devices


def token_of(config: TrainConfig) -> str:
    """The word that what is trained is bound to; "" for methods that bind none unless one is given."""
    usual = {"dreambooth": "sks", "textual_inversion": f"<wound-{'-'.join(config.phases)}>"}
    return config.instance_token or usual.get(config.training_method, "")


def _check_method(config: TrainConfig) -> None:
    """What another method would need is refused; a method that is bound to a word needs it in every prompt."""
    of_lora = [key for key in ("lora_rslora", "lora_dora", "lora_text_encoder") if getattr(config, key)]
    if of_lora and config.training_method != "lora":
        raise ValueError(f"{of_lora[0]} is of training_method: lora, and {config.training_method} is asked for")
    if config.training_method not in ("dreambooth", "textual_inversion"):
        return
    if config.prompts == "none":
        raise ValueError(f"training_method: {config.training_method} is bound to a word, and prompts: none has none")
    for phase in config.phases:
        if token_of(config) not in prompts_for(config, phase)[0]:
            raise ValueError(f"prompt: that of phase {phase} lacks the token {token_of(config)!r} (instance_token)")


def prompts_for(config: TrainConfig, phase: str) -> tuple[str, str]:
    """(positive, negative) text of a phase under the config's strategy, with the token where there is one."""
    token = f"{token_of(config)} ".lstrip()
    custom = config.prompt.get(phase, "") if isinstance(config.prompt, dict) else config.prompt  # type: ignore[call-overload]
    strategies = {
        "medical": (MEDICAL_PROMPTS[phase].replace("of diabetic", f"of {token}diabetic"), MEDICAL_NEGATIVE),
        "short": (SHORT_PROMPT.replace("a wound", f"a {token}wound"), ""),
        "none": ("", ""),
        "custom": (custom or "", ""),
    }
    positive, negative = strategies[config.prompts]
    return positive, negative if config.negative_prompt is None else config.negative_prompt
