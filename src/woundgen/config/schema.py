"""JSON schemas of the settings files, for editors and other programs."""

from __future__ import annotations

from typing import Any

from woundgen.config.names import flat_name, walk_settings
from woundgen.config.quality import QualityConfig
from woundgen.config.train import TrainConfig

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def train_schema() -> dict[str, Any]:
    """Return the JSON schema of a training config: groups, and every setting by its flat name."""
    schema = TrainConfig.model_json_schema()
    for group, key, field in walk_settings(TrainConfig):
        if group:
            reference = schema["properties"][group]["$ref"].rsplit("/", 1)[-1]
            schema["properties"][flat_name(key, field)] = schema["$defs"][reference]["properties"][key]
    return {"$schema": DRAFT, **schema}


def thresholds_schema() -> dict[str, Any]:
    """Return the JSON schema of a file of screening and grades."""
    return {"$schema": DRAFT, **QualityConfig.model_json_schema()}
