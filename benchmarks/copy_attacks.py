r"""How many altered copies of each kind are held back, and how many photographs of other scenes are called copies.

    python benchmarks/copy_attacks.py --work OUT --data FOLDER            # photographs: phases I, P, R in turn
    python benchmarks/copy_attacks.py --work OUT                          # phantoms
    python benchmarks/copy_attacks.py --work OUT --data FOLDER --copies 20 --kinds "JPEG 10" "zoom 1.3"

Three draws: each takes --references photographs of one phase (of phantoms: any) as the references, and copies of
--copies of them. Photographs are cropped and resized as the product prepares them (margin .25, 128 pixels). Held out:
--held-out others of every phase. Those that agree with a reference in 12 places or more are the same scene by the
detector's own rule: they are listed, to be looked at, and do not count. The ceilings are those of the product,
from the references alone; the search is that of the product. Finished parts are kept in OUT, so a stopped run goes on.
Intervals are exact (Clopper & Pearson 1934).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from harness import make_parser, prepared_photographs, read_options, share

from tests.altered_copies import Change, Picture, build_kinds
from woundgen.copies.ceiling import SAME_SCENE, estimate_ceiling
from woundgen.copies.layout import estimate_layout_ceiling
from woundgen.copies.scene import Scene, describe_scene
from woundgen.copies.search import Matches, ReferenceScenes, match_images, match_references, prepare_scenes
from woundgen.metrics.intervals import binomial_bounds
from woundgen.models.base import EMBEDDED, load_base
from woundgen.models.images import round_trip
from woundgen.phantoms import draw_phantoms
from woundgen.storage.files import read_json, sha256_json, write_json

LEVEL = 0.99
DRAWS = 3
POOL = 400

Scenes = Callable[[], ReferenceScenes]
"""The references of a draw, described at the first use."""


@dataclass(frozen=True)
class Draw:
    """One division: references to be copied, and photographs of other scenes."""

    number: int
    name: str
    references: np.ndarray
    held_out: np.ndarray


@dataclass(frozen=True)
class Ceilings:
    """Above either, an image is called a copy: agreeing places, and correlation of layouts."""

    places: int
    layout: float

    def are_passed(self, found: dict[str, Any]) -> np.ndarray:
        """Return bool [N] of what `describe_matches` gave."""
        return (np.array(found["places"]) > self.places) | (np.array(found["layout"]) > self.layout)


@dataclass(frozen=True)
class Bench:
    """images uint8 [N, S, S, 3]; copies of each kind and draw; finished parts in `work`."""

    images: np.ndarray
    work: Path
    copies: int

    def describe(self, rows: np.ndarray) -> list[Scene]:
        return [describe_scene(self.images[row]) for row in rows]


def main() -> None:
    options = parse()
    images, phases = load_pool(options)
    bench = Bench(images, options.work, options.copies)
    draws = [
        draw
        for draw in make_draws(phases, references=options.references, held_out=options.held_out)
        if draw.number in options.draws
    ]
    kinds = list_kinds()
    totals: dict[str, list[int]] = {name: [0, 0] for name in kinds}
    missed = [0, 0]
    calibrated = [calibrate(bench, draw) for draw in draws]
    for draw, (scenes, ceilings) in zip(draws, calibrated, strict=True):
        hits, n = measure_held_out(bench, draw, scenes, ceilings)
        missed = [missed[0] + hits, missed[1] + n]
        print(f"draw {draw.number} ({draw.name}): held out called copies {share(hits, n)}", flush=True)
    for name in options.kinds or kinds:
        for draw, (scenes, ceilings) in zip(draws, calibrated, strict=True):
            hits, n = measure_kind(bench, draw, scenes, ceilings, name, kinds[name][1])
            totals[name] = [totals[name][0] + hits, totals[name][1] + n]
    print(f"\nheld out, of other scenes: {share(*missed)}\n\n| kind | held back | 95 % interval |\n| --- | --- | --- |")
    for name, (hits, n) in totals.items():
        if n:
            low, high = binomial_bounds(hits, n)
            print(f"| {name} | {hits} of {n} ({hits / n:.1%}) | {low:.1%} to {high:.1%} |")
    for family in ("single", "combined", "mixed", "autoencoder", "unlisted"):
        counts = np.array([totals[name] for name in kinds if kinds[name][0] == family])
        if counts[:, 1].sum():
            print(f"| all {family} | {share(*counts.sum(axis=0).tolist())} | |")


def parse() -> argparse.Namespace:
    parser = make_parser(__doc__, work=Path, data=None, references=100, held_out=300)
    parser.add_argument("--copies", type=int, default=60, help="of each kind and draw")
    parser.add_argument("--draws", type=int, nargs="+", default=range(DRAWS), help="0, 1, 2; in processes side by side")
    parser.add_argument("--kinds", nargs="+", help="by name; all without it")
    return read_options(parser)


def load_pool(options: argparse.Namespace) -> tuple[np.ndarray, list[str]]:
    if options.data is None:
        return draw_phantoms(range(POOL), seed=77).images, ["phantom"] * POOL
    return prepared_photographs(options.data)


def list_kinds() -> dict[str, tuple[str, Change]]:
    """With the kinds that need a network: one and three passes through the shipped autoencoder."""
    trips = {"autoencoder": 1, "autoencoder, 3 trips": 3}
    return build_kinds() | {name: ("autoencoder", partial(passed, trips=count)) for name, count in trips.items()}


def passed(image: Picture, other: Picture, seed: int, *, trips: int) -> Picture:
    for _ in range(trips):
        image = round_trip(autoencoder(), image[None])[0]
    return image


@cache
def autoencoder() -> Any:
    return load_base(EMBEDDED).vae


def make_draws(phases: list[str], *, references: int, held_out: int) -> list[Draw]:
    """References of one phase, and others of every phase that are not among them."""
    draws = []
    for number in range(DRAWS):
        phase = sorted(set(phases))[number % len(set(phases))]
        order = np.random.default_rng([number, 21]).permutation(len(phases))
        chosen = [row for row in order if phases[row] == phase][:references]
        others = [row for row in order if row not in chosen][:held_out]
        draws.append(Draw(number, phase, np.array(chosen), np.array(others)))
    return draws


def calibrate(bench: Bench, draw: Draw) -> tuple[Scenes, Ceilings]:
    """The product's ceilings, from the references alone."""
    scenes = cache(lambda: prepare_scenes(bench.describe(draw.references)))

    def match() -> dict[str, Any]:
        shared = match_references(scenes(), np.arange(len(draw.references)))
        return describe_matches(shared.matches) | {"pairs": shared.pairs, "crowded": shared.crowded}

    found = keep(bench, ["references", draw.number, draw.references.tolist()], match)
    ceiling = estimate_ceiling(np.array(found["places"]), level=LEVEL, pairs=found["pairs"], crowded=found["crowded"])
    layout = estimate_layout_ceiling(np.array(found["layout"]))
    print(f"draw {draw.number} ({draw.name}): {ceiling.statement()}; {layout.statement()}", flush=True)
    return scenes, Ceilings(ceiling.value, layout.value)


