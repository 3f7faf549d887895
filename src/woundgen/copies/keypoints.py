"""Local features of an image: SIFT keypoints (Lowe 2004) with RootSIFT descriptors (Arandjelovic & Zisserman 2012)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

SIDE = 384
"""Images are enlarged or reduced to this width and height, in pixels, before features are detected."""
CONTRAST_LIMIT = 2.0  # of CLAHE (Zuiderveld 1994): faint texture counts as much as strong edges
TILES = 8
MOST = 800  # keypoints, the strongest: bounds the cost of an image full of noise
LENGTH = 128  # of a descriptor


@dataclass(frozen=True, slots=True)
class Keypoints:
    """K keypoints. places [K, 2]: x and y in 0..1 of the width. scales, angles [K]: size in the same unit, radians.

    descriptors [K, 128]: RootSIFT, of norm 1, so that a product of two is a cosine.
    """

    places: npt.NDArray[np.float32]
    scales: npt.NDArray[np.float32]
    angles: npt.NDArray[np.float32]
    descriptors: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.places)


def detect_keypoints(image: npt.NDArray[np.uint8]) -> Keypoints:
    """Detect the keypoints of one RGB image, uint8 [H, W, 3]. The same pixels give the same keypoints.

    The image is made square of SIDE pixels, grey, and equalised locally, so that colour, gamma and vignetting
    do not count.
    """
    cv2.setNumThreads(1)  # callers divide images among threads of their own
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    reduced = max(image.shape[:2]) > SIDE
    grey = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA if reduced else cv2.INTER_CUBIC)
    grey = cv2.createCLAHE(CONTRAST_LIMIT, (TILES, TILES)).apply(grey)
    found, descriptors = cv2.SIFT_create(nfeatures=MOST).detectAndCompute(grey, None)  # type: ignore[attr-defined]
    if descriptors is None:
        return _no_keypoints()
    return Keypoints(
        places=np.array([one.pt for one in found], np.float32) / np.float32(SIDE - 1),
        scales=np.array([one.size for one in found], np.float32) / np.float32(SIDE - 1),
        angles=np.deg2rad(np.array([one.angle for one in found], np.float32)),
        descriptors=_to_root_sift(descriptors),
    )


def mirror_keypoints(keypoints: Keypoints) -> Keypoints:
    """Return the keypoints of the image flipped left to right, without detecting them again."""
    flipped = np.stack((1 - keypoints.places[:, 0], keypoints.places[:, 1]), axis=1)
    return Keypoints(flipped, keypoints.scales, np.pi - keypoints.angles, mirror_descriptors(keypoints.descriptors))


def mirror_descriptors(descriptors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return descriptors [K, 128] as they are in the image flipped left to right.

    A flip turns the order of SIFT's 4 rows of cells round, and the sense of its 8 orientations.
    """
    cells = descriptors.reshape(-1, 4, 4, 8)
    turned = cells[:, ::-1][..., (-np.arange(8)) % 8]
    return np.ascontiguousarray(turned.reshape(-1, LENGTH))


def _to_root_sift(descriptors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    total = np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-12)
    return np.sqrt(descriptors / total)


def _no_keypoints() -> Keypoints:
    nothing = np.empty(0, np.float32)
    return Keypoints(np.empty((0, 2), np.float32), nothing, nothing, np.empty((0, LENGTH), np.float32))
