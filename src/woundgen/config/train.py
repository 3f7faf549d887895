"""Settings of a training run, in groups. No torch."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, model_validator

from woundgen.config.method_groups import LoraOptions, ModelOptions, PriorOptions, TokenOptions
from woundgen.config.names import from_any_names, setting_names
from woundgen.config.optimization_groups import (
    AdversarialOptions,
    AveragingOptions,
    BatchOptions,
    LossOptions,
    OptimizationOptions,
    PerceptualOptions,
)
from woundgen.config.prompts import MEDICAL_NEGATIVE, MEDICAL_PROMPTS, SHORT_PROMPT
from woundgen.config.run_groups import (
    CheckpointOptions,
    ComputeOptions,
    EvaluationOptions,
    PhotographOptions,
    SamplingOptions,
    StoppingOptions,
    TextOptions,
    TrackingOptions,
)
from woundgen.config.strict import STRICT


class TrainConfig(BaseModel):
    """Settings of a training run, accepted by flat names, dotted names, or group by group."""

    model_config = STRICT

    model: ModelOptions = Field(default_factory=ModelOptions)
    lora: LoraOptions = Field(default_factory=LoraOptions)
    token: TokenOptions = Field(default_factory=TokenOptions)
    prior: PriorOptions = Field(default_factory=PriorOptions)
    batch: BatchOptions = Field(default_factory=BatchOptions)
    optimization: OptimizationOptions = Field(default_factory=OptimizationOptions)
    loss: LossOptions = Field(default_factory=LossOptions)
    perceptual: PerceptualOptions = Field(default_factory=PerceptualOptions)
    adversarial: AdversarialOptions = Field(default_factory=AdversarialOptions)
    averaging: AveragingOptions = Field(default_factory=AveragingOptions)
    checkpoints: CheckpointOptions = Field(default_factory=CheckpointOptions)
    evaluation: EvaluationOptions = Field(default_factory=EvaluationOptions)
    tracking: TrackingOptions = Field(default_factory=TrackingOptions)
    stopping: StoppingOptions = Field(default_factory=StoppingOptions)
    sampling: SamplingOptions = Field(default_factory=SamplingOptions)
    photographs: PhotographOptions = Field(default_factory=PhotographOptions)
    text: TextOptions = Field(default_factory=TextOptions)
    compute: ComputeOptions = Field(default_factory=ComputeOptions)
    seed: int = Field(0, ge=0, description="of everything random in the run")

    @model_validator(mode="before")
    @classmethod
    def _from_any_names(cls, settings: Any) -> Any:
        return from_any_names(settings, cls) if isinstance(settings, dict) else settings

    @model_validator(mode="after")
    def _check_together(self) -> TrainConfig:
        _check_photographs(self.photographs)
        _check_text(self)
        _check_method(self)
        _check_metrics(self)
        if self.loss.region_masks is not None and self.loss.region_weight == 1:
            raise ValueError("region_masks is set, and region_weight 1 makes no use of it; set region_weight: 3")
        if self.model.train_resolution is not None and self.model.train_resolution < self.model.resolution:
            raise ValueError(
                f"train_resolution {self.model.train_resolution} is below resolution {self.model.resolution}"
            )
        return self

    def flat(self) -> dict[str, Any]:
        """Return all settings as JSON values by flat name: the form of run.json and of checkpoints."""
        dumped = self.model_dump(mode="json")
        return {
            flat: dumped[group][name] if group else dumped[name]
            for flat, (group, name) in setting_names(type(self)).items()
        }

    def with_values(self, **settings: Any) -> TrainConfig:
        """Return a copy with other values, by flat name. The values are not checked."""
        names = setting_names(type(self))
        changes: dict[str, dict[str, Any]] = {}
        for flat, value in settings.items():
            group, name = names[flat]
            changes.setdefault(group, {})[name] = value
        top = changes.pop("", {})
        groups = {group: getattr(self, group).model_copy(update=values) for group, values in changes.items()}
        return self.model_copy(update=top | groups)

    @property
    def trained_side(self) -> int:
        """The side of the images that are trained on, in pixels."""
        return self.model.train_resolution or self.model.resolution

    @property
    def keeps_snapshots(self) -> bool:
        """Whether averages for post-hoc EMA are stored: by default for adapters, whose snapshots are a few MB each."""
        is_whole = self.model.method in ("full", "dreambooth")
        return not is_whole if self.averaging.post_hoc is None else self.averaging.post_hoc

    @property
    def global_batch(self) -> int:
        """Images of one optimizer step."""
        return self.batch.per_gpu * self.batch.accumulation * self.batch.devices


def bound_token(config: TrainConfig) -> str:
    """Return the word that what is trained is bound to; "" for methods that bind none, unless the user set one."""
    usual = {"dreambooth": "sks", "textual_inversion": f"<wound-{'-'.join(config.photographs.phases)}>"}
    return config.token.word or usual.get(config.model.method, "")


def prompts_for(config: TrainConfig, phase: str) -> tuple[str, str]:
    """Return the (positive, negative) text of a phase under the strategy of the config, with its token if any."""
    token = f"{bound_token(config)} ".lstrip()
    prompt = config.text.prompt
    custom = prompt.get(phase, "") if isinstance(prompt, dict) else prompt  # type: ignore[call-overload]
    strategies = {
        "medical": (MEDICAL_PROMPTS[phase].replace("of diabetic", f"of {token}diabetic"), MEDICAL_NEGATIVE),
        "short": (SHORT_PROMPT.replace("a wound", f"a {token}wound"), ""),
        "none": ("", ""),
        "custom": (custom or "", ""),
    }
    positive, negative = strategies[config.text.strategy]
    return positive, negative if config.text.negative_prompt is None else config.text.negative_prompt


def _check_photographs(options: PhotographOptions) -> None:
    if not options.phases:
        raise ValueError("phases: name at least one of I, P, R")
    if (options.fold is None) != (options.folds is None):
        raise ValueError("fold and folds: give both, or neither (train --folds K gives both)")
    if options.fold is not None and options.folds is not None and options.fold > options.folds:
        raise ValueError(f"fold = {options.fold}: there are {options.folds} folds")


def _check_text(config: TrainConfig) -> None:
    text = config.text
    if text.strategy == "custom" and not text.prompt:
        raise ValueError("prompts: custom needs prompt")
    if isinstance(text.prompt, dict):
        missing = [phase for phase in config.photographs.phases if not text.prompt.get(phase)]
        if missing:
            raise ValueError(f"prompt: phase {missing[0]} has none; give it one, or leave it out of phases")
    if text.strategy != "custom" and text.prompt is not None:
        raise ValueError(f"prompt is set but prompts is {text.strategy!r}; set prompts: custom")


def _check_method(config: TrainConfig) -> None:
    """Refuse settings of another method, and prompts without the word that the method is bound to."""
    method = config.model.method
    lora_only = [f"lora_{key}" for key in ("rslora", "dora", "text_encoder") if getattr(config.lora, key)]
    if lora_only and method != "lora":
        raise ValueError(f"{lora_only[0]} is of training_method: lora, and {method} is asked for")
    if method not in ("dreambooth", "textual_inversion"):
        return
    if config.text.strategy == "none":
        raise ValueError(f"training_method: {method} is bound to a word, and prompts: none has none")
    for phase in config.photographs.phases:
        if bound_token(config) not in prompts_for(config, phase)[0]:
            raise ValueError(f"prompt: that of phase {phase} lacks the token {bound_token(config)!r} (instance_token)")


def _check_metrics(config: TrainConfig) -> None:
    """Refuse metrics that choose or stop and that no evaluation would give."""
    options = config.evaluation
    for key, metric in (("monitor", options.best_metric), ("early_stopping_metric", config.stopping.metric)):
        if metric not in ("auto", "val_loss") and options.metric_images is not None and options.metric_images < 2:
            raise ValueError(f"{key}: {metric} needs metric_images of at least 2")
        if metric in ("fid", "inception_score") and "inception" not in options.feature_networks:
            raise ValueError(f"{key}: {metric} needs inception among features; others: val_loss, fd, kid")
        if metric == "fd" and not set(options.feature_networks) - {"inception", "lpips-vgg", "lpips-alex"}:
            raise ValueError(f"{key}: fd needs a feature network that gives FD, such as embedded")
