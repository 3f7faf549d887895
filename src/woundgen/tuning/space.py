"""The search space: settings of training with their bounds, and the draw-time settings that are swept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from woundgen.config.train import TrainConfig

DRAWING = ("guidance_scale", "weights", "guidance_interval", "inference_steps_production")
"""Settings of drawing, in the order in which they are swept: no training is needed to try another value."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """A searched setting. choices: its values, or () for a range low..high.

    log: searched on a logarithmic scale. whole: whole numbers. ratio_of: the setting is this value times that entry.
    """

    key: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    choices: tuple[Any, ...] = ()
    ratio_of: str = ""

    def contains(self, value: Any) -> bool:
        """Return whether a value can be proposed."""
        return value in self.choices if self.choices else self.low <= value <= self.high

    def describe(self) -> str:
        """Return the bounds or the choices in words."""
        what = f" x {self.ratio_of}" if self.ratio_of else ""
        if self.choices:
            return ", ".join(str(choice) for choice in self.choices) + what
        return f"{self.low:g} to {self.high:g}{' (log)' if self.log else ''}{what}"

    def to_json(self) -> dict[str, Any]:
        """Return the dimension as JSON values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class Space:
    """trained: settings that need a training to try. drawn: values of each draw-time setting, the preferred first."""

    trained: tuple[Dimension, ...]
    drawn: Mapping[str, tuple[Any, ...]]

    def to_json(self) -> dict[str, Any]:
        """Return the space as JSON values."""
        return {
            "trained": [dimension.to_json() for dimension in self.trained],
            "drawn": {key: list(values) for key, values in self.drawn.items()},
        }


def default_space(config: TrainConfig, *, steps: int) -> Space:
    """Return the search space for the base and method of the config; docs/howto/tune.md names the sources.

    steps: optimizer steps of the starting config.
    """
    method, embedded = config.model.method, config.model.base == "embedded"
    low, high = RATES[method][0 if embedded else 1]
    dimensions = list(_effort_dimensions(config, steps))
    if config.optimization.algorithm == "prodigy":
        dimensions.insert(0, Dimension("learning_rate", 0.3, 1.0))
    else:
        dimensions.insert(0, Dimension("learning_rate", low, high, log=True))
    if method == "lora":
        dimensions.append(Dimension("lora_rank", choices=(4, 8, 16, 32, 64)))
        dimensions.append(Dimension("lora_alpha", choices=(0.5, 1.0, 2.0), ratio_of="lora_rank"))
    if method == "textual_inversion":
        dimensions.append(Dimension("token_vectors", choices=(1, 2, 4)))
    if method == "dreambooth":
        dimensions.append(Dimension("prior_weight", choices=(0.0, 1.0)))
    if len(config.photographs.phases) == 1 and config.text.strategy in ("medical", "short"):
        dimensions.append(Dimension("prompts", choices=("short", "medical")))
    if not embedded and config.model.resolution < NATIVE:
        sides = sorted({config.trained_side, min(NATIVE, 2 * config.model.resolution)})
        if len(sides) > 1:
            dimensions.append(Dimension("train_resolution", choices=tuple(sides)))
    dimensions.append(Dimension("data_augmentation", choices=(True, False)))
    dimensions.append(Dimension("min_snr_gamma", choices=(None, 5.0)))
    return Space(tuple(dimensions), _drawing_values(config))


# The embedded base has 11 million parameters: no trial of it is longer than the shipped preset's 160 batches of 16.
EMBEDDED_BATCH, EMBEDDED_SAMPLES = 16, (800, 2560)
LONGEST_WARMUP, WARMUP_SHARE = 0.1, 0.05  # of the steps, as the plan of a training warns and proposes


