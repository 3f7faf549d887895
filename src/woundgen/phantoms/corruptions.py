"""Spoil phantoms in the ways that negative prompts name, so that the names mean something."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter, median_filter

from .render import draw_healthy_skin

Corruption = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""(images uint8 [N, S, S, 3], rng) -> uint8 of the same shape; the input is left alone."""

_MARKS = ("SAMPLE", "PREVIEW", "STOCK", "PROOF")
_LETTERS = np.array(list("ABCDEFGHIKLMNOPRSTUVWXYZ0123456789"))


def _to_uint8(images: np.ndarray) -> np.ndarray:
    return np.clip(images + 0.5, 0.0, 255.0).astype(np.uint8)


def _blurred(images: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur; sigma in fractions of the image side."""
    pixels = sigma * images.shape[1]
    return gaussian_filter(images.astype(np.float32), (0.0, pixels, pixels, 0.0))


def blurry(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Out of focus."""
    return _to_uint8(_blurred(images, rng.uniform(0.018, 0.035)))


def low_quality(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Few pixels, blocks of eight-pixel compression cells, noise."""
    size = images.shape[1]
    step = max(2, size // 32)
    coarse = images[:, ::step, ::step].repeat(step, 1).repeat(step, 2)[:, :size, :size].astype(np.float32)
    levels = rng.uniform(18.0, 32.0)
    return _to_uint8(np.round(coarse / levels) * levels + rng.normal(0.0, 7.0, images.shape))


def healthy_skin(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """No wound at all: other limbs, rendered intact, take the place of the images."""
    seed = int(rng.integers(2**31))
    return draw_healthy_skin(range(len(images)), seed=seed, size=images.shape[1]).images


def cartoon(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Flat areas of few colours between dark outlines."""
    flat = median_filter(images, size=(1, 5, 5, 1)).astype(np.float32)
    levels = rng.uniform(48.0, 64.0)
    flat = np.round(flat / levels) * levels
    edge_y = np.abs(np.diff(flat.mean(-1), axis=1, append=flat.mean(-1)[:, -1:]))
    edge_x = np.abs(np.diff(flat.mean(-1), axis=2, append=flat.mean(-1)[:, :, -1:]))
    return _to_uint8(np.where((edge_x + edge_y > 25.0)[..., None], 20.0, flat))


def artificial(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The look of plastic: smooth, hard contrast, oversaturated, ringing edges."""
    smooth = _blurred(images, 0.010)
    hard = smooth + 1.6 * (smooth - _blurred(images, 0.035))
    grey = hard.mean(-1, keepdims=True)
    return _to_uint8((grey + rng.uniform(1.5, 2.0) * (hard - grey) - 128.0) * 1.25 + 128.0)


def watermark(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A translucent word repeated across the picture."""
    size = images.shape[1]
    marked = images.astype(np.float32)
    for image in marked:
        canvas = Image.new("L", (size, size))
        pen, word = ImageDraw.Draw(canvas), str(rng.choice(_MARKS))
        for row in range(3):
            pen.text((size * rng.uniform(-0.1, 0.4), size * (0.08 + 0.32 * row)), word, 255, font_size=size // 6)
        veil = np.asarray(canvas.rotate(float(rng.uniform(-35, 35))), np.float32)[..., None] / 255.0
        image += 0.5 * veil * (255.0 - image)
    return _to_uint8(marked)


def text(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A line of letters, white or black, as burnt in by a camera."""
    size = images.shape[1]
    written = []
    for image in images:
        canvas = Image.fromarray(image)
        line = "".join(rng.choice(_LETTERS, 9))
        ink = (255, 255, 255) if rng.random() < 0.5 else (0, 0, 0)
        place = (size * rng.uniform(0.02, 0.3), size * rng.uniform(0.05, 0.8))
        ImageDraw.Draw(canvas).text(place, line, ink, font_size=size // 8)
        written.append(np.asarray(canvas))
    return np.stack(written)


def smooth_texture(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Texture wiped away between edges that stay, as by a beauty filter."""
    width = 7 if rng.random() < 0.5 else 9
    side = max(3, width * images.shape[1] // 128) | 1
    return median_filter(images, size=(1, side, side, 1))


def unrealistic_colors(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Hues turned towards green, blue or violet."""
    turned = np.roll(images, int(rng.integers(1, 3)), axis=-1).astype(np.float32)
    return _to_uint8(0.8 * turned + 0.2 * images)


CORRUPTIONS: Mapping[str, Corruption] = {
    "blurry": blurry,
    "low quality": low_quality,
    "healthy skin": healthy_skin,
    "cartoon": cartoon,
    "artificial": artificial,
    "watermark": watermark,
    "text": text,
    "smooth texture": smooth_texture,
    "unrealistic colors": unrealistic_colors,
}
"""Corruptions by the words that belong into the caption of what they make."""


def corrupt(images: np.ndarray, names: Sequence[str | None], seed: int) -> np.ndarray:
    """Spoil image i by corruption `names[i]` (None leaves it), a function of (image, name, seed, i) alone."""
    if len(names) != len(images):
        raise ValueError(f"{len(images)} images but {len(names)} names of corruptions")
    spoiled = images.copy()
    for i, name in enumerate(names):
        if name is not None:
            spoiled[i] = CORRUPTIONS[name](images[i : i + 1], np.random.default_rng([seed, i]))[0]
    return spoiled
