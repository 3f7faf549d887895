"""Read settings from YAML and --set: merged, checked, every problem of a file reported at once."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from woundgen.config.names import flatten_settings, setting_names
from woundgen.config.quality import QualityConfig
from woundgen.config.train import TrainConfig
from woundgen.errors import UserError

Model = TypeVar("Model", bound=BaseModel)


def load_train_config(path: Path | None, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a YAML file with `key=value` overrides on top; keys by flat name, dotted name or group."""
    where = str(path or "--set")
    try:
        settings = flatten_settings(_read(path), TrainConfig)
        for override in overrides:
            settings |= flatten_settings(parse_override(override), TrainConfig)
    except ValueError as error:
        raise UserError(f"{where}: {error}.", "Nothing was started.") from None
    return _validated(TrainConfig, settings, where=where)


def load_quality_config(path: Path | None) -> QualityConfig:
    return _validated(QualityConfig, _read(path), where=str(path or "quality thresholds"))


def parse_override(override: str) -> dict[str, Any]:
    """Read one `--set key=value`; the value is read as YAML (so 1e-4, true, [I, R] mean what they look like)."""
    key, mark, text = override.partition("=")
    if not mark or not key:
        raise UserError(f"--set {override!r} is not key=value.", "Write for example --set learning_rate=1e-4")
    try:
        return {key.strip(): _number_or(yaml.safe_load(text))}
    except yaml.YAMLError:
        raise UserError(f"--set {override!r}: the value is not readable YAML.", "Quote it, or close it.") from None


def _read(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path} does not exist.", "Name a config such as configs/phase_I_config.yaml.") from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise UserError(f"{path} is not readable YAML ({str(error).splitlines()[0]}).", "Mend the file.") from None
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
            return float(value)
        except ValueError:
            return value
    return value


def _validated(model: type[Model], settings: dict[str, Any], *, where: str) -> Model:
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        lines = [_explain(problem, model) for problem in error.errors()]
        raise UserError(f"{where}: " + "; ".join(lines) + ".", "Nothing was started.") from None


def _explain(problem: Any, model: type[BaseModel]) -> str:
    key = _written_name(problem["loc"], model)
    if problem["type"] == "extra_forbidden":
        names = setting_names(model)
        dotted = [f"{group}.{name}" for group, name in names.values() if group]
        near = difflib.get_close_matches(key, [*names, *(dotted if "." in key else ())], n=1, cutoff=0.5)
        return f"unknown key {key!r}" + (f", did you mean {near[0]!r}?" if near else "")
    message = problem["msg"].removeprefix("Value error, ")
    if not key:
        return message
    return f"{key} = {problem['input']!r}: {message[0].lower()}{message[1:]}"


def _written_name(location: Sequence[str | int], model: type[BaseModel]) -> str:
    """Return the flat name of the setting at pydantic's location, with what follows it (phases.0)."""
    parts = list(map(str, location))
    for flat, (group, key) in setting_names(model).items():
        if group and parts[:2] == [group, key]:
            parts = [flat, *parts[2:]]
    return ".".join(parts)
