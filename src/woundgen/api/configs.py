"""Settings for the public functions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from woundgen.api.places import Place
from woundgen.config.load import Overrides, load_quality_config, resolve_config
from woundgen.config.quality import QualityConfig
from woundgen.config.train import TrainConfig

Config = TrainConfig | Place | Mapping[str, Any] | None
"""Settings of a training: an object, a YAML file, a mapping by name, or None for all defaults."""


def load_config(config: Config = None, overrides: Overrides = ()) -> TrainConfig:
    """Read the settings of a training, checked as a whole.

    config: a YAML file, a mapping, settings to change, or None for the defaults. Names are flat (`lora_rank`), dotted
    (`lora.rank`) or in groups (`{"lora": {"rank": 8}}`). overrides: a mapping, or texts `key=value` as for `--set`.
    Units: learning rates are per optimizer step, resolutions in pixels, shares in 0..1.
    Raises UserError that lists every fault: unknown names, values of another type or out of range.
    """
    if isinstance(config, TrainConfig):
        return resolve_config(config.flat(), overrides).config
    if config is None or isinstance(config, Mapping):
        return resolve_config(config, overrides).config
    return resolve_config(Path(config), overrides).config


def load_thresholds(path: Place | None = None) -> QualityConfig:
    """Read the rule of screening and the grades from a YAML file.

    path: such as configs/quality_thresholds.yaml; None gives the defaults.
    SSIM thresholds lie in -1..1, perceptual distances are 0 or more, acceptance and copy_quantile are shares in 0.5..1.
    Raises UserError that lists every fault.
    """
    return load_quality_config(None if path is None else Path(path))
