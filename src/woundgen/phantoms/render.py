"""From named parameters to photographs: layers of tissue, relief and light, then a camera."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from woundgen.records import PHASES

from . import materials as m
from .camera import photograph
from .parameters import patient_parameters, view_parameters
from .scene import limb_height, limb_inset, rotate, scene_coordinates, smoothstep, wound_inset
from .textures import BANK_SIZE, CHANNELS, TEXELS_PER_UNIT, sample_bank

RENDERER_VERSION: int = 1
"""Raised whenever the image of any (seed, index) changes: models name the version they were trained on."""

_CHUNK = 2
"""Phantoms rendered at once: fields of more than a few at 128 x 128 fall out of the processor's cache."""

_LIMB_EDGE = 0.012
_FOLD_TEXELS_PER_UNIT = 34.0
_SQUARINGS_SKIN, _SQUARINGS_WET = 4, 6
"""Blinn exponents as powers of two: 16 for skin, 64 for wet tissue."""

Fields = dict[str, np.ndarray]


@dataclass(frozen=True)
class Phantoms:
    """A set of rendered wounds.

    images: uint8 [N, S, S, 3], sRGB.
    phases: one of PHASES each.
    patients: int [N].
    boxes: int [N, 4], pixels as (x_min, y_min, x_max, y_max), the maximum exclusive, round the wound bed and
        its rim; zero without a wound.
    parameters: float64 [N] for every named parameter.
    """

    images: np.ndarray
    phases: tuple[str, ...]
    patients: np.ndarray
    boxes: np.ndarray
    parameters: dict[str, np.ndarray]


@dataclass(frozen=True)
class _Surface:
    """Surface to be lit: albedo [3, N, S, S]; height, wetness and occlusion [N, S, S]."""

    albedo: np.ndarray
    height: np.ndarray
    wetness: np.ndarray
    shade: np.ndarray


def _textures(p: Fields, x: np.ndarray, y: np.ndarray) -> Fields:
    """Every channel of the texture bank at scene points, each [N, S, S]."""
    u, v = rotate(x, y, p["texture_angle"])
    u = u * TEXELS_PER_UNIT + p["texture_u"] * BANK_SIZE
    v = v * TEXELS_PER_UNIT + p["texture_v"] * BANK_SIZE
    samples = np.ascontiguousarray(np.moveaxis(sample_bank(u, v), -1, 0))
    return dict(zip(CHANNELS, samples, strict=True))


def _patches(noise: np.ndarray, fraction: np.ndarray, softness: float) -> np.ndarray:
    """A mask that covers about `fraction` of the plane where standard normal `noise` is high."""
    level = ndtri(np.clip(1.0 - fraction, 1e-4, 1.0 - 1e-4)).astype(np.float32)
    return smoothstep(noise, level - softness, level + softness) * (fraction > 0.0)