def describe_matches(matches: Matches) -> dict[str, Any]:
    return {"places": matches.places.tolist(), "layout": matches.layout.tolist()}


def measure_held_out(bench: Bench, draw: Draw, scenes: Scenes, ceilings: Ceilings) -> tuple[int, int]:
    def match() -> dict[str, Any]:
        found = match_images(bench.describe(draw.held_out), scenes())
        return describe_matches(found) | {"nearest": draw.references[found.nearest].tolist()}

    found = keep(bench, ["held out", draw.number, draw.references.tolist(), len(draw.held_out)], match)
    places, passed = np.array(found["places"]), ceilings.are_passed(found)
    for row, agreeing, nearest, copied in zip(draw.held_out, places, found["nearest"], passed, strict=True):
        if copied:
            said = "the same scene, left out" if agreeing >= SAME_SCENE else "called a copy"
            print(f"    picture {row} agrees with {nearest} in {agreeing} places: {said}")
    strangers = places < SAME_SCENE
    return int(passed[strangers].sum()), int(strangers.sum())


def measure_kind(
    bench: Bench, draw: Draw, scenes: Scenes, ceilings: Ceilings, name: str, change: Change
) -> tuple[int, int]:
    def match() -> dict[str, Any]:
        found: Matches = match_images([describe_scene(image) for image in make_copies(bench, draw, change)], scenes())
        return describe_matches(found)

    found = keep(bench, [name, draw.number, bench.copies, draw.references.tolist()], match)
    hits, n = int(ceilings.are_passed(found).sum()), len(found["places"])
    print(f"    {name}: {share(hits, n)}, median of places {np.median(found['places']):.0f}", flush=True)
    return hits, n


def make_copies(bench: Bench, draw: Draw, change: Change) -> list[np.ndarray]:
    """Of the first references; the other photograph of blends and pastes is a held-out one."""
    return [
        change(bench.images[row], bench.images[draw.held_out[number % len(draw.held_out)]], number)
        for number, row in enumerate(draw.references[: bench.copies])
    ]


def keep(bench: Bench, what: Any, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Read from OUT, or compute and write there. Of the same pictures only."""
    file = bench.work / f"{sha256_json([what, 'with layouts', int(bench.images.sum()), len(bench.images)])[:16]}.json"
    if not file.exists():
        write_json(file, {"what": str(what)[:60], **compute()})
    found: dict[str, Any] = read_json(file)
    return found


if __name__ == "__main__":
    main()
