"""Every image against every reference: similarity and distances, before they are summarised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from woundgen.errors import UserError
from woundgen.screening.descriptors import Descriptors, check_networks
from woundgen.similarity.neighbours import euclidean_distances
from woundgen.similarity.perceptual import pairwise_squared_distances
from woundgen.similarity.ssim import ImageMoments, image_moments, ssim_against, ssim_among

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pairs:
    """N images against M references, each [N, M].

    embedding, perceptual: of the image as it is. embedding_either, perceptual_either: of the image or its
    mirror image, whichever is nearer.
    """

    ssim: Matrix
    embedding: Matrix
    embedding_either: Matrix
    perceptual: Matrix | None = None
    perceptual_either: Matrix | None = None


def moments_of(references: Descriptors) -> ImageMoments:
    """In float32: SSIM within 1e-4 at half the time. About 0.6 MB an image of 128 pixels."""
    return image_moments(references.images, dtype=np.float32)


def compare(images: Descriptors, references: Descriptors, moments: ImageMoments) -> Pairs:
    """All pairs. moments: of the references. `images is references` takes each SSIM once."""
    check_networks(images.networks, references.networks, of="The photographs' features and the images'")
    if (images.perceptual is None) != (references.perceptual is None):
        raise UserError("Perceptual features are given for one of images and references only.", "Give both.")
    embedding = euclidean_distances(images.pooled, references.pooled)
    mirrored = euclidean_distances(images.pooled_mirrored, references.pooled)
    perceptual, either = _perceptual(images, references)
    return Pairs(
        ssim=ssim_among(moments) if images is references else ssim_against(images.images, moments),
        embedding=embedding,
        embedding_either=np.minimum(embedding, mirrored),
        perceptual=perceptual,
        perceptual_either=either,
    )


def _perceptual(images: Descriptors, references: Descriptors) -> tuple[Matrix | None, Matrix | None]:
    if images.perceptual is None or images.perceptual_mirrored is None or references.perceptual is None:
        return None, None
    plain = pairwise_squared_distances(images.perceptual, references.perceptual)
    mirrored = pairwise_squared_distances(images.perceptual_mirrored, references.perceptual)
    return plain, np.minimum(plain, mirrored)
