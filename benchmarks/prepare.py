"""Preparing photographs against a bare loop in as many processes, interleaved; and memory against their number.

    python benchmarks/prepare.py --data ../shared/data/foot_ulcers --count 10000 [--rounds 5] [--times 1]

bare   opens each file, decodes it fully, crops to the wound's box with margin, resizes with LANCZOS and hashes it
ours   iterate_prepared: reads safely, finds padding and stamps, crops, resizes, and keeps raw pixels in the cache
warm   the same again, from the cache

The photographs of --data are copied until there are --count, each with other trailing bytes, so that no two have one
digest. Prints medians over rounds; the order changes from round to round. Peak memory is that of a process of its own
and its children (ru_maxrss), for a tenth of the photographs and for all. Everything lies in a temporary folder: with
TMPDIR on a disk, creating a file of the cache takes 20 to 1,000 us (ext4 does not give the inodes of files deleted
in the last half minute again, and looks past each of them); TMPDIR=/dev/shm leaves that out.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from woundgen.data.layouts.find_photos import find_photos
from woundgen.data.pixels.prepare import CHUNK, Recipe, iterate_prepared
from woundgen.records import Box, Photo

RESOLUTION, MARGIN = 128, 0.25


def bare_chunk(photos: list[Photo]) -> list[str]:
    digests = []
    for photo in photos:
        with Image.open(photo.path) as image:
            rgb = image.convert("RGB")
        box = photo.box
        assert box is not None
        side = min(round(max(box.x_max - box.x_min, box.y_max - box.y_min) * (1 + 2 * MARGIN)), *rgb.size)
        left = min(max((box.x_min + box.x_max - side) // 2, 0), rgb.width - side)
        top = min(max((box.y_min + box.y_max - side) // 2, 0), rgb.height - side)
        small = rgb.crop((left, top, left + side, top + side))
        small = small.resize((RESOLUTION, RESOLUTION), Image.Resampling.LANCZOS)
        digests.append(hashlib.sha256(np.asarray(small).tobytes()).hexdigest())
    return digests


def clocks() -> tuple[float, float]:
    """(seconds by the clock, processor seconds of this process and its ended children)."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return time.perf_counter(), sum(one.ru_utime + one.ru_stime for one in used)


def bare(photos: list[Photo], processes: int) -> tuple[float, float]:
    started = clocks()
    chunks = [photos[first : first + CHUNK] for first in range(0, len(photos), CHUNK)]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        assert sum(len(digests) for digests in pool.map(bare_chunk, chunks)) == len(photos)
    return since(started)


def since(started: tuple[float, float]) -> tuple[float, float]:
    now = clocks()
    return now[0] - started[0], now[1] - started[1]


def ours(photos: list[Photo], root: Path, cache: Path, processes: int) -> tuple[float, float]:
    started = clocks()
    recipe = Recipe(RESOLUTION, MARGIN, (root,), cache)
    assert sum(len(pixels) for pixels, _ in iterate_prepared(photos, recipe=recipe, processes=processes)) == len(photos)
    return since(started)


def enlarged(photo: Photo, root: Path, times: int) -> Photo:
    """As a camera of more pixels would give it, a JPEG of quality 92."""
    if times == 1:
        return photo
    path, box = root / f"enlarged_{Path(photo.path).stem}.jpg", photo.box
    assert box is not None
    with Image.open(photo.path) as image:
        image.convert("RGB").resize((times * image.width, times * image.height)).save(path, quality=92)
    corners = (times * corner for corner in (box.x_min, box.y_min, box.x_max, box.y_max))
    return replace(photo, path=str(path), box=Box(*corners))


def copies(data: Path, root: Path, count: int, times: int) -> list[Photo]:
    """As many photographs as asked for, none with the digest of another; decoders ignore what trails."""
    photos = [enlarged(photo, root, times) for photo in find_photos(data, phases=("I", "P", "R"))[:count]]
    made = []
    for number in range(count):
        photo = photos[number % len(photos)]
        path = root / f"{number:06d}{Path(photo.path).suffix}"
        path.write_bytes(Path(photo.path).read_bytes() + number.to_bytes(4, "big"))
        made.append(replace(photo, path=str(path)))
    return made


def measure(photos: list[Photo], root: Path, *, rounds: int, processes: int) -> None:
    seconds: dict[str, list[tuple[float, float]]] = {"bare": [], "ours": [], "warm": []}
    for number in range(rounds):
        cache = root / "cache"
        order = ("bare", "ours") if number % 2 else ("ours", "bare")
        for name in order:
            taken = bare(photos, processes) if name == "bare" else ours(photos, root, cache, processes)
            seconds[name].append(taken)
        seconds["warm"].append(ours(photos, root, cache, processes))
        shutil.rmtree(cache)
        told = ", ".join(f"{name} {own[-1][0]:.1f} s ({own[-1][1]:.1f})" for name, own in seconds.items())
        print(f"round {number + 1}: {told}", flush=True)
    print(f"{len(photos)} photographs, {processes} processes, medians of {rounds} rounds:")
    for name, own in seconds.items():
        clock, used = (statistics.median(one[kind] for one in own) for kind in (0, 1))
        print(f"  {name}  {clock:7.1f} s by the clock, {used:7.1f} s of processor")
    for kind, word in enumerate(("clock", "processor")):
        ratios = sorted(b[kind] / o[kind] for b, o in zip(seconds["bare"], seconds["ours"], strict=True))
        middle = statistics.median(ratios)
        print(f"  throughput, ours / bare, by the {word}: {middle:.3f} (rounds {ratios[0]:.3f} to {ratios[-1]:.3f})")


def peak(photos: list[Photo], root: Path, processes: int) -> None:
    """In a process of its own: prints the largest resident set of itself and of one child, MB."""
    ours(photos, root, root / "cache_of_memory", processes)
    own, child = (resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(f"  {len(photos)} photographs: {own:.0f} MB, and {child:.0f} MB the largest of its processes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--times", type=int, default=1, help="enlarge the photographs so many times on either side")
    parser.add_argument("--peak", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak is not None:
        found = sorted(options.peak.glob("[0-9]*.*"))[: options.count]
        originals = find_photos(options.data, phases=("I", "P", "R"))
        photos = [replace(originals[n % len(originals)], path=str(path)) for n, path in enumerate(found)]
        peak(photos, options.peak, options.processes)
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        photos = copies(options.data, root, options.count, options.times)
        measure(photos, root, rounds=options.rounds, processes=options.processes)
        if options.times > 1:  # memory is measured at the photographs' own size
            return
        print("peak memory:", flush=True)
        for count in (options.count // 10, options.count):
            words = ["--data", str(options.data), "--count", str(count), "--processes", str(options.processes)]
            subprocess.run([sys.executable, __file__, *words, "--peak", str(root)], check=True)


if __name__ == "__main__":
    main()
