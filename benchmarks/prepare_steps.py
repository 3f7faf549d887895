"""Where the time of preparing a photograph goes, step by step, beside the same steps of a bare loop; one process.

    python benchmarks/prepare_steps.py --data ../shared/data/foot_ulcers [--rounds 5]

Prints processor milliseconds a photograph, the least over rounds, and in how many photographs a step was needed at all.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from woundgen.data.files.images import decode_image
from woundgen.data.files.reader import Reader
from woundgen.data.layouts.find_photos import find_photos
from woundgen.data.pixels.crop import bands, corners, overlap, size_of_box, square_for
from woundgen.data.pixels.padding import content_box
from woundgen.data.pixels.pixel_cache import PixelCache
from woundgen.data.pixels.stamps import stamp_in
from woundgen.records import Photo

RESOLUTION, MARGIN = 128, 0.25
T = TypeVar("T")


class Steps:
    """Processor seconds by step, and how often each was taken."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.taken: Counter[str] = Counter()

    def time(self, name: str, work: Callable[[], T]) -> T:
        started = time.process_time()
        result = work()
        self.seconds[name] += time.process_time() - started  # type: ignore[assignment]
        self.taken[name] += 1
        return result


def resized(image: Image.Image) -> Image.Image:
    return image.resize((RESOLUTION, RESOLUTION), Image.Resampling.LANCZOS)


def ours(photo: Photo, reader: Reader, cache: PixelCache, steps: Steps) -> None:
    content = steps.time("ours: read safely", lambda: reader.read(photo.path))
    digest = steps.time("ours: hash the file", lambda: hashlib.sha256(content).hexdigest())
    image = steps.time("ours: decode", lambda: decode_image(content, name=photo.path))
    inner = steps.time("ours: find padding", lambda: content_box(image))
    square = square_for(image, photo.box, margin=MARGIN)
    for band in bands(inner):
        if overlap(square, band):
            part = image.crop(corners(band))
            steps.time("ours: look for a stamp", lambda part=part: stamp_in(part, shorter=min(size_of_box(inner))))
    small = steps.time("ours: crop and resize", lambda: np.asarray(resized(image.crop(corners(square)))))
    steps.time("ours: hash and write the entry", lambda: cache.put(digest, digest, small))


def bare(photo: Photo, steps: Steps) -> None:
    def opened() -> Image.Image:
        with Image.open(photo.path) as image:
            return image.convert("RGB")

    image = steps.time("bare: open, decode, convert", opened)
    square = square_for(image, photo.box, margin=MARGIN)
    small = steps.time("bare: crop and resize", lambda: np.asarray(resized(image.crop(corners(square)))))
    steps.time("bare: hash", lambda: hashlib.sha256(small.tobytes()).hexdigest())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    root = options.data.resolve()
    photos = find_photos(root, phases=("I", "P", "R"))
    least: dict[str, float] = {}
    for _ in range(options.rounds):
        steps = Steps()
        with tempfile.TemporaryDirectory() as folder, Reader([root]) as reader:
            cache = PixelCache.open(Path(folder) / "cache")
            for photo in photos:
                bare(photo, steps)
                ours(photo, reader, cache, steps)
        for name, seconds in steps.seconds.items():
            least[name] = min(least.get(name, seconds), seconds)
    for name, seconds in sorted(least.items()):
        print(f"{name:32s} {1e3 * seconds / len(photos):6.3f} ms, in {steps.taken[name]} of {len(photos)}")
    for whose in ("bare", "ours"):
        total = sum(seconds for name, seconds in least.items() if name.startswith(whose))
        print(f"{whose + ', all':32s} {1e3 * total / len(photos):6.3f} ms")


if __name__ == "__main__":
    main()
