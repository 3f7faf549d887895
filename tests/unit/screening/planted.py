"""Copies of photographs as a memorising model or a careless user would bring them, and pictures of nothing."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from woundgen.data.augment import variations
from woundgen.screening.copies import warp


def planted_copies(photographs: np.ndarray) -> dict[str, np.ndarray]:
    """Each kind: float32 like `photographs` [N, S, S, 3], row i a copy of photograph i."""
    single = {
        "identity": photographs,
        "mirror": photographs[:, :, ::-1],
        "shift of 2 pixels": shifted(photographs),
        "zoom 1.05": np.stack([warp(image, 1.05, 0.0) for image in photographs]),
        "JPEG of quality 30": jpeg(photographs),
        "training augmentation": augmented(photographs, 2),
        "mirrored training augmentation": augmented(photographs, 3),
    }
    pairs = {
        "mirror, zoom": np.stack([warp(image, 1.05, 0.0) for image in single["mirror"]]),
        "shift, JPEG": jpeg(single["shift of 2 pixels"]),
        "augmentation, JPEG": jpeg(single["mirrored training augmentation"]),
        "augmentation, shift": shifted(single["training augmentation"]),
    }
    return {name: np.asarray(images, np.float32) for name, images in (single | pairs).items()}


def shifted(images: np.ndarray) -> np.ndarray:
    return np.pad(images, ((0, 0), (2, 0), (2, 0), (0, 0)), mode="edge")[:, :-2, :-2]


def augmented(images: np.ndarray, number: int) -> np.ndarray:
    eight_bit = np.rint(255 * images).astype(np.uint8)
    return variations(eight_bit, count=number + 1, seed=11)[:, number].astype(np.float32) / 255


def jpeg(images: np.ndarray, *, quality: int = 30) -> np.ndarray:
    decoded = []
    for image in np.rint(255 * np.clip(images, 0, 1)).astype(np.uint8):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality)
        decoded.append(np.asarray(Image.open(file), np.float32) / 255)
    return np.stack(decoded)


def blurred(images: np.ndarray, *, sigma: float = 2.0) -> np.ndarray:
    return gaussian_filter(images, (0, sigma, sigma, 0))


def pictures_of_nothing(photographs: np.ndarray) -> dict[str, np.ndarray]:
    shape = photographs.shape[1:]
    return {
        "constant grey": np.full((1, *shape), 0.5, np.float32),
        "mean image": photographs.mean(axis=0, keepdims=True),
        "noise": np.random.default_rng(0).random((4, *shape)).astype(np.float32),
        "black": np.zeros((1, *shape), np.float32),
    }
