"""Declare a setting: its default, its bounds, its meaning and its two names stand in one place."""

from __future__ import annotations

from typing import Any

from pydantic import Field

# What may choose the best checkpoint: metrics with a direction that an evaluation in training gives.
MONITORS = ("auto", "val_loss", "fd", "fid", "kid", "inception_score")


def setting(default: Any, description: str, *, flat: str, **bounds: Any) -> Any:
    """Declare a setting. flat: its name in a config without groups. bounds: of pydantic's Field."""
    return Field(default, description=description, json_schema_extra={"flat_name": flat}, **bounds)


def known_metric(name: str, allowed: tuple[str, ...]) -> str:
    """Return `name`, or raise ValueError where it is not one of `allowed`."""
    if name not in allowed:
        raise ValueError(f"{name!r} is not one of {', '.join(allowed)}")
    return name
