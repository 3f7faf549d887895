"""Named parameters of a wound phantom, and their distributions in the healing phases I, P and R.

A wound is a point on the course of healing, from 0 (inflamed) to 1 (remodelled). A phase is a stretch of that
course with soft ends, so neighbouring phases overlap; every tissue follows the course with its own scatter.
Lengths are in scene units: half a frame at zoom 1. Angles are in radians. Fractions lie in 0..1.
"""

from __future__ import annotations

import math

import numpy as np

from woundgen.records import PHASES

"""Inflammatory, proliferative, remodelling."""

PHASE_CENTRE = {"I": 0.20, "P": 0.50, "R": 0.80}
PHASE_SPREAD = 0.13
"""Standard deviation of the course of healing within a phase: the one knob for how much phases overlap."""

TISSUE_SCATTER = 0.16
"""Standard deviation, on the course of healing, of each tissue about its wound."""

MONK_TONES = np.array(
    [
        (246, 237, 228), (243, 231, 219), (247, 234, 208), (234, 218, 186), (215, 189, 150),
        (160, 126, 86), (130, 92, 67), (96, 65, 52), (58, 49, 42), (41, 36, 32),
    ],
    dtype=np.float32,
) / 255.0  # fmt: skip
"""Monk skin tone scale (Ellis Monk and Google, 2022), sRGB in 0..1, lightest first."""

LIMB_KINDS = ("surface", "shin", "heel", "sole", "toe")
_LIMB_SHARE = (0.30, 0.20, 0.18, 0.20, 0.12)
BACKDROPS = ("dark", "floor", "white cloth", "blue cloth")
_BACKDROP_SHARE = (0.30, 0.22, 0.33, 0.15)
OUTLINE_HARMONICS = (2, 3, 4, 5, 6, 7)

