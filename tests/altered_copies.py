"""Every kind of altered copy that the copy detector is measured on: functions of (image, other image, seed).

image, other: uint8 [S, S, 3]; other: a photograph of somebody else, for blends and pastes. Lengths in pixels are
those of an image of 128 and grow with the side.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import affine_transform, gaussian_filter, map_coordinates, median_filter

Picture = npt.NDArray[np.uint8]
Change = Callable[[Picture, Picture, int], Picture]

NOMINAL_SIDE = 128


def to_picture(values: npt.NDArray[np.floating]) -> Picture:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def move(
    image: Picture, *, turn: float = 0, scale: tuple[float, float] = (1, 1), shift: tuple[float, float] = (0, 0)
) -> Picture:
    """Turn by degrees, enlarge down and across, and shift by pixels of NOMINAL_SIDE; edges are reflected."""
    angle = np.deg2rad(turn)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.diag(1 / np.array(scale)) @ rotation
    middle = (np.array(image.shape[:2]) - 1) / 2
    offset = middle - matrix @ (middle + np.array(shift) * image.shape[0] / NOMINAL_SIDE)
    channels = [
        affine_transform(channel.astype(np.float32), matrix, offset, order=3, mode="mirror")
        for channel in np.moveaxis(image, -1, 0)
    ]
    return to_picture(np.stack(channels, axis=-1))


def rotated(image: Picture, other: Picture, seed: int, *, degrees: float) -> Picture:
    return np.rot90(image, int(degrees // 90)) if degrees % 90 == 0 else move(image, turn=degrees)


def zoomed(image: Picture, other: Picture, seed: int, *, scale: float) -> Picture:
    return move(image, scale=(scale, scale))


def stretched(image: Picture, other: Picture, seed: int, *, share: float) -> Picture:
    return move(image, scale=(1 + share, 1))


def shifted(image: Picture, other: Picture, seed: int, *, pixels: float) -> Picture:
    return move(image, shift=(pixels, pixels))


def mirrored(image: Picture, other: Picture, seed: int) -> Picture:
    return image[:, ::-1]


def flipped(image: Picture, other: Picture, seed: int) -> Picture:
    return image[::-1]


def cropped(image: Picture, other: Picture, seed: int, *, share: float) -> Picture:
    """A square of `share` of the side at a random place, enlarged to the whole."""
    side = image.shape[0]
    kept = round(side * share)
    down, across = np.random.default_rng([seed, 1]).integers(0, side - kept + 1, 2)
    part = Image.fromarray(np.ascontiguousarray(image[down : down + kept, across : across + kept]))
    return np.asarray(part.resize((side, side), Image.Resampling.BICUBIC))


def tilted(image: Picture, other: Picture, seed: int, *, share: float) -> Picture:
    """Perspective: each corner moved inwards by up to `share` of the side."""
    side = image.shape[0]
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]], float)
    inwards = np.sign(side / 2 - corners) * np.random.default_rng([seed, 2]).uniform(0, share * side, (4, 2))
    rows = []
    for (x, y), (u, v) in zip(corners, corners + inwards, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    coefficients = np.linalg.solve(np.array(rows), (corners + inwards).reshape(-1))
    moved = Image.fromarray(image).transform(
        (side, side), Image.Transform.PERSPECTIVE, tuple(coefficients), Image.Resampling.BICUBIC
    )
    return np.asarray(moved)


def elastic(image: Picture, other: Picture, seed: int, *, pixels: float) -> Picture:
    """Smooth random displacement of up to `pixels` (Simard et al. 2003), with a correlation length of 10."""
    side, rng = image.shape[0], np.random.default_rng([seed, 3])
    fields = gaussian_filter(rng.standard_normal((2, side, side)), (0, side / 12.8, side / 12.8))
    fields *= pixels * side / NOMINAL_SIDE / np.abs(fields).max()
    places = np.indices((side, side)) + fields
    channels = [map_coordinates(image[..., c].astype(np.float32), places, order=1, mode="mirror") for c in range(3)]
    return to_picture(np.stack(channels, axis=-1))


def blurred(image: Picture, other: Picture, seed: int, *, pixels: float) -> Picture:
    sigma = pixels * image.shape[0] / NOMINAL_SIDE
    return to_picture(gaussian_filter(image.astype(np.float32), (sigma, sigma, 0)))


def reduced(image: Picture, other: Picture, seed: int, *, side: int) -> Picture:
    small = Image.fromarray(np.ascontiguousarray(image)).resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(small.resize(image.shape[:2], Image.Resampling.BICUBIC))


def compressed(image: Picture, other: Picture, seed: int, *, quality: int) -> Picture:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def gamma_changed(image: Picture, other: Picture, seed: int, *, gamma: float) -> Picture:
    return to_picture(255 * (image / 255) ** gamma)


def hue_turned(image: Picture, other: Picture, seed: int, *, degrees: float) -> Picture:
    hsv = np.asarray(Image.fromarray(np.ascontiguousarray(image)).convert("HSV")).copy()
    hsv[..., 0] = (hsv[..., 0].astype(int) + round(degrees / 360 * 256)) % 256
    return np.asarray(Image.fromarray(hsv, "HSV").convert("RGB"))


def saturated(image: Picture, other: Picture, seed: int, *, share: float) -> Picture:
    grey = image.astype(np.float32).mean(axis=-1, keepdims=True)
    return to_picture(grey + share * (image - grey))


def brightened(image: Picture, other: Picture, seed: int, *, levels: float) -> Picture:
    return to_picture(image.astype(np.float32) + levels)


def contrasted(image: Picture, other: Picture, seed: int, *, share: float) -> Picture:
    middle = image.astype(np.float32).mean()
    return to_picture(middle + share * (image - middle))


def noisy(image: Picture, other: Picture, seed: int, *, levels: float) -> Picture:
    noise = np.random.default_rng([seed, 4]).normal(0, levels, image.shape)
    return to_picture(image + noise)


def sharpened(image: Picture, other: Picture, seed: int) -> Picture:
    values = image.astype(np.float32)
    return to_picture(2 * values - gaussian_filter(values, (1, 1, 0)))


def posterised(image: Picture, other: Picture, seed: int, *, colours: int) -> Picture:
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).quantize(colours).convert("RGB"))


def recoloured(image: Picture, other: Picture, seed: int) -> Picture:
    """Mean and spread of each channel as those of the other photograph."""
    values, aim = image.astype(np.float32), other.astype(np.float32)
    spread = np.maximum(values.std(axis=(0, 1)), 1)
    return to_picture((values - values.mean(axis=(0, 1))) / spread * aim.std(axis=(0, 1)) + aim.mean(axis=(0, 1)))


def blended(image: Picture, other: Picture, seed: int, *, share: float) -> Picture:
    return to_picture(share * image.astype(np.float32) + (1 - share) * other.astype(np.float32))


def pasted(image: Picture, other: Picture, seed: int, *, matched: bool) -> Picture:
    """The wound (the middle two thirds: preparation leaves a margin of a quarter) into the other photograph."""
    side = image.shape[0]
    across = np.abs(np.linspace(-1, 1, side))
    radius = np.sqrt(np.square(across[:, None]) + np.square(across[None]))
    inside = np.clip((0.67 - radius) / 0.1 + 0.5, 0, 1)[..., None]
    source = recoloured(image, other, seed) if matched else image
    return to_picture(inside * source + (1 - inside) * other.astype(np.float32))


def warped_round(image: Picture, other: Picture, seed: int, *, strength: float) -> Picture:
    """Fisheye: what lies at radius r comes from r (1 - strength (1 - r^2)), so the middle is enlarged most."""
    side = image.shape[0]
    down, across = np.indices((side, side)) / (side - 1) * 2 - 1
    factor = 1 - strength * np.clip(1 - down**2 - across**2, 0, None)
    places = (np.stack([down, across]) * factor + 1) / 2 * (side - 1)
    channels = [map_coordinates(image[..., c].astype(np.float32), places, order=1, mode="mirror") for c in range(3)]
    return to_picture(np.stack(channels, axis=-1))


def swirled(image: Picture, other: Picture, seed: int, *, degrees: float) -> Picture:
    """Turned by `degrees` in the middle, by nothing at the edge."""
    side = image.shape[0]
    down, across = np.indices((side, side)) / (side - 1) * 2 - 1
    angle = np.deg2rad(degrees) * np.clip(1 - np.hypot(down, across), 0, None)
    places = np.stack([np.cos(angle) * down - np.sin(angle) * across, np.sin(angle) * down + np.cos(angle) * across])
    places = (places + 1) / 2 * (side - 1)
    channels = [map_coordinates(image[..., c].astype(np.float32), places, order=1, mode="mirror") for c in range(3)]
    return to_picture(np.stack(channels, axis=-1))


def occluded(image: Picture, other: Picture, seed: int, *, share: float) -> Picture:
    """A grey bar over `share` of the height, at a random place."""
    side = image.shape[0]
    high = round(share * side)
    first = int(np.random.default_rng([seed, 5]).integers(0, side - high + 1))
    covered = image.copy()
    covered[first : first + high] = 128
    return covered


def channels_swapped(image: Picture, other: Picture, seed: int) -> Picture:
    return image[..., [2, 0, 1]]


def inverted(image: Picture, other: Picture, seed: int) -> Picture:
    return 255 - image


def halftoned(image: Picture, other: Picture, seed: int) -> Picture:
    """Ordered dither (Bayer 1973, 4 x 4) to 2 levels of each channel."""
    two = np.array([[0, 2], [3, 1]])
    four = np.block([[4 * two, 4 * two + 2], [4 * two + 3, 4 * two + 1]])
    side = image.shape[0]
    limits = np.tile((four + 0.5) * 16, (side // 4 + 1, side // 4 + 1))[:side, :side, None]
    return np.where(image > limits, 255, 0).astype(np.uint8)


def vignetted(image: Picture, other: Picture, seed: int) -> Picture:
    """Darker towards the corners, down to a tenth."""
    across = np.linspace(-1, 1, image.shape[0])
    radius = np.square(across[:, None]) + np.square(across[None])
    return to_picture(image * np.clip(1 - 0.45 * radius, 0.1, 1)[..., None])


def pixelated(image: Picture, other: Picture, seed: int, *, pixels: int) -> Picture:
    small = image.shape[0] // pixels
    mean = Image.fromarray(np.ascontiguousarray(image)).resize((small, small), Image.Resampling.BOX)
    return np.asarray(mean.resize(image.shape[:2], Image.Resampling.NEAREST))


def seam_removed(image: Picture, other: Picture, seed: int, *, share: float) -> Picture:
    """A band of `share` of the width cut out of the middle, the rest stretched to the whole."""
    side = image.shape[0]
    half, cut = side // 2, round(share * side / 2)
    rest = np.concatenate([image[:, : half - cut], image[:, half + cut :]], axis=1)
    return np.asarray(Image.fromarray(np.ascontiguousarray(rest)).resize((side, side), Image.Resampling.BICUBIC))


def collaged(image: Picture, other: Picture, seed: int) -> Picture:
    """The left half of the image beside the left half of the other."""
    half = image.shape[0] // 2
    return np.concatenate([image[:, :half], other[:, :half]], axis=1)


def median_filtered(image: Picture, other: Picture, seed: int, *, pixels: int) -> Picture:
    return median_filter(image, (pixels, pixels, 1))


def solarised(image: Picture, other: Picture, seed: int) -> Picture:
    return np.where(image > 127, 255 - image, image).astype(np.uint8)


def lined(image: Picture, other: Picture, seed: int) -> Picture:
    """Rows shifted sideways by up to 2 pixels of NOMINAL_SIDE, each by another, as a bad scan does."""
    shifts = np.random.default_rng([seed, 6]).integers(-2, 3, image.shape[0]) * image.shape[0] // NOMINAL_SIDE
    return np.stack([np.roll(row, shift, axis=0) for row, shift in zip(image, shifts, strict=True)])


def in_turn(image: Picture, other: Picture, seed: int, *, changes: tuple[Change, ...]) -> Picture:
    for change in changes:
        image = change(np.ascontiguousarray(image), other, seed)
    return image


SINGLE: dict[str, Change] = {
    "identity": partial(in_turn, changes=()),
    **{f"rotation {d}": partial(rotated, degrees=d) for d in (5, 10, 15, 30, 45, 90, 135, 180, 270)},
    "mirror": mirrored,
    "flip top-bottom": flipped,
    **{f"zoom {s}": partial(zoomed, scale=s) for s in (1.15, 1.3, 1.5, 0.8)},
    **{f"crop {round(100 * s)} %": partial(cropped, share=s) for s in (0.8, 0.7, 0.6)},
    "aspect 10 %": partial(stretched, share=0.1),
    **{f"shift {p}": partial(shifted, pixels=p) for p in (5, 10, 20)},
    "perspective 12 %": partial(tilted, share=0.12),
    **{f"elastic {p}": partial(elastic, pixels=p) for p in (3, 6, 10)},
    **{f"blur {p}": partial(blurred, pixels=p) for p in (1, 2)},
    "down to 32": partial(reduced, side=32),
    **{f"JPEG {q}": partial(compressed, quality=q) for q in (30, 10)},
    **{f"gamma {g}": partial(gamma_changed, gamma=g) for g in (0.6, 1.6)},
    **{f"hue +{d}": partial(hue_turned, degrees=d) for d in (20, 60)},
    **{f"saturation {s}": partial(saturated, share=s) for s in (0.4, 1.8)},
    "grey": partial(saturated, share=0.0),
    "brightness +40": partial(brightened, levels=40),
    **{f"contrast {s}": partial(contrasted, share=s) for s in (1.5, 0.5)},
    "noise 15": partial(noisy, levels=15),
    "sharpened": sharpened,
    "16 colours": partial(posterised, colours=16),
    "colours of another": recoloured,
}

MIXED: dict[str, Change] = {
    "blend 70/30": partial(blended, share=0.7),
    "blend 50/50": partial(blended, share=0.5),
    "wound pasted": partial(pasted, matched=False),
    "wound pasted, tones matched": partial(pasted, matched=True),
}

UNLISTED: dict[str, Change] = {
    "perspective 25 %": partial(tilted, share=0.25),
    "elastic 16": partial(elastic, pixels=16),
    "fisheye": partial(warped_round, strength=0.3),
    "swirl 60": partial(swirled, degrees=60),
    "bar over 30 %": partial(occluded, share=0.3),
    "channels swapped": channels_swapped,
    "negative": inverted,
    "solarised": solarised,
    "4 colours": partial(posterised, colours=4),
    "halftone": halftoned,
    "vignette": vignetted,
    "pixelated by 4": partial(pixelated, pixels=4),
    "band of 15 % cut out": partial(seam_removed, share=0.15),
    "half beside another's half": collaged,
    "median of 5": partial(median_filtered, pixels=5),
    "rows shifted": lined,
}
"""Kinds that the detector was not built or tuned on, thought of after it."""

COMBINED: dict[str, tuple[str, ...]] = {
    "mirror + rotation 15": ("mirror", "rotation 15"),
    "mirror + rotation 90": ("mirror", "rotation 90"),
    "zoom 1.3 + gamma 0.6": ("zoom 1.3", "gamma 0.6"),
    "zoom 0.8 + JPEG 10": ("zoom 0.8", "JPEG 10"),
    "shift 20 + blur 1": ("shift 20", "blur 1"),
    "crop 70 % + noise 15": ("crop 70 %", "noise 15"),
    "rotation 45 + contrast 0.5": ("rotation 45", "contrast 0.5"),
    "rotation 15 + hue 20 + noise 15": ("rotation 15", "hue +20", "noise 15"),
    "rotation 180 + gamma 1.6 + JPEG 10": ("rotation 180", "gamma 1.6", "JPEG 10"),
    "mirror + zoom 1.3 + colours of another": ("mirror", "zoom 1.3", "colours of another"),
    "zoom 1.15 + elastic 3 + JPEG 30": ("zoom 1.15", "elastic 3", "JPEG 30"),
    "flip + shift 10 + grey": ("flip top-bottom", "shift 10", "grey"),
}


def build_kinds() -> dict[str, tuple[str, Change]]:
    """Every kind by name: its family (single, combined, mixed, unlisted) and the function that makes the copy."""
    combined = {
        name: ("combined", partial(in_turn, changes=tuple(SINGLE[part] for part in parts)))
        for name, parts in COMBINED.items()
    }
    return {
        **{name: ("single", change) for name, change in SINGLE.items()},
        **combined,
        **{name: ("mixed", change) for name, change in MIXED.items()},
        **{name: ("unlisted", change) for name, change in UNLISTED.items()},
    }
