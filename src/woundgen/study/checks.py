"""Attention checks: pictures that ask for a certain answer in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from woundgen.study.design import REAL, SYNTHETIC


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """pixels: uint8 [S, S, 3]. answer: the call and confidence that it asks for."""

    pixels: NDArray[np.uint8]
    answer: dict[str, Any]


def draw_check(number: int, size: int, rng: np.random.Generator) -> Check:
    """A plain ground of skin colour that says what to answer; the calls alternate."""
    call, confidence = (REAL, SYNTHETIC)[number % 2], int(rng.integers(1, 6))
    picture = Image.new("RGB", (size, size), (205, 170, 150))
    draw = ImageDraw.Draw(picture)
    lines = ("Attention check.", "Please answer:", call.upper(), f"sure: {confidence}", "the rest as you like")
    heights = (0.1, 0.26, 0.44, 0.62, 0.82)
    for text, height in zip(lines, heights, strict=True):
        font = ImageFont.load_default(size=round(size * (0.13 if text == call.upper() else 0.095)))
        draw.text((size / 2, size * height), text, fill=(25, 25, 25), font=font, anchor="mm")
    return Check(np.array(picture), {"call": call, "confidence": confidence})


def passed(answer: dict[str, Any], given: dict[str, Any]) -> bool:
    """Whether a reader's answer is the one that the check asked for."""
    return all(given[name] == wanted for name, wanted in answer.items())
