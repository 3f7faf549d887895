"""Colours of a phantom: skin, the tissues of a wound, and the backdrop.

Colours are planar, float32 [3, N, S, S], in linear light. Linear light is taken as the square of sRGB / 255:
close to the true curve, and its inverse is a square root.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .parameters import BACKDROPS, MONK_TONES
from .scene import frame, rotate, smoothstep

Fields = Mapping[str, np.ndarray]


def linear(red: float, green: float, blue: float) -> np.ndarray:
    """A planar colour [3, 1, 1, 1] in linear light from sRGB in 0..1."""
    return (np.array([red, green, blue], np.float32) ** 2).reshape(3, 1, 1, 1)


GRANULATION_FRESH = linear(0.76, 0.14, 0.15)
GRANULATION_PALE = linear(0.80, 0.40, 0.38)
GRANULATION_DEEP = linear(0.32, 0.06, 0.05)
SLOUGH_CREAM = linear(0.90, 0.80, 0.56)
SLOUGH_OLIVE = linear(0.66, 0.54, 0.26)
ESCHAR_BLACK = linear(0.09, 0.075, 0.07)
ESCHAR_BROWN = linear(0.32, 0.18, 0.09)
EPITHELIUM = linear(0.92, 0.64, 0.60)
MACERATED = linear(0.94, 0.89, 0.78)
CALLUS = linear(0.80, 0.66, 0.38)
DRIED_BLOOD = linear(0.24, 0.07, 0.05)
SCAR = linear(0.88, 0.62, 0.59)
SCALE = linear(0.92, 0.88, 0.82)
STAIN = linear(0.45, 0.27, 0.20)
"""Haemosiderin: the brown staining of chronically swollen legs."""

BLOOD_ABSORPTION = np.array([0.10, 1.05, 0.95], np.float32).reshape(3, 1, 1, 1)
"""Optical density that full redness adds to skin, per channel."""

VENOUS_ABSORPTION = np.array([0.38, 1.10, 0.55], np.float32).reshape(3, 1, 1, 1)
"""The same for dusky, poorly perfused skin: purple rather than red."""

_BACKDROP_COLOURS = {
    "dark": ((0.05, 0.05, 0.055), (0.22, 0.20, 0.19)),
    "floor": ((0.32, 0.31, 0.30), (0.62, 0.61, 0.58)),
    "white cloth": ((0.66, 0.67, 0.69), (0.90, 0.90, 0.90)),
    "blue cloth": ((0.16, 0.26, 0.55), (0.40, 0.55, 0.72)),
}
_FOLD_STRENGTH = {"dark": 0.15, "floor": 0.10, "white cloth": 0.22, "blue cloth": 0.32}


def mix(base: np.ndarray, colour: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """`base` moved towards `colour` by `weight` (0..1, [N, S, S])."""
    return base + weight * (colour - base)


def skin_colour(p: Fields, mottle: np.ndarray, patches: np.ndarray, redness: np.ndarray) -> np.ndarray:
    """Skin of the patient's tone; melanin and blood vary from place to place, and blood follows `redness`."""
    position = p["skin_tone"].ravel()
    lower = np.minimum(position.astype(int), len(MONK_TONES) - 2)
    tone = MONK_TONES[lower] + (position - lower)[:, None] * (MONK_TONES[lower + 1] - MONK_TONES[lower])
    # The lightest Monk tones are paler than skin in clinical light: blood and melanin below deepen them.
    density = -2.0 * np.log(tone.T[..., None, None].astype(np.float32))
    melanin = np.array([0.45, 0.75, 1.0], np.float32).reshape(3, 1, 1, 1)
    uneven = p["mottling"] * (0.10 * mottle + 0.07 * patches)
    density = density + melanin * (0.16 + 0.10 * p["skin_warmth"] + uneven)
    flush = 0.12 + 0.28 * p["skin_flush"] + 0.10 * p["mottling"] * (patches - 0.6 * mottle) * p["skin_flush"]
    blood = BLOOD_ABSORPTION + p["duskiness"] * (VENOUS_ABSORPTION - BLOOD_ABSORPTION)
    return np.exp(-density - blood * np.maximum(flush + redness, 0.0))


def bed_colour(p: Fields, texture: Mapping[str, np.ndarray], slough: np.ndarray, eschar: np.ndarray) -> np.ndarray:
    """The wound bed: granulation with dark hollows, slough in fibres, eschar, by the given weights."""
    fresh = GRANULATION_FRESH + p["bed_paleness"] * (GRANULATION_PALE - GRANULATION_FRESH)
    hollows = -0.6 * texture["grains"] * p["granularity"] - 0.5 * texture["mottle"] - 0.6 * texture["warp_x"]
    deep = np.clip(p["bed_darkness"] + 0.34 * hollows, 0.0, 0.92)
    colour = mix(np.broadcast_to(fresh, (3, *deep.shape)), GRANULATION_DEEP, deep)
    strands = smoothstep(0.7 * texture["fibres"] + 0.5 * texture["mottle"] + 0.6 * texture["warp_y"], -1.7, 1.7)
    colour = mix(colour, SLOUGH_OLIVE + strands * (SLOUGH_CREAM - SLOUGH_OLIVE), slough)
    brown = 0.55 * smoothstep(texture["fibres"] + texture["warp_y"], 0.2, 2.0)
    return mix(colour, ESCHAR_BLACK + brown * (ESCHAR_BROWN - ESCHAR_BLACK), eschar)


def _backdrop_field(p: Fields, name: str, relief: np.ndarray) -> np.ndarray:
    """Colours of each photograph's `name` backdrop (a parameter holding an index into BACKDROPS)."""
    kinds = [BACKDROPS[int(kind)] for kind in p[name].ravel()]
    ends = np.array([_BACKDROP_COLOURS[kind] for kind in kinds], np.float32)
    strength = np.array([_FOLD_STRENGTH[kind] for kind in kinds], np.float32).reshape(-1, 1, 1)
    colour = ends[:, 0] + (ends[:, 1] - ends[:, 0]) * p["backdrop_tone"].reshape(-1, 1)
    shade = np.clip(1.0 + strength * p["backdrop_folds"] * relief, 0.15, 1.6)
    return (colour.T[..., None, None] ** 2) * shade


def backdrop_colour(p: Fields, folds: np.ndarray, weave: np.ndarray, size: int) -> np.ndarray:
    """Draw the background behind the limb: two materials that join along a line as wavy as their `folds`."""
    x, y = rotate(*frame(size), p["backdrop_angle"])
    beyond = smoothstep(x - p["backdrop_edge"] + 0.05 * folds, -0.015, 0.015)
    slope = 1.0 + 0.25 * y
    relief = folds + weave
    return slope * mix(_backdrop_field(p, "backdrop", relief), _backdrop_field(p, "backdrop_second", relief), beyond)