def _surface(p: Fields, texture: Fields, limb: np.ndarray, wound: np.ndarray, folds: np.ndarray) -> _Surface:
    """Layers from the skin up to the wound bed. `limb` and `wound` are insets in scene units."""
    t, present = texture, p["wound"]
    outside = np.maximum(-wound, 0.0)
    soft = p["edge_softness"]
    bed = present * smoothstep(wound, -soft, soft)
    near = present * np.exp(-outside / p["halo_width"])
    rim = present * np.exp(-(((wound + 0.5 * p["rim_width"]) / (0.55 * p["rim_width"])) ** 2))

    stellate = present * p["contraction"] * folds * np.exp(-outside / 0.22) * smoothstep(wound, 0.10, -0.05)
    albedo = m.skin_colour(p, t["mottle"], t["patches"], p["redness"] * near * (1.0 + 0.3 * t["warp_x"]))
    albedo = m.mix(albedo, m.STAIN, p["stain"] * 0.7 * smoothstep(t["eschar"] + near, 0.0, 2.2))
    scarred = p["scar"] * present * np.exp(-((outside / p["scar_width"]) ** 2)) * (0.75 + 0.25 * t["warp_y"])
    shiny = 0.6 * m.SCAR * (0.4 + 0.6 * np.sqrt(albedo)) + 0.4 * albedo
    albedo = m.mix(albedo, shiny, np.clip(0.9 * scarred, 0.0, 0.9))
    thick = np.clip(p["callus"] * (0.9 * rim + 0.6 * near + 0.3 * t["patches"]), 0.0, 0.9)
    thick = thick * (1.0 - 0.05 * p["skin_tone"])
    albedo = m.mix(albedo, m.CALLUS * (0.25 + 0.75 * np.sqrt(albedo)), thick)
    pale = np.clip(p["maceration"] * rim * (0.75 + 0.35 * t["mottle"] + 0.35 * t["warp_y"]), 0.0, 0.92)
    albedo = m.mix(albedo, m.MACERATED, pale)
    flakes = _patches(t["fibres"] + 0.7 * t["mottle"], 0.35 * p["dryness"] * np.exp(-outside / 0.14), 0.6)
    flakes = flakes * present * (1.0 - bed)
    albedo = m.mix(albedo, m.SCALE, 0.65 * flakes)

    slough = _patches(0.85 * t["patches"] + 0.22 * t["fibres"] + 0.45 * t["mottle"], p["slough"], 0.85)
    eschar = _patches(t["eschar"] + 0.2 * t["fibres"] + 2.0 * np.minimum(wound, 0.2), p["necrosis"], 0.4)
    new_skin = np.clip(smoothstep(wound, p["epithelium"] + 0.04, -0.02) * (0.9 + 0.2 * t["mottle"]), 0.0, 1.0)
    tissue = m.bed_colour(p, t, slough, eschar)
    tissue = m.mix(tissue, m.EPITHELIUM * (0.35 + 0.65 * np.sqrt(albedo)), new_skin * (1.0 - 0.7 * eschar))
    albedo = m.mix(albedo, tissue, bed)
    crusts = present * _patches(t["eschar"] + 0.8 * t["mottle"], 0.20 * p["crust"] * np.exp(-outside / 0.08), 0.5)
    albedo = m.mix(albedo, m.DRIED_BLOOD, 0.85 * crusts * smoothstep(wound, 0.12, 0.0))

    granular = bed * (1.0 - new_skin) * (1.0 - 0.75 * eschar)
    uneven = np.clip(0.75 + 0.45 * t["warp_x"], 0.2, 1.6)
    grains = uneven * p["granularity"] * t["grains"]
    relief = 0.0085 * granular * ((1.0 - slough) * grains + slough * t["fibres"])
    relief += (1.0 - bed) * (1.0 - 0.7 * np.clip(scarred, 0.0, 1.0)) * p["skin_relief"] * 0.0042 * t["creases"]
    relief += (
        0.0045 * (1.0 - bed) * p["skin_relief"] * t["mottle"] + 0.008 * flakes + 0.003 * bed * t["warp_y"] + stellate
    )
    swell = p["swelling"] * present * np.exp(-((outside / 0.30) ** 2)) + 0.03 * thick + 0.02 * pale
    hollow = p["depth"] * present * smoothstep(wound, -0.02, 0.05 + 0.9 * p["depth"])
    wall = 1.0 - 0.38 * bed * np.clip(p["depth"] / 0.12, 0.0, 1.0) * np.exp(-np.maximum(wound, 0.0) / 0.05)
    crease = 0.45 + 0.55 * smoothstep(limb, -0.02, 0.28)
    wetness = bed * p["gloss"] * (1.0 - 0.8 * eschar) * (1.0 - 0.7 * new_skin)
    wetness = wetness + 0.25 * pale * p["gloss"]
    return _Surface(albedo, limb_height(p, limb) + swell - hollow + relief, wetness, crease * wall)


def _power_of_two(base: np.ndarray, squarings: int) -> np.ndarray:
    for _ in range(squarings):
        base = base * base
    return base


def _lit(p: Fields, surface: _Surface, scale: np.ndarray, scarred: np.ndarray) -> np.ndarray:
    """Lambert and Blinn shading. `scale` is scene units per pixel, the unit of the height's gradient."""
    slope_y = np.gradient(surface.height, axis=1) / scale
    slope_x = np.gradient(surface.height, axis=2) / scale
    norm = 1.0 / np.sqrt(1.0 + slope_x * slope_x + slope_y * slope_y)
    light_x = np.sin(p["light_tilt"]) * np.cos(p["light_azimuth"])
    light_y = np.sin(p["light_tilt"]) * np.sin(p["light_azimuth"])
    light_z = np.cos(p["light_tilt"])
    lambert = np.maximum((light_z - slope_x * light_x - slope_y * light_y) * norm, 0.0)
    half = 1.0 / np.sqrt(2.0 * (1.0 + light_z))
    towards = np.maximum((light_z + 1.0 - slope_x * light_x - slope_y * light_y) * norm * half, 0.0)
    sheen = _power_of_two(towards, _SQUARINGS_SKIN)
    glint = _power_of_two(sheen, _SQUARINGS_WET - _SQUARINGS_SKIN)
    diffuse = (p["ambient"] * (0.6 + 0.4 * norm) + (1.0 - p["ambient"]) * lambert) * surface.shade
    skin_gloss = 0.10 * (p["skin_gloss"] + 0.5 * scarred)
    shine = skin_gloss * sheen + 0.50 * surface.wetness * glint
    return surface.albedo * diffuse + shine * surface.shade


