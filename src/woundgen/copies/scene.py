"""A picture as copy detection compares it: its keypoints and its layout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from woundgen.copies.keypoints import Keypoints, detect_keypoints
from woundgen.copies.layout import describe_layout


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture. keypoints: its local features. layout [D]: where it is light and dark (copies.layout)."""

    keypoints: Keypoints
    layout: npt.NDArray[np.float32]


def describe_scene(image: npt.NDArray[np.uint8]) -> Scene:
    """Describe an RGB image, uint8 [H, W, 3]. The same pixels give the same scene."""
    return Scene(detect_keypoints(image), describe_layout(image))
