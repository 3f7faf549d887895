"""Refuse sets that cannot be compared, and warn of what changes the meaning of the numbers."""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from woundgen.errors import UserError
from woundgen.events import Warn, Work
from woundgen.metrics.checks import check_preparations
from woundgen.workflows.evaluate.sets import (
    ImageSet,
)

FEWEST = 8
DARK = 0.03  # mean brightness below which an image is taken for a wrong value range


def check_sets(generated: ImageSet, real: ImageSet) -> None:
    """UserError for sets that cannot be compared, or whose comparison would mean nothing."""
    sizes = [f"{one.images.shape[2]}x{one.images.shape[1]}" for one in (generated, real)]
    if sizes[0] != sizes[1]:
        raise UserError(
            f"The generated images are {sizes[0]} pixels and the photographs were prepared as {sizes[1]}.",
            "Draw at that size, or give --real FOLDER, which is prepared to fit.",
        )
    for side, one in (("generated", generated), ("real", real)):
        if len(one.images) < FEWEST:
            raise UserError(
                f"The {side} set has {len(one.images)} images; at least {FEWEST} are needed.", "Add images."
            )
        dark = int((one.images.mean(axis=(1, 2, 3)) < 255 * DARK).sum())
        if dark > len(one.images) / 2:
            raise UserError(
                f"{dark} of {len(one.images)} {side} images are nearly black "
                f"(mean brightness of all {one.images.mean():.1f} of 255).",
                "Were values of 0..1 written as 0..255? Write uint8 PNG over the whole range.",
            )
    check_preparations(
        {"real": real.preparation, "generated": generated.preparation},
        hint="Leave --margin out, and give photographs as training had them: with their boxes, or as whole pictures.",
    )
    if generated.compressed and not real.compressed:
        raise UserError(
            "The generated images are lossy files (JPEG), and the photographs show no traces of compression: those "
            "traces would be measured.",
            "Give the generated images as PNG, as they were drawn.",
        )
    shared = same_images(generated.images, real.images)
    if shared == len(generated.images):
        raise UserError(
            f"All {shared} generated images are among the photographs, pixel by pixel: the same folder twice?",
            "Give the generated set as --generated.",
        )


def warn_of(generated: ImageSet, real: ImageSet) -> Work[None]:
    """Warn of conditions that change the meaning of the numbers, but may be intended."""
    shared = same_images(generated.images, real.images)
    if shared:
        yield Warn(f"{shared} of {len(generated.images)} generated images are photographs, pixel by pixel")
    if generated.preparation is None:
        yield Warn(
            "the generated set does not say how its generator's photographs were framed; where that differs "
            "from the framing here, it counts as a difference"
        )
        if real.compressed and not generated.compressed:
            yield Warn(
                "the photographs show traces of lossy compression and the generated images are lossless: "
                "the traces count as a difference (the floor does not have them)"
            )


def same_images(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> int:
    """How many of the first are, pixel by pixel, among the second."""
    digests = Counter(hashlib.sha256(image.tobytes()).digest() for image in right)
    return sum(hashlib.sha256(image.tobytes()).digest() in digests for image in left)
