"""Black padding and date stamps of known place: how often they are found, left in a crop, or seen where there are none.

    python benchmarks/detectors.py --count 300 [--data ../shared/data/foot_ulcers]

Phantoms of 384 pixels, which no bound of the detectors was set on, are padded by 8 to 150 pixels on each side with
probability one half, stamped with a date of random size, place and colour, and saved as JPEG of quality 60 to 95.
--data draws the same stamps into the photographs of a folder in which none is found: other backgrounds, without padding
of ours. Every share has its exact 95 % interval (Clopper & Pearson 1934).
"""

from __future__ import annotations

import io
from collections import defaultdict
from pathlib import Path

import numpy as np
from harness import make_parser, read_options, share
from PIL import Image, ImageDraw, ImageFont

from woundgen.data.files.images import read_photograph
from woundgen.data.layouts.find_photos import find_photos
from woundgen.data.pixels.crop import find_stamp, overlap, square_for
from woundgen.data.pixels.padding import content_box
from woundgen.phantoms import draw_phantoms
from woundgen.records import Box

SIDE, SEED = 384, 20_077
COLOURS = {
    "orange": (225, 150, 30),
    "yellow": (235, 205, 60),
    "red": (225, 80, 35),
    "white": (240, 240, 235),
}
LOST = 4  # pixels of the photograph that may go with the padding's seam
Tally = dict[str, list[bool]]


def as_jpeg(image: Image.Image, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


def padded(pixels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, Box]:
    """The picture with black borders, and where it lies in them."""
    left, top, right, bottom = (int(rng.integers(8, 151)) if rng.random() < 0.5 else 0 for _ in range(4))
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((top, bottom), (left, right), (0, 0))), Box(left, top, left + width, top + height)


def stamped(
    pixels: np.ndarray, within: Box, colour: tuple[int, ...], rng: np.random.Generator
) -> tuple[Image.Image, Box]:
    """A date near the lower or upper edge of `within`, and the box of its digits."""
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    shorter = min(within.x_max - within.x_min, within.y_max - within.y_min)
    font = ImageFont.load_default(size=15 / 384 * shorter * rng.uniform(0.85, 1.3))
    day, month, year = rng.integers(1, 29), rng.integers(1, 13), rng.integers(2005, 2025)
    text = str(
        rng.choice(
            [f"{day:02d}/{month:02d}/{year}", f"{year}.{month:02d}.{day:02d}", f"{day} {month:02d} '{year % 100:02d}"]
        )
    )
    _, _, wide, high = draw.textbbox((0, 0), text, font=font)
    gap = shorter / 384 * rng.uniform(18, 50, 2)
    x = int(rng.choice([within.x_min + gap[0], within.x_max - gap[0] - wide]))
    y = int(rng.choice([within.y_min + gap[1], within.y_max - gap[1] - high], p=[0.2, 0.8]))
    stroke = max(1, round(shorter / 384))
    draw.text((x, y), text, fill=colour, font=font, stroke_width=stroke, stroke_fill=tuple(c // 4 for c in colour))
    return image, Box(*(int(v) for v in draw.textbbox((x, y), text, font=font)))


def shown(pixels: np.ndarray, box: Box | None) -> Box:
    return square_for(pixels, box, margin=0.25)


def look_at_padding(pixels: np.ndarray, content: Box, wound: Box, tally: Tally) -> None:
    found = content_box(pixels)
    edges = ("x_min", "y_min", "x_max", "y_max")
    off = [abs(getattr(found, edge) - getattr(content, edge)) for edge in edges]
    tally["padding: content within it, at most 4 pixels lost"].append(inside(found, content) and max(off) <= LOST)
    for name, box in (("in the middle", None), ("around the wound", wound)):
        tally[f"padding: left in the crop {name}"].append(not inside(shown(pixels, box), content))


def inside(inner: Box, outer: Box) -> bool:
    low = inner.x_min >= outer.x_min and inner.y_min >= outer.y_min
    return low and inner.x_max <= outer.x_max and inner.y_max <= outer.y_max


def look_at_stamp(pixels: np.ndarray, digits: Box, name: str, tally: Tally) -> None:
    found = find_stamp(pixels, content_box(pixels))
    tally[f"{name}: found"].append(found is not None and overlap(found, digits))
    tally[f"{name}: shown in the crop in the middle"].append(overlap(shown(pixels, None), digits))


def of_phantoms(count: int, tally: Tally) -> None:
    for index in range(count):
        rng = np.random.default_rng([SEED, index])
        drawn = draw_phantoms([index], seed=SEED, size=SIDE)
        pixels, content = padded(drawn.images[0], rng)
        left, top, right, bottom = (int(v) for v in drawn.boxes[0])
        wound = Box(left + content.x_min, top + content.y_min, right + content.x_min, bottom + content.y_min)
        quality = int(rng.integers(60, 96))
        plain = as_jpeg(Image.fromarray(pixels), quality)
        look_at_padding(plain, content, wound, tally)
        tally["no stamp: one is seen"].append(find_stamp(plain, content_box(plain)) is not None)
        for name, colour in COLOURS.items():
            image, digits = stamped(pixels, content, colour, rng)
            look_at_stamp(as_jpeg(image, quality), digits, f"{name} stamp on a phantom", tally)


def of_photographs(data: Path, tally: Tally) -> None:
    root = data.resolve()
    for number, photo in enumerate(find_photos(root, phases=("I", "P", "R"))):
        rng = np.random.default_rng([SEED, number])
        pixels = read_photograph(Path(photo.path), roots=[root])
        content = content_box(pixels)
        if find_stamp(pixels, content) is not None:
            continue
        for name, colour in COLOURS.items():
            image, digits = stamped(pixels, content, colour, rng)
            look_at_stamp(as_jpeg(image, int(rng.integers(60, 96))), digits, f"{name} stamp on a photograph", tally)


def main() -> None:
    parser = make_parser(__doc__, count=300)
    parser.add_argument("--data", type=Path)
    options = read_options(parser)
    tally: Tally = defaultdict(list)
    of_phantoms(options.count, tally)
    if options.data is not None:
        of_photographs(options.data, tally)
    for name, seen in tally.items():
        print(f"{name:58s} {share(sum(seen), len(seen))}")


if __name__ == "__main__":
    main()
