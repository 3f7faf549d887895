"""What a user asks `woundgen generate` for; read before anything heavy is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DrawRequest:
    """None takes what the adapter's run recorded, or the default."""

    adapters: tuple[tuple[Path, float], ...]  # (place, strength); empty draws from the base alone
    base: str | None
    weights: str
    label: str | None
    prompt: str | None
    negative_prompt: str | None
    count: int
    budget: int | None
    seed: int
    sampler: str
    steps: int | None
    guidance_scale: float | None
    guidance_interval: tuple[float, float]
    size: int
    block: int
    device: str
    precision: str
    reviewed: bool = False  # take out what reviewers rejected, and draw others
    release_copies: bool = False  # keep copies of photographs too; recorded with the set
    guide: tuple[Path, float] | None = None  # an earlier checkpoint for autoguidance, and its strength
    source: tuple[Path, float] | None = None  # a photograph of `real` that images begin from, and the strength
