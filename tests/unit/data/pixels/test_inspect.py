"""Blur as scikit-image computes it; exposure and size by pictures made so."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.measure import blur_effect

from woundgen.data.pixels.inspect import blur, inspect
from woundgen.records import Box


def sharp(height: int = 300, width: int = 300) -> np.ndarray:
    return np.random.default_rng(0).integers(60, 220, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("sigma", [0.0, 1.0, 3.0])
def test_blur_is_that_of_crete_et_al(sigma: float) -> None:
    grey = gaussian_filter(np.random.default_rng(1).random((120, 90)), sigma)
    assert blur(grey.astype(np.float32)) == pytest.approx(blur_effect(grey, h_size=11), abs=1e-4)


def test_faults() -> None:
    def faults(pixels: np.ndarray) -> tuple[str, ...]:
        return inspect(pixels, content=b"").faults()

    assert faults(sharp()) == ()
    assert faults(sharp(100, 300)) == ("tiny",)
    assert faults(np.pad(sharp(100, 100), ((0, 0), (0, 200), (0, 0)))) == ("tiny",)  # padding is no photograph
    soft = gaussian_filter(sharp().astype(float), (4, 4, 0))
    assert faults(np.clip((soft - soft.mean()) * 8 + 128, 30, 220).astype(np.uint8)) == ("blurred",)
    assert faults((sharp() * 0.2 + 17).astype(np.uint8)) == ("underexposed",)
    burnt = sharp()
    burnt[:100] = 255
    assert faults(burnt) == ("overexposed",)
    assert "blurred" in faults(np.full((200, 200, 3), 128, np.uint8))


def test_digests_and_content() -> None:
    seen = inspect(np.pad(sharp(), ((20, 0), (0, 0), (0, 0))), content=b"abc")
    assert seen.bytes_digest == hashlib.sha256(b"abc").hexdigest()
    assert seen.padded
    assert seen.content.y_min in (20, 21, 22)
    assert (seen.content.x_min, seen.content.x_max, seen.content.y_max) == (0, 300, 320)
    assert inspect(sharp(), content=b"").content == Box(0, 0, 300, 300)
    assert inspect(sharp(), content=b"x").pixels_digest == inspect(sharp(), content=b"y").pixels_digest
    assert inspect(sharp(150, 600), content=b"").pixels_digest != inspect(sharp(600, 150), content=b"").pixels_digest
