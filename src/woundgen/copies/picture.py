"""A picture of how an image lies on the photograph that it copies. Private: it shows the photograph."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from woundgen.copies.verify import CopyMatch

Picture = npt.NDArray[np.uint8]

SIDE = 384
GAP = 8
LINES = 40  # of all agreeing places, evenly taken
SPREAD = 0.06  # of the side: around an agreeing place, what counts as covered
COLOUR = (40, 220, 90)


def draw_match(image: Picture, photograph: Picture, match: CopyMatch) -> Picture:
    """Draw image [H, W, 3] and photograph side by side, agreeing places joined, what came back left bright."""
    left = _dim(_resize(image), mark_overlap(match.image_places))
    right = _dim(_resize(photograph), mark_overlap(match.reference_places))
    sheet = draw_pair(left, right)
    count = len(match.image_places)
    for row in np.unique(np.linspace(0, count - 1, LINES).astype(int)) if count else ():
        start = np.rint(match.image_places[row] * (SIDE - 1)).astype(int)
        end = np.rint(match.reference_places[row] * (SIDE - 1)).astype(int) + np.array([SIDE + GAP, 0])
        cv2.line(sheet, start.tolist(), end.tolist(), COLOUR, 1, cv2.LINE_AA)
    return sheet


def draw_pair(image: Picture, photograph: Picture) -> Picture:
    """Draw image [H, W, 3] and photograph side by side, as for a copy by layout, which has no single places."""
    sheet = np.full((SIDE, 2 * SIDE + GAP, 3), 255, np.uint8)
    sheet[:, :SIDE], sheet[:, SIDE + GAP :] = _resize(image), _resize(photograph)
    return sheet


def mark_overlap(places: npt.NDArray[np.floating], *, side: int = SIDE) -> npt.NDArray[np.bool_]:
    """Return bool [side, side]: within SPREAD of an agreeing place [K, 2], x and y in 0..1."""
    mask = np.zeros((side, side), np.uint8)
    for x, y in np.rint(places * (side - 1)).astype(int):
        cv2.circle(mask, (int(x), int(y)), round(SPREAD * side), 1, -1)
    return mask.astype(bool)


def describe_match(match: CopyMatch) -> dict[str, float | bool]:
    """Return the transform and the share of image and photograph that agree, for a JSON file."""
    alignment = match.alignment
    told: dict[str, float | bool] = {
        "matched_places": match.score,
        "mirrored": match.mirrored,
        "image_covered": round(float(mark_overlap(match.image_places).mean()), 3),
        "photograph_covered": round(float(mark_overlap(match.reference_places).mean()), 3),
    }
    if alignment is not None:
        told |= {"rotation_degrees": round(alignment.rotation, 1), "scale": round(alignment.scale, 3)}
    return told


def _resize(image: Picture) -> Picture:
    return np.asarray(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC))


def _dim(image: Picture, shown: npt.NDArray[np.bool_]) -> Picture:
    return np.where(shown[..., None], image, (image * 0.45).astype(np.uint8))
