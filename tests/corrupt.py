"""Photographs in every accepted format, and the same spoilt: cut short, or with random bytes changed."""

from __future__ import annotations

import io
import random

import numpy as np
from PIL import Image

FORMATS = {"PNG": ".png", "JPEG": ".jpg", "BMP": ".bmp", "TIFF": ".tif", "WEBP": ".webp"}


def picture(seed: int) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(30, 226, (6, 8, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((64, 48), Image.Resampling.BICUBIC)


def whole(form: str, seed: int) -> bytes:
    buffer = io.BytesIO()
    picture(seed).save(buffer, form)
    return buffer.getvalue()


def spoilt(content: bytes, *, cut: bool, rng: random.Random) -> bytes:
    """Cut to a random length, or 1 to 20 random bytes changed to others."""
    if cut:
        return content[: rng.randrange(len(content))]
    damaged = bytearray(content)
    for _ in range(rng.randint(1, 20)):
        place = rng.randrange(len(damaged))
        damaged[place] ^= rng.randint(1, 255)
    return bytes(damaged)