def _effort_dimensions(config: TrainConfig, steps: int) -> Iterator[Dimension]:
    """Yield how long is trained: half to twice the starting config's samples; the embedded base on 4000 at most.

    Where a batch of the embedded base is accumulated from several, fewer are, and a warm-up that would take up more
    than a tenth of the shortest trial is shortened with the steps.
    """
    batch, samples = config.global_batch, steps * config.global_batch
    fewest, most = samples / 2, 2.0 * samples
    if config.model.base == "embedded":
        fewest, most = min(fewest, EMBEDDED_SAMPLES[0]), min(most, EMBEDDED_SAMPLES[1])
        accumulated = config.batch.accumulation
        fewer = max(1, accumulated * EMBEDDED_BATCH // batch)
        if fewer < accumulated:
            yield Dimension("gradient_accumulation", choices=(fewer,))
            batch = batch // accumulated * fewer
    low, high = max(1, int(fewest / batch)), max(2, int(most / batch))
    yield Dimension("max_steps", low, high, log=True, whole=True)
    if config.optimization.warmup_steps > LONGEST_WARMUP * low:
        yield Dimension("lr_warmup_steps", choices=(WARMUP_SHARE,), ratio_of="max_steps")


# Learning rates by method: of the embedded base, and of Stable Diffusion.
RATES: Mapping[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "lora": ((3e-5, 3e-3), (1e-5, 1e-3)),
    "full": ((1e-5, 1e-3), (1e-6, 1e-4)),
    "dreambooth": ((1e-5, 1e-3), (5e-7, 5e-5)),
    "textual_inversion": ((1e-4, 2e-2), (1e-4, 1e-2)),
}
NATIVE = 512  # pixels: Stable Diffusion's; below half of it its pictures are known to be messy


def _drawing_values(config: TrainConfig) -> dict[str, tuple[Any, ...]]:
    start_guidance, start_steps = config.sampling.guidance_scale, config.sampling.steps
    kinds: tuple[str, ...] = ("raw",)
    if config.averaging.ema:
        kinds = ("ema", "raw")
    if config.keeps_snapshots:
        kinds += ("ema@0.05", "ema@0.1", "ema@0.2")
    is_embedded = config.model.base == "embedded"
    preferred = (1.0, 1.5, 2.0) if is_embedded else (2.0, 1.5, 1.0)  # docs/results.md: the embedded base needs none
    return {
        "guidance_scale": unique_values((*preferred, 3.0, 5.0, start_guidance)),
        "weights": kinds[:3] if is_embedded else kinds,
        "guidance_interval": ((0.0, 1.0), (0.1, 0.8)),
        "inference_steps_production": (min(start_steps, ENOUGH_STEPS[0 if is_embedded else 1]),),
    }


ENOUGH_STEPS = 15, 25  # of the sampler, for the embedded base and Stable Diffusion: more gained nothing


def unique_values(values: Sequence[Any]) -> tuple[Any, ...]:
    """Return the values without repetitions, in their order."""
    return tuple(dict.fromkeys(values))


def as_hashable(value: Any) -> Any:
    """Return a list as a tuple, and anything else as it is."""
    return tuple(value) if isinstance(value, list) else value


def start_values(space: Space, config: TrainConfig, *, steps: int) -> dict[str, Any]:
    """Return the starting config's value of each searched setting, ratios as ratios. steps: of its training."""
    flat = config.flat()
    values: dict[str, Any] = {}
    for dimension in space.trained:
        value = flat[dimension.key]
        if dimension.ratio_of:
            value = value / (steps if dimension.ratio_of == "max_steps" else flat[dimension.ratio_of])
        if value is None:
            value = {"train_resolution": config.trained_side, "max_steps": steps}.get(dimension.key)
        values[dimension.key] = as_hashable(value)
    return values


def settings_for(space: Space, values: Mapping[str, Any], config: TrainConfig) -> dict[str, Any]:
    """Return the settings of a trial by flat name from the values proposed for each dimension."""
    settings, flat = {entry.key: values[entry.key] for entry in space.trained if not entry.ratio_of}, config.flat()
    for entry in space.trained:
        if entry.ratio_of:
            whole = settings[entry.ratio_of] if entry.ratio_of in settings else flat[entry.ratio_of]
            product = values[entry.key] * whole
            settings[entry.key] = round(product) if isinstance(flat[entry.key], int) else product
    return {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}
