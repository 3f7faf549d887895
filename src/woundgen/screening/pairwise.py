"""Every image against every reference: similarity and distances, before they are summarised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from woundgen.errors import UserError
from woundgen.screening.descriptors import Descriptors, check_networks
from woundgen.similarity.neighbours import euclidean_distances
from woundgen.similarity.perceptual import pairwise_squared_distances, squared_norms
from woundgen.similarity.ssim import ImageMoments, image_moments, ssim_against, ssim_among

Matrix = npt.NDArray[np.float64]
Norms = npt.NDArray[np.float64]

TOGETHER = 32  # up to so many images, both ways round are a single product, so that the references are read once


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


def norms_of(references: Descriptors) -> Norms | None:
    """Squared norms of the perceptual vectors, which would otherwise be taken again for every block of images."""
    return None if references.perceptual is None else squared_norms(references.perceptual)


def compare(images: Descriptors, references: Descriptors, moments: ImageMoments, norms: Norms | None = None) -> Pairs:
    """All pairs. moments, norms: of the references. `images is references` takes each SSIM once."""
    check_networks(images.networks, references.networks, of="The photographs' features and the images'")
    if (images.perceptual is None) != (references.perceptual is None):
        raise UserError("Perceptual features are given for one of images and references only.", "Give both.")
    embedding = euclidean_distances(images.pooled, references.pooled)
    mirrored = euclidean_distances(images.pooled_mirrored, references.pooled)
    perceptual, either = _perceptual(images, references, norms)
    return Pairs(
        ssim=ssim_among(moments) if images is references else ssim_against(images.images, moments),
        embedding=embedding,
        embedding_either=np.minimum(embedding, mirrored),
        perceptual=perceptual,
        perceptual_either=either,
    )


def _perceptual(
    images: Descriptors, references: Descriptors, norms: Norms | None
) -> tuple[Matrix | None, Matrix | None]:
    if images.perceptual is None or images.perceptual_mirrored is None or references.perceptual is None:
        return None, None
    if len(images) > TOGETHER:
        parts = (images.perceptual, images.perceptual_mirrored)
        plain, mirrored = (pairwise_squared_distances(part, references.perceptual, right_norms=norms) for part in parts)
    else:
        both = np.concatenate((images.perceptual, images.perceptual_mirrored))
        plain, mirrored = np.split(pairwise_squared_distances(both, references.perceptual, right_norms=norms), 2)
    return plain, np.minimum(plain, mirrored)
