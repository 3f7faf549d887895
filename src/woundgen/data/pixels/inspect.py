"""Inspect one photograph without the others: size, padding, stamp, blur, exposure, digests."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import sobel, uniform_filter1d

from woundgen.copies.scene import Scene, describe_scene
from woundgen.data.pixels.crop import find_stamp
from woundgen.data.pixels.near_duplicates import thumbnail
from woundgen.data.pixels.padding import content_box
from woundgen.records import Box

# Set by hand on the 380 foot-ulcer photographs of docs/results/photographs.md; no other camera was tried.
SMALL_SIDE = 128  # pixels of the shorter side of the content
BLURRED = 0.60  # Crete et al. 2007: 0 sharp, 1 blurred
DARK = 60.0  # the brightest tenth of an underexposed photograph is darker, of 255
BURNT_SHARE = 0.25  # of an overexposed photograph is at 250 or above in every channel
_BURNT = 250
_BLUR_SIDE, _BLUR_WINDOW = 256, 11
_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """size: (width, height), upright. content: padding left out. stamp: in the photograph's pixels, or None.

    bytes_digest, pixels_digest: SHA-256 of the file and of its decoded pixels.
    thumbnail, scene: of the content, for near duplicates and for photographs of one scene.
    """

    bytes_digest: str
    pixels_digest: str
    size: tuple[int, int]
    content: Box
    stamp: Box | None
    blur: float
    bright: float
    burnt: float
    thumbnail: NDArray[np.float32]
    scene: Scene

    @property
    def padded(self) -> bool:
        return self.content != Box(0, 0, *self.size)

    def faults(self) -> tuple[str, ...]:
        """List the reasons why it is doubtful as a training photograph; empty for most."""
        shorter = min(self.content.x_max - self.content.x_min, self.content.y_max - self.content.y_min)
        found = {
            "tiny": shorter < SMALL_SIDE,
            "blurred": self.blur > BLURRED,
            "underexposed": self.bright < DARK,
            "overexposed": self.burnt > BURNT_SHARE,
        }
        return tuple(name for name, is_so in found.items() if is_so)


def inspect(pixels: NDArray[np.uint8], *, content: bytes) -> Inspection:
    """Of a photograph, uint8 [H, W, 3], and the bytes that it was decoded from."""
    inner = content_box(pixels)
    shown = pixels[inner.y_min : inner.y_max, inner.x_min : inner.x_max]
    brightness = _reduced(shown) @ _WEIGHTS
    return Inspection(
        bytes_digest=hashlib.sha256(content).hexdigest(),
        pixels_digest=hashlib.sha256(np.array(pixels.shape).tobytes() + pixels.tobytes()).hexdigest(),
        size=(pixels.shape[1], pixels.shape[0]),
        content=inner,
        stamp=find_stamp(pixels, inner),
        blur=blur(brightness),
        bright=float(np.quantile(brightness, 0.9)),
        burnt=float((shown.min(axis=2) >= _BURNT).mean()),
        thumbnail=thumbnail(shown),
        scene=describe_scene(shown),
    )


def blur(brightness: NDArray[np.float32]) -> float:
    """Perceptual blur of grey [H, W], 0 (sharp) to 1: how little of the edges another blur takes away.

    Crete, Dolmiere, Ladret, Nicolas, "The blur effect: perception and estimation with a new no-reference
    perceptual blur metric", SPIE 6492 (2007); window 11. A picture without edges counts as blurred.
    """
    inner = (slice(2, -1), slice(2, -1))
    shares = []
    for axis in (0, 1):
        sharp = np.abs(sobel(brightness, axis=axis))[inner]
        again = np.abs(sobel(uniform_filter1d(brightness, _BLUR_WINDOW, axis=axis), axis=axis))[inner]
        total = float(sharp.sum())
        shares.append(1.0 if total == 0 else (total - float(np.maximum(0, sharp - again).sum())) / total)
    return max(shares)


def _reduced(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """At most twice _BLUR_SIDE on the shorter side, so that blur is that of the picture as it will be used."""
    factor = max(1, min(pixels.shape[:2]) // _BLUR_SIDE)
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).reduce(factor), np.float32)
