"""Verdicts of screening, and the row of a drawn image in a manifest. No torch, no files."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class RejectionKind(StrEnum):
    """Why an image is not in the set, for code to act on; the reason is for people."""

    COPY = "copy"
    RULE = "rule"  # the policy of the screen
    REVIEWER = "reviewer"
    SURPLUS = "surplus"  # passed after the set was full: blocks are drawn whole


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict of screening on an image. reason, kind and category are empty where it was accepted.

    category: the reason without its values, by which images are counted.
    """

    accepted: bool
    reason: str
    scores: dict[str, float] = field(default_factory=dict)
    nearest: int | None = None  # row of the nearest reference; never leaves the private report
    copy: bool = False
    kind: RejectionKind | None = None
    category: str = ""


IMAGE_SCORES = (
    "sharpness", "fineness", *(f"whole_{channel}_{name}" for channel in "Lab" for name in ("mean", "sd")),
    "whole_L_q10", "whole_L_q90",
)  # fmt: skip
"""Scores of an image alone (screening.statistics.image_columns): all others are functions of photographs."""


@dataclass(frozen=True, slots=True)
class DrawnImage:
    """A row of the private manifest, of every image ever drawn. Its released part: storage.set_rows."""

    index: int
    file_name: str | None
    label: str
    seed: int
    prompt: str
    negative_prompt: str
    guidance_scale: float
    steps: int
    sampler: str
    adapter: str | None
    base: str
    sha256: str
    accepted: bool
    reason: str
    scores: dict[str, float]
    kind: str | None = None
    category: str = ""