def _boxes(mask: np.ndarray) -> np.ndarray:
    """Bounding boxes of bool masks [N, S, S]: int [N, 4], zeros for an empty mask."""
    boxes = np.zeros((len(mask), 4), np.int64)
    for row, wound in enumerate(mask):
        columns, lines = np.flatnonzero(wound.any(0)), np.flatnonzero(wound.any(1))
        if columns.size:
            boxes[row] = columns[0], lines[0], columns[-1] + 1, lines[-1] + 1
    return boxes


def render(parameters: Mapping[str, np.ndarray], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [N, size, size, 3] and boxes int [N, 4] of parameters given as arrays [N]."""
    p = {name: np.asarray(values, np.float32).reshape(-1, 1, 1) for name, values in parameters.items()}
    p["noise_seed_exact"] = np.asarray(parameters["noise_seed"], np.int64)
    x, y = scene_coordinates(p, size)
    x, y = np.broadcast_arrays(x, y)
    texture = _textures(p, x, y)
    limb = limb_inset(p, x + 0.02 * texture["warp_x"], y + 0.02 * texture["warp_y"])
    wound, folds = wound_inset(p, x, y, texture["warp_x"] + 0.3 * texture["mottle"], texture["warp_y"])
    wound = wound + 0.05 * p["jaggedness"] * texture["mottle"]
    surface = _surface(p, texture, limb, wound, folds)
    scale = p["zoom"] * (2.0 / size)
    scar = p["scar"] * p["wound"] * np.exp(-np.abs(wound) / p["scar_width"])
    lit = _lit(p, surface, scale, scar)

    u, v = p["texture_v"] * BANK_SIZE, p["texture_u"] * BANK_SIZE
    grid = _FOLD_TEXELS_PER_UNIT
    backdrop_x, backdrop_y = rotate(x, y, p["backdrop_angle"])
    cloth = sample_bank(u + grid * backdrop_x, v + 0.45 * grid * backdrop_y, 0, 1)[..., 0]
    backdrop = m.backdrop_colour(p, cloth, 0.22 * texture["fibres"] + 0.15 * texture["mottle"], size)
    backdrop = backdrop * (1.0 - 0.65 * np.exp(np.minimum(limb, 0.0) / 0.13))
    light = m.mix(backdrop, lit, smoothstep(limb, -_LIMB_EDGE, _LIMB_EDGE))
    # Falloff: the lamp is nearer to one side of the frame.
    side = np.cos(p["light_azimuth"]) * x + np.sin(p["light_azimuth"]) * y
    light = light * np.clip(1.0 + p["falloff"] * side, 0.3, 1.6)
    wounded = (wound > -0.5 * p["rim_width"]) & (limb > 0.0) & (p["wound"] > 0.0)
    return photograph(p, light, size), _boxes(wounded)


def _draw(
    indices: Sequence[int], seed: int, phases: Sequence[str], size: int, views_per_patient: int, wound: bool
) -> Phantoms:
    unknown = [phase for phase in phases if phase not in PHASES]
    if unknown or not phases:
        raise ValueError(f"phases must be some of {PHASES}, not {tuple(phases)}")
    if size < 8 or views_per_patient < 1:
        raise ValueError(f"size must be >= 8 and views_per_patient >= 1, not {size} and {views_per_patient}")
    patients = np.asarray(indices, np.int64) // views_per_patient
    assigned = tuple(phases[int(patient) % len(phases)] for patient in patients)
    rows = [
        patient_parameters(seed, int(patient), phase, wound) | view_parameters(seed, int(index))
        for index, patient, phase in zip(indices, patients, assigned, strict=True)
    ]
    names = list(rows[0]) if rows else []
    parameters = {name: np.array([row[name] for row in rows]) for name in names}
    images = np.empty((len(rows), size, size, 3), np.uint8)
    boxes = np.zeros((len(rows), 4), np.int64)
    for start in range(0, len(rows), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        images[chunk], boxes[chunk] = render({k: v[chunk] for k, v in parameters.items()}, size)
    return Phantoms(images, assigned, patients, boxes, parameters)


def draw_phantoms(
    indices: Sequence[int],
    *,
    seed: int,
    phases: Sequence[str] = PHASES,
    size: int = 128,
    views_per_patient: int = 1,
) -> Phantoms:
    """Render the phantoms of `indices`; each depends on (seed, index, phases, views_per_patient) alone.

    Phantom `index` is a view of patient `index // views_per_patient`, and that patient's phase is
    `phases[patient % len(phases)]`, so any run of consecutive indices is balanced.
    Raises ValueError for an unknown phase, a size below 8 pixels, or fewer than one view per patient.
    """
    return _draw(indices, seed, phases, size, views_per_patient, wound=True)


def draw_healthy_skin(indices: Sequence[int], *, seed: int, size: int = 128) -> Phantoms:
    """The same limbs and cameras as `draw_phantoms` without a wound; boxes are zero."""
    return _draw(indices, seed, PHASES, size, 1, wound=False)
