"""Names of settings: each has a flat one, as the files of configs/ write it, and a dotted one, GROUP.KEY."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo


def walk_settings(model: type[BaseModel]) -> Iterator[tuple[str, str, FieldInfo]]:
    """Yield (group, key, field) of every setting; the group is "" for one that stands alone."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            for key, inner in field.annotation.model_fields.items():
                yield name, key, inner
        else:
            yield "", name, field


def flat_name(key: str, field: FieldInfo) -> str:
    """Return the flat name of a setting, which is its key where it declares no other."""
    extra = field.json_schema_extra
    return str(extra["flat_name"]) if isinstance(extra, dict) and "flat_name" in extra else key


@cache
def setting_names(model: type[BaseModel]) -> Mapping[str, tuple[str, str]]:
    """Return flat name -> (group, key)."""
    return {flat_name(key, field): (group, key) for group, key, field in walk_settings(model)}


def flatten_settings(settings: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Return settings by flat name, whichever names are used; unknown keys stay as they are.

    ValueError where a setting appears under two names.
    """
    flat_of = {f"{group}.{key}": flat for flat, (group, key) in setting_names(model).items() if group}
    groups = {group for group, _ in setting_names(model).values() if group}
    flat_settings: dict[str, Any] = {}
    for name, value in settings.items():
        content = value.model_dump() if isinstance(value, BaseModel) else value
        inner = (
            {f"{name}.{key}": item for key, item in content.items()}
            if name in groups and isinstance(content, Mapping)
            else {name: content}
        )
        for key, item in inner.items():
            flat = flat_of.get(key, key)
            if flat in flat_settings:
                raise ValueError(f"{flat} appears twice, by its flat name and in its group")
            flat_settings[flat] = item
    return flat_settings


def from_any_names(settings: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Return settings group by group, for pydantic to check; unknown keys stay at the top, where it refuses them."""
    names = setting_names(model)
    nested: dict[str, Any] = {}
    for flat, value in flatten_settings(settings, model).items():
        group, key = names.get(flat, ("", flat))
        if group:
            nested.setdefault(group, {})[key] = value
        else:
            nested[key] = value
    return nested
