"""Changes of the search space that the user asks for: settings fixed, bounded or added."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from woundgen.adapters.weight_names import check_weights
from woundgen.config.load import explain_fault, parse_override
from woundgen.config.names import flatten_settings, setting_names
from woundgen.config.train import TrainConfig
from woundgen.errors import UserError
from woundgen.tuning.space import DRAWING, Dimension, Space, as_hashable, unique_values

LOG_FROM = 10.0  # ranges whose ends are a factor of this or more apart are searched on a logarithmic scale
NOT_SEARCHED = frozenset(
    {
        "base_model", "resolution", "data", "phases", "fold", "folds", "train_val_split", "seed", "device",
        "mixed_precision", "box_margin", "max_epochs", "features", "monitor", "metric_images", "sample_images",
        "early_stopping_patience", "early_stopping_metric", "save_every_n_epochs", "evaluate_every_n_epochs",
        "save_every_minutes", "tracker", "keep_last_n_checkpoints", "save_best_only", "probe_steps", "ema",
        "post_hoc_ema", "validation_timesteps", "gradient_checkpointing",
    }
)  # fmt: skip
"""Settings that decide what is compared, or when it is saved, and so are the same in every trial."""


def change_space(space: Space, config: TrainConfig, *, fixed: Sequence[str], searched: Sequence[str]) -> Space:
    """Return the space with settings fixed (`KEY` or `KEY=VALUE`), bounded or added (`KEY=LOW..HIGH` or `KEY=[a, b]`).

    A fixed setting of training keeps the config's value: set another with --set. UserError for what is no setting, for
    values that the config would refuse, and where nothing is left to search.
    """
    _refuse_contradictions(fixed=fixed, searched=searched)
    for text in searched:
        space = _with_searched(space, config, text)
    for text in fixed:
        space = _with_fixed(space, config, text)
    if not space.trained:
        raise UserError(
            "Every setting of training is fixed: there is nothing to search.",
            "Leave out a --fix, or sweep draw-time settings of a run: woundgen compare --adapter.",
        )
    return space


def _refuse_contradictions(*, fixed: Sequence[str], searched: Sequence[str]) -> None:
    names = [_flat(text.partition("=")[0].strip(), "--search") for text in searched]
    for text in fixed:
        if (key := _flat(text.partition("=")[0].strip(), "--fix")) in names:
            raise UserError(f"{key} is given to --search and to --fix.", "Leave out one of the two.")
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"--search {repeated} is given more than once.", "Give its range or its values once.")


def _with_fixed(space: Space, config: TrainConfig, text: str) -> Space:
    key, _, value = text.partition("=")
    key = _flat(key.strip(), "--fix")
    if key in DRAWING:
        chosen = _drawing_value(key, parse_override(text)[text.partition("=")[0].strip()]) if value else None
        values = (space.drawn[key][0],) if chosen is None else (chosen,)
        return replace(space, drawn={**space.drawn, key: values})
    if value:
        raise UserError(f"--fix {text}: a setting of training is fixed at the config's value.", f"Give --set {text}.")
    dropped = {key} | {entry.key for entry in space.trained if entry.ratio_of == key and config.flat()[key] is None}
    return replace(space, trained=tuple(entry for entry in space.trained if entry.key not in dropped))


def _with_searched(space: Space, config: TrainConfig, text: str) -> Space:
    name, mark, value = text.partition("=")
    key = _flat(name.strip(), "--search")
    if not mark or not value:
        raise UserError(f"--search {text!r} gives no values.", "Write KEY=LOW..HIGH or KEY=[a, b, c].")
    if ".." in value and "[" not in value:
        low, high = _ends(text, value)
        if key in DRAWING:
            raise UserError(f"--search {text}: {key} is swept over a list.", f"Write {key}=[a, b, c].")
        whole = isinstance(getattr(*_holder(config, key)), int)
        dimension = Dimension(key, low, high, log=low > 0 and high / low >= LOG_FROM, whole=whole)
        values: tuple[Any, ...] = (low, high)
    else:
        parsed = parse_override(f"{key}={value}")[key]
        values = tuple(parsed) if isinstance(parsed, list) else (parsed,)
        if len(set(map(repr, values))) < (1 if key in DRAWING else 2):
            hint = f"Give two values or more, or --set {name}=VALUE and --fix {name}."
            raise UserError(f"--search {text!r} leaves nothing to search.", hint)
        if key in DRAWING:
            chosen = tuple(_drawing_value(key, entry) for entry in values)
            return replace(space, drawn={**space.drawn, key: unique_values(chosen)})
        dimension = Dimension(key, choices=unique_values(tuple(as_hashable(entry) for entry in values)))
    _check_values(config, key, [int(entry) if dimension.whole else entry for entry in values])
    others = tuple(entry for entry in space.trained if entry.key != key)
    return replace(space, trained=(*others, dimension))


def _ends(text: str, value: str) -> tuple[float, float]:
    try:
        low, high = (float(end) for end in value.split(".."))
    except ValueError:
        raise UserError(f"--search {text!r}: no range LOW..HIGH.", "Such as learning_rate=1e-5..1e-3.") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UserError(f"--search {text!r}: LOW is not below HIGH.", "Such as learning_rate=1e-5..1e-3.")
    return low, high


def _flat(name: str, option: str) -> str:
    """Return the flat name of a setting of training or drawing."""
    if name in DRAWING:
        return name
    key = next(iter(flatten_settings({name: None}, TrainConfig)))
    if key not in setting_names(TrainConfig):
        raise UserError(f"{option} {name}: there is no such setting.", "docs/options.md lists them.")
    if key in NOT_SEARCHED:
        raise UserError(f"{option} {name}: this is the same in every trial.", "Set it with --set.")
    return key


def _holder(config: TrainConfig, key: str) -> tuple[Any, str]:
    group, name = setting_names(TrainConfig)[key]
    return (getattr(config, group) if group else config), name


def _check_values(config: TrainConfig, key: str, values: Sequence[Any]) -> None:
    for value in values:
        try:
            TrainConfig.model_validate({**config.flat(), key: value})
        except ValidationError as error:
            raise UserError(f"--search {explain_fault(error.errors()[0], TrainConfig)}.", "Give others.") from None


def _drawing_value(key: str, value: Any) -> Any:
    """Return a draw-time value as it is swept; UserError where it cannot be drawn with."""
    if key == "weights":
        check_weights("weights", str(value))
        return str(value)
    try:
        if key == "guidance_interval":
            low, high = (float(end) for end in value)
            if not 0 <= low <= high <= 1:
                raise ValueError
            return (low, high)
        number = int(value) if key == "inference_steps_production" else float(value)
    except (TypeError, ValueError):
        raise UserError(
            f"{key}: {value!r} cannot be drawn with.", "Such as 2, or [0.1, 0.8] for an interval."
        ) from None
    if number < 1:
        raise UserError(f"{key}: {value!r} is below 1.", "Give 1 or more.")
    return number
