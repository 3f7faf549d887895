"""Whether an image shows the scene of a photograph: matched keypoints that one similarity transform explains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from woundgen.copies.alignment import Alignment, Points, align_points
from woundgen.copies.keypoints import Keypoints, mirror_keypoints

RATIO = 0.85
"""Of the distance to the second nearest descriptor, below which the nearest counts as a match (Lowe 2004)."""


@dataclass(frozen=True, slots=True)
class CopyMatch:
    """How an image lies on a reference. score: distinct places that agree, 0 where nothing does.

    mirrored: the image was flipped left to right first. alignment: of the (flipped) image onto the reference.
    image_places, reference_places [K, 2]: the agreeing places, x and y in 0..1, the image's as it is given.
    """

    score: int
    mirrored: bool
    alignment: Alignment | None
    image_places: npt.NDArray[np.float32]
    reference_places: npt.NDArray[np.float32]


def verify_copy(image: Keypoints, reference: Keypoints, *, mirror_image: Keypoints | None = None) -> CopyMatch:
    """Compare an image and its mirror image with a reference, and return the better match.

    mirror_image: mirror_keypoints(image), to be given where the image meets many references.
    """
    straight = _verify(image, reference, mirrored=False)
    mirror_image = mirror_keypoints(image) if mirror_image is None else mirror_image
    flipped = _verify(mirror_image, reference, mirrored=True)
    return flipped if flipped.score > straight.score else straight


def _verify(image: Keypoints, reference: Keypoints, *, mirrored: bool) -> CopyMatch:
    rows, columns = match_descriptors(image.descriptors, reference.descriptors)
    source, target = _as_complex(image.places[rows]), _as_complex(reference.places[columns])
    alignment = align_points(source, target)
    if alignment is None:
        nothing = np.empty((0, 2), np.float32)
        return CopyMatch(0, mirrored, None, nothing, nothing)
    places = image.places[rows[alignment.inliers]]
    if mirrored:
        places = np.stack((1 - places[:, 0], places[:, 1]), axis=1)
    return CopyMatch(alignment.places, mirrored, alignment, places, reference.places[columns[alignment.inliers]])


def match_descriptors(
    image: npt.NDArray[np.float32], reference: npt.NDArray[np.float32], *, ratio: float = RATIO
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows of `image` [K, 128] whose nearest in `reference` [L, 128] passes the ratio test, and that nearest."""
    if len(image) == 0 or len(reference) < 2:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    cosine = image @ reference.T
    rows = np.arange(len(image))
    nearest = cosine.argmax(axis=1)
    best = cosine[rows, nearest]
    cosine[rows, nearest] = -1
    second = cosine.max(axis=1)
    matched = np.nonzero(1 - best < ratio**2 * (1 - second))[0]  # squared distances are 2 - 2 cosine
    return matched, nearest[matched]


def _as_complex(places: npt.NDArray[np.float32]) -> Points:
    return places[:, 0].astype(np.complex128) + 1j * places[:, 1]
