"""Read settings from YAML and --set: merged, checked, every problem of a file reported at once."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from woundgen.config.names import flatten_settings, setting_names
from woundgen.config.quality import QualityConfig
from woundgen.config.train import TrainConfig
from woundgen.errors import UserError
from woundgen.storage.bounded_yaml import parse_yaml, read_yaml
from woundgen.storage.files import shorten

Model = TypeVar("Model", bound=BaseModel)


Overrides = Sequence[str] | Mapping[str, Any]
"""Texts `key=value`, as `--set` takes them, or settings by name."""


@dataclass(frozen=True, slots=True)
class ResolvedConfig:
    """Settings, and by flat name where each value comes from: a file's path, "--set", or "default"."""

    config: TrainConfig
    sources: Mapping[str, str]


MOST_FAULTS = 50
"""Faults of a settings file that are explained; more are counted: each is compared with all names."""


def load_train_config(path: Path | None, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a YAML file with `key=value` overrides on top; keys by flat name, dotted name or group."""
    return resolve_config(path, overrides).config


def resolve_config(settings: Path | Mapping[str, Any] | None, overrides: Overrides = ()) -> ResolvedConfig:
    """Read a YAML file or a mapping with overrides on top, and note where each value comes from.

    UserError that lists every fault: unknown names, two names of a setting, values of another type or out of range.
    """
    where = str(settings) if isinstance(settings, Path) else "--set" if settings is None else "config"
    content = settings if isinstance(settings, Mapping) else _read(settings)
    try:
        merged = flatten_settings(content, TrainConfig)
        sources = dict.fromkeys(merged, where)
        for override in [overrides] if isinstance(overrides, Mapping) else map(parse_override, overrides):
            changed = flatten_settings(override, TrainConfig)
            merged |= changed
            sources |= dict.fromkeys(changed, "--set")
    except ValueError as error:
        raise UserError(f"{where}: {error}.", "Nothing was started.") from None
    config = _validated(TrainConfig, merged, where=where)
    return ResolvedConfig(config, {name: sources.get(name, "default") for name in setting_names(TrainConfig)})


def stored_config(settings: Mapping[str, Any]) -> TrainConfig:
    """Read the settings of a run as run.json holds them. UserError for those of another version of woundgen."""
    try:
        return TrainConfig.model_validate(settings)
    except ValidationError as error:
        lines = [explain_fault(problem, TrainConfig) for problem in error.errors()[:3]]
        raise UserError(
            f"run.json, config: {'; '.join(lines)}.", "The run is of another version of woundgen: use that one."
        ) from None


def validate_file(path: Path) -> str:
    """Read a settings file of either kind and return which it is. UserError that lists every fault.

    A file is one of thresholds where it has more of their names than of a training's.
    """
    keys = set(_read(path))
    thresholds = len(keys & set(QualityConfig.model_fields))
    if thresholds > len(keys & set(setting_names(TrainConfig))):
        load_quality_config(path)
        return "screening and grades"
    load_train_config(path)
    return "settings of a training"


def load_quality_config(path: Path | None) -> QualityConfig:
    return _validated(QualityConfig, _read(path), where=str(path or "quality thresholds"))


def parse_override(override: str) -> dict[str, Any]:
    """Read one `--set key=value`; the value is read as YAML (so 1e-4, true, [I, R] mean what they look like)."""
    key, mark, text = override.partition("=")
    if not mark or not key:
        raise UserError(f"--set {override!r} is not key=value.", "Write for example --set learning_rate=1e-4")
    return {key.strip(): _number_or(parse_yaml(text, name=f"--set {shorten(override)!r}"))}


def _read(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no settings.", "Write one `key: value` a line.")
    return {str(key): _numbers(value) for key, value in content.items()}


def _numbers(value: Any) -> Any:
    """As `_number_or`, for a value or for each value of a group."""
    if isinstance(value, dict):
        return {key: _number_or(inner) for key, inner in value.items()}
    return _number_or(value)


def _number_or(value: Any) -> Any:
    """YAML 1.1 reads 1e-5 as text; read it as the number it is."""
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return value
        if not value.isascii():
            raise UserError(f"{shorten(value, 40)!r} is written in digits other than 0 to 9.", "Write it in those.")
        return number
    return value


def _validated(model: type[Model], settings: dict[str, Any], *, where: str) -> Model:
    if odd := find_booleans(model, settings):
        raise UserError(f"{where}: {odd[0]} is true or false where a number belongs.", "Nothing was started.")
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        problems = error.errors()
        lines = [explain_fault(problem, model) for problem in problems[:MOST_FAULTS]]
        lines += [f"{len(problems) - MOST_FAULTS} more"] if len(problems) > MOST_FAULTS else []
        raise UserError(f"{where}: " + "; ".join(lines) + ".", "Nothing was started.") from None


def explain_fault(problem: Any, model: type[BaseModel]) -> str:
    """Return one of pydantic's errors in words: key, value and what it has to be."""
    key = _written_name(problem["loc"], model)
    if problem["type"] == "extra_forbidden":
        names = setting_names(model)
        dotted = [f"{group}.{name}" for group, name in names.values() if group]
        near = difflib.get_close_matches(key, [*names, *(dotted if "." in key else ())], n=1, cutoff=0.5)
        return f"unknown key {shorten(key, 60)!r}" + (f", did you mean {near[0]!r}?" if near else "")
    message = problem["msg"].removeprefix("Value error, ")
    if not key:
        return message
    return f"{key} = {reprlib.repr(problem['input'])}: {message[0].lower()}{message[1:]}"


def _written_name(location: Sequence[str | int], model: type[BaseModel]) -> str:
    """Return the flat name of the setting at pydantic's location, with what follows it (phases.0)."""
    parts = list(map(str, location))
    for flat, (group, key) in setting_names(model).items():
        if group and parts[:2] == [group, key]:
            parts = [flat, *parts[2:]]
    return ".".join(parts)


def find_booleans(model: type[BaseModel], settings: Mapping[str, Any]) -> list[str]:
    """Return the keys of numbers that are given as true or false, which pydantic would read as 1 and 0."""
    keys = []
    for flat, (group, key) in setting_names(model).items():
        value = settings.get(flat)
        holder = model.model_fields[group].annotation if group else model
        if not isinstance(value, bool) or not isinstance(holder, type) or not issubclass(holder, BaseModel):
            continue
        annotation = holder.model_fields[key].annotation
        kinds = (annotation, *get_args(annotation))
        if bool not in kinds and (int in kinds or float in kinds):
            keys.append(flat)
    return keys
