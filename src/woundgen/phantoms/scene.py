"""Geometry of a phantom: camera coordinates, the limb as a height field, and the outline of the wound.

Everything is float32 [N, S, S] on the pixel grid; `p` holds the parameters as float32 [N, 1, 1].
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .parameters import LIMB_KINDS, OUTLINE_HARMONICS

Fields = Mapping[str, np.ndarray]

_BLEND = 0.10
"""Width, in scene units, over which two parts of a limb melt into one another."""

_OVERHANG = 0.03
"""How far the curved edge goes on past the contour, lest the soft contour be lit as if it were flat."""

_FAR = -50.0
_TOE_COUNT = 5


def smoothstep(field: np.ndarray, low: float | np.ndarray, high: float | np.ndarray) -> np.ndarray:
    """Cubic step from 0 at `low` to 1 at `high`."""
    t = np.clip((field - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def rotate(x: np.ndarray, y: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates in axes turned by `angle`."""
    cos, sin = np.cos(angle), np.sin(angle)
    return cos * x + sin * y, cos * y - sin * x


def frame(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centres of a `size` x `size` frame in -1..1: x and y, each float32 [1, size, size]."""
    centres = (np.arange(size, dtype=np.float32) + 0.5) * (2.0 / size) - 1.0
    x, y = np.meshgrid(centres, centres)
    return x[None], y[None]


def scene_coordinates(p: Fields, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Scene points of each pixel; the wound is centred on the origin of the scene."""
    x, y = frame(size)
    x, y = rotate((x - p["shift_x"]) * p["zoom"], (y - p["shift_y"]) * p["zoom"], p["tilt_axis"])
    return rotate(x * p["foreshortening"], y, p["rotation"] - p["tilt_axis"])


def _ellipsoids(kind: str, width: float, shift_x: float, shift_y: float) -> list[tuple[float, float, float, float]]:
    """Parts of a limb as (centre x, centre y, radius x, radius y); the wound sits at the origin."""
    if kind == "shin":
        half = 0.72 + 0.65 * width
        return [(0.45 * shift_x * half, 0.0, half, 6.0), (0.3 * shift_x, 1.9 + shift_y, half * 1.15, 1.0)]
    if kind == "heel":
        half = 0.80 + 0.45 * width
        x, y = 0.30 * shift_x, 0.25 + 0.25 * shift_y
        return [(x, y, half, half * 1.12), (x, y + 1.5, half * 0.82, 2.2)]
    if kind == "sole":
        half = 0.78 + 0.25 * width
        x, y = 0.55 * shift_x * half, 0.45 + 0.35 * shift_y
        parts = [(x, y, half, 1.05), (x - 0.08, y + 1.3, half * 0.75, 1.3)]
        for toe in range(_TOE_COUNT):
            across = toe / (_TOE_COUNT - 1) * 2.0 - 1.0
            radius = half * (0.27 - 0.05 * across - 0.05 * (toe > 0))
            top = y - 1.08 - half * (0.16 - 0.35 * max(across + 0.4, 0.0) ** 2)
            parts.append((x + across * half * 0.80, top, radius, radius * (1.35 + 0.25 * (toe == 0))))
        return parts
    if kind == "toe":
        half = 0.50 + 0.22 * width
        x, y = 0.25 * shift_x * half, 0.35 + 0.2 * shift_y
        near, far = x - half * 1.85, x + half * 1.8
        return [
            (x, y, half, 1.10), (near, y + 0.35, half * 0.9, 1.0), (far, y + 0.25, half * 0.85, 1.0),
            (x, y + 1.75, half * 2.8, 1.3),
        ]  # fmt: skip
    return [(0.8 * shift_x, 0.8 * shift_y, 2.6 + width, 2.6 + width)]


def _limb_parts(p: Fields) -> np.ndarray:
    """Ellipsoids of every limb of the batch, float32 [N, parts, 4]; missing parts have radius 0."""
    columns = (p[name].ravel() for name in ("limb_kind", "limb_width", "limb_shift_x", "limb_shift_y"))
    limbs = [_ellipsoids(LIMB_KINDS[int(kind)], *map(float, rest)) for kind, *rest in zip(*columns, strict=True)]
    parts = np.zeros((len(limbs), 2 + _TOE_COUNT, 4), np.float32)
    for row, limb in zip(parts, limbs, strict=True):
        row[: len(limb)] = limb
    return parts


def limb_inset(p: Fields, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """About how far a scene point lies inside the contour of the limb; negative outside, scene units."""
    x, y = rotate(x, y, p["limb_angle"])
    parts = _limb_parts(p)
    inset = np.full(x.shape, _FAR, np.float32)
    for part in np.moveaxis(parts, 1, 0)[..., None, None]:
        rows = np.flatnonzero(part[:, 2, 0, 0] > 0.0)
        if not rows.size:
            continue
        centre_x, centre_y, radius_x, radius_y = np.moveaxis(part[rows], 1, 0)
        dx, dy = (x[rows] - centre_x) / radius_x, (y[rows] - centre_y) / radius_y
        here = (1.0 - np.sqrt(dx * dx + dy * dy)) * np.minimum(radius_x, radius_y)
        before = inset[rows]
        overlap = np.maximum(1.0 - np.abs(here - before) / _BLEND, 0.0)
        inset[rows] = np.maximum(before, here) + overlap * overlap * (_BLEND / 4.0)
    return inset


def limb_height(p: Fields, inset: np.ndarray) -> np.ndarray:
    """Height of the limb towards the camera: a rounded edge that levels off inside."""
    roundness = 0.55 + 0.5 * p["limb_width"]
    rise = np.clip((inset + _OVERHANG) / roundness, 0.0, 1.0)
    return roundness * 0.8 * np.sqrt(rise * (2.0 - rise) + 1e-4)


def wound_inset(
    p: Fields, x: np.ndarray, y: np.ndarray, warp_x: np.ndarray, warp_y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How far a point lies inside the wound's outline (scene units), and the stellate folds (-1..1)."""
    x, y = x + p["jaggedness"] * warp_x, y + p["jaggedness"] * warp_y
    across, along = rotate(x, y, p["wound_angle"])
    across, along = across * p["elongation"], along / np.sqrt(p["elongation"])
    distance = np.sqrt(across * across + along * along) + 1e-4
    cos, sin = across / distance, along / distance
    cos_k, sin_k = cos, sin
    outline, folds = np.ones_like(cos), np.zeros_like(cos)
    for k in range(2, 13):
        cos_k, sin_k = cos_k * cos - sin_k * sin, sin_k * cos + cos_k * sin
        if k in OUTLINE_HARMONICS:
            outline += p[f"outline_cos_{k}"] * cos_k + p[f"outline_sin_{k}"] * sin_k
        folds += (p["fold_count"] == k) * cos_k
    inset = p["wound_radius"] * np.maximum(outline, 0.35) - distance
    reach = p["satellite_distance"] * p["wound_radius"]
    dx, dy = x - reach * np.cos(p["satellite_angle"]), y - reach * np.sin(p["satellite_angle"])
    satellite = p["satellite_radius"] - np.sqrt(dx * dx + dy * dy)
    return np.where(p["satellite_radius"] > 0.0, np.maximum(inset, satellite), inset), folds