_PATIENT_STREAM, _VIEW_STREAM = 1, 2


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def _rises(course: float, start: float, end: float) -> float:
    """Smooth step of the course of healing: 0 before `start`, 1 after `end`; falls if `end` < `start`."""
    t = min(max((course - start) / (end - start), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


def _tissues(rng: np.random.Generator, healing: float) -> dict[str, float]:
    """Draw the tissue parameters of the wound at this point of the course of healing."""

    def course() -> float:
        return healing + float(rng.normal(0.0, TISSUE_SCATTER))

    sloughy = rng.random() < 0.22 + 0.53 * _rises(healing, 0.65, 0.15)
    necrotic = rng.random() < 0.08 + 0.34 * _rises(healing, 0.60, 0.10)
    return {
        "redness": 0.14 + 0.80 * _rises(course(), 0.85, 0.0) * _between(rng, 0.6, 1.3),
        "halo_width": 0.12 + 0.45 * _rises(course(), 0.9, 0.1) * _between(rng, 0.6, 1.4),
        "swelling": 0.14 * _rises(course(), 0.75, 0.05) * _between(rng, 0.4, 1.3),
        "slough": _between(rng, 0.15, 0.85) * (0.45 + 0.55 * _rises(course(), 0.75, 0.1)) if sloughy else 0.0,
        "necrosis": _between(rng, 0.08, 0.75) * (0.4 + 0.6 * _rises(course(), 0.7, 0.1)) if necrotic else 0.0,
        "bed_paleness": min(1.0, 0.70 * _rises(course(), 0.25, 1.0) + _between(rng, 0.0, 0.30)),
        "bed_darkness": _between(rng, 0.05, 0.75) * (0.4 + 0.6 * _rises(course(), 0.9, 0.1)),
        "granularity": _between(rng, 0.3, 1.0) * (0.55 + 0.45 * _rises(course(), 1.0, 0.5)),
        "gloss": _between(rng, 0.15, 1.0) * (0.35 + 0.65 * _rises(course(), 1.0, 0.3)),
        "depth": 0.03 + 0.17 * _rises(course(), 0.95, 0.2) * _between(rng, 0.3, 1.2),
        "epithelium": 0.02 + 0.20 * _rises(course(), 0.3, 1.0) * _between(rng, 0.4, 1.2),
        "scar": _between(rng, 0.4, 1.0) * _rises(course(), 0.45, 0.95),
        "scar_width": 0.08 + _between(rng, 0.06, 0.34) * _rises(course(), 0.4, 1.0),
        "contraction": 0.05 * _rises(course(), 0.45, 1.0) * _between(rng, 0.3, 1.2),
        "maceration": _between(rng, 0.2, 1.0) if rng.random() < 0.5 else 0.0,
        "dryness": _between(rng, 0.2, 1.0) if rng.random() < 0.12 + 0.25 * _rises(healing, 0.3, 0.9) else 0.0,
        "crust": _between(rng, 0.15, 0.8) if rng.random() < 0.22 else 0.0,
        "size_factor": 1.0 - 0.36 * _rises(course(), 0.35, 1.0),
    }


def _outline(rng: np.random.Generator, limb: str, size_factor: float) -> dict[str, float]:
    """Shape of the wound: mean radius, elongation, radial harmonics, jaggedness, a satellite wound."""
    largest = {"surface": 0.78, "shin": 0.62, "heel": 0.70, "sole": 0.52, "toe": 0.46}[limb]
    outline = {
        "wound_radius": largest * _between(rng, 0.58, 1.0) * size_factor,
        "elongation": math.exp(abs(float(rng.normal(0.0, 0.26)))),
        "wound_angle": _between(rng, -math.pi, math.pi),
        "jaggedness": 0.012 + 0.075 * rng.random() ** 1.6,
        "edge_softness": _between(rng, 0.014, 0.05),
        "rim_width": 0.04 + 0.18 * rng.random() ** 1.5,
        "satellite_radius": _between(rng, 0.05, 0.15) * size_factor if rng.random() < 0.22 else 0.0,
        "satellite_angle": _between(rng, -math.pi, math.pi),
        "satellite_distance": _between(rng, 1.35, 1.9),
        "fold_count": float(rng.integers(8, 13)),
    }
    for k in OUTLINE_HARMONICS:
        amplitude, angle = abs(float(rng.normal(0.0, 0.20 / k))), _between(rng, -math.pi, math.pi)
        outline[f"outline_cos_{k}"] = amplitude * math.cos(angle)
        outline[f"outline_sin_{k}"] = amplitude * math.sin(angle)
    return outline


def _skin(rng: np.random.Generator) -> dict[str, float]:
    """Skin and limb of the patient. `skin_tone` is a position on the Monk scale, 0 (lightest) to 9."""
    return {
        # Light to middle tones are the more frequent ones in published wound photographs; all ten occur.
        "skin_tone": min(9.0, 9.4 * float(rng.beta(1.3, 1.9))),
        "skin_warmth": float(rng.normal(0.0, 1.0)),
        "skin_flush": _between(rng, 0.1, 1.1),
        "duskiness": rng.random() ** 1.5,
        "mottling": _between(rng, 0.4, 1.4),
        "skin_relief": 0.1 + 0.9 * rng.random() ** 1.7,
        "skin_gloss": _between(rng, 0.05, 0.9) ** 1.5,
        "callus": _between(rng, 0.2, 0.9) if rng.random() < 0.4 else 0.0,
        "stain": _between(rng, 0.15, 0.7) if rng.random() < 0.4 else 0.0,
        "limb_kind": float(rng.choice(len(LIMB_KINDS), p=_LIMB_SHARE)),
        "limb_width": _between(rng, 0.0, 1.0),
        "limb_angle": _between(rng, -math.pi, math.pi),
        "limb_shift_x": float(rng.normal(0.0, 0.5)),
        "limb_shift_y": float(rng.normal(0.0, 0.5)),
        "texture_u": _between(rng, 0.0, 1.0),
        "texture_v": _between(rng, 0.0, 1.0),
        "texture_angle": _between(rng, -math.pi, math.pi),
    }


def patient_parameters(seed: int, patient: int, phase: str, wound: bool = True) -> dict[str, float]:
    """Parameters shared by every view of one patient's wound: a function of (seed, patient, phase) alone."""
    rng = np.random.default_rng([seed, _PATIENT_STREAM, patient, PHASES.index(phase)])
    healing = float(rng.normal(PHASE_CENTRE[phase], PHASE_SPREAD))
    skin = _skin(rng)
    tissues = _tissues(rng, healing)
    size_factor = tissues.pop("size_factor")
    outline = _outline(rng, LIMB_KINDS[int(skin["limb_kind"])], size_factor)
    return {"wound": float(wound), "healing": healing} | skin | tissues | outline


def view_parameters(seed: int, index: int) -> dict[str, float]:
    """Camera, light and backdrop of one photograph: a function of (seed, index) alone."""
    rng = np.random.default_rng([seed, _VIEW_STREAM, index])
    white_balance = rng.normal(0.0, 0.055, 2)
    return {
        "rotation": float(rng.normal(0.0, 0.5)),
        "foreshortening": _between(rng, 1.0, 1.35),
        "tilt_axis": _between(rng, -math.pi, math.pi),
        "zoom": _between(rng, 0.85, 1.25),
        "shift_x": float(rng.normal(0.0, 0.13)),
        "shift_y": float(rng.normal(0.0, 0.13)),
        "light_azimuth": _between(rng, -math.pi, math.pi),
        "light_tilt": _between(rng, 0.15, 0.95),
        "ambient": _between(rng, 0.22, 0.50),
        "falloff": _between(rng, 0.0, 0.35),
        "exposure": math.exp(float(rng.normal(0.28, 0.24))),
        "red_gain": math.exp(float(white_balance[0]) + 0.03),
        "blue_gain": math.exp(float(white_balance[1]) - 0.03),
        "vignette": _between(rng, 0.0, 0.30),
        "defocus": 0.0012 + 0.0060 * rng.random() ** 2,
        "noise": _between(rng, 0.002, 0.010),
        "noise_seed": float(rng.integers(2**31)),
        "backdrop": float(rng.choice(len(BACKDROPS), p=_BACKDROP_SHARE)),
        "backdrop_second": float(rng.choice(len(BACKDROPS), p=_BACKDROP_SHARE)),
        "backdrop_edge": _between(rng, -0.2, 1.6),
        "backdrop_angle": _between(rng, -math.pi, math.pi),
        "backdrop_folds": _between(rng, 0.3, 1.0),
        "backdrop_tone": _between(rng, 0.0, 1.0),
    }
