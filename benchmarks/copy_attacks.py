r"""How many altered copies of each kind are held back, and how many photographs of other scenes are called copies.

    python benchmarks/copy_attacks.py --work OUT --data FOLDER            # photographs: phases I, P, R in turn
    python benchmarks/copy_attacks.py --work OUT                          # phantoms
    python benchmarks/copy_attacks.py --work OUT --data FOLDER --copies 20 --kinds "JPEG 10" "zoom 1.3"
    python benchmarks/copy_attacks.py --work OUT --data FOLDER --copies 24 --kinds "img2img 0.3" "img2img 0.4"

Three draws: each takes --references photographs of one phase (of phantoms: any) as the references, and copies of
--copies of them. Photographs are cropped and resized as the product prepares them (margin .25, 128 pixels). Held out:
--held-out others of every phase. Those that agree with a reference in 12 places or more are the same scene by the
detector's own rule: they are listed, to be looked at, and do not count. The ceilings are those of the product,
from the references alone; the search is that of the product. "img2img S", measured only where it is named: the shipped
base begins an image from the photograph at strength S (SDEdit, Meng et al. 2022), as `woundgen generate --from` does,
20 steps without guidance. Finished parts are kept in OUT, so a stopped run goes on. Intervals are exact (Clopper &
Pearson 1934).
"""

from __future__ import annotations

import argparse
from collections import defaultdict
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
from woundgen.generation.sampler import Beginning, SamplerSettings, draw_block
from woundgen.metrics.intervals import binomial_bounds
from woundgen.models.base import EMBEDDED, BaseModel, encode_prompts, load_base
from woundgen.models.images import encode_images, round_trip
from woundgen.phantoms import draw_phantoms
from woundgen.storage.files import read_json, sha256_json, write_json

LEVEL = 0.99
DRAWS = 3
POOL = 400
STRENGTHS = (0.2, 0.3, 0.4, 0.5, 0.6)
ON_REQUEST = "img2img"
PROMPT = "a photograph of a wound"


@dataclass(frozen=True)
class Draw:
    """One division: references to be copied, and photographs of other scenes."""

    number: int
    name: str
    references: np.ndarray
    held_out: np.ndarray


@dataclass(frozen=True)
class Calibrated:
    """scenes: the references, described at the first use. Above either ceiling an image is called a copy."""

    draw: Draw
    scenes: Callable[[], ReferenceScenes]
    places: int
    layout: float


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
    draws = make_draws(phases, references=options.references, held_out=options.held_out)
    calibrated = [calibrate(bench, draw) for draw in draws if draw.number in options.draws]
    missed = [measure_held_out(bench, references) for references in calibrated]
    print(f"held out, of other scenes: {share(*np.sum(missed, axis=0))}")
    kinds = list_kinds()
    families: dict[str, list[tuple[int, int]]] = defaultdict(list)
    table = ["| kind | held back | 95 % interval |", "| --- | --- | --- |"]
    for name in options.kinds or [name for name, (family, _) in kinds.items() if family != ON_REQUEST]:
        family, change = kinds[name]
        counts = [measure_kind(bench, references, name, change) for references in calibrated]
        families[family] += counts
        table.append(write_row(name, counts))
    table += [write_row(f"all {family}", counts) for family, counts in families.items()]
    print("\n" + "\n".join(table))


def write_row(name: str, counts: list[tuple[int, int]]) -> str:
    hits, n = np.sum(counts, axis=0)
    low, high = binomial_bounds(hits, n)
    return f"| {name} | {hits} of {n} ({hits / n:.1%}) | {low:.1%} to {high:.1%} |"


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
    """With those that need a network: passes through the shipped autoencoder, and images begun from a photograph."""
    trips = {"autoencoder": 1, "autoencoder, 3 trips": 3}
    kinds = build_kinds() | {name: ("autoencoder", partial(pass_through, trips=count)) for name, count in trips.items()}
    begun = {f"{ON_REQUEST} {strength}": partial(begin_from, strength=strength) for strength in STRENGTHS}
    return kinds | {name: (ON_REQUEST, change) for name, change in begun.items()}


def pass_through(image: Picture, other: Picture, seed: int, *, trips: int) -> Picture:
    for _ in range(trips):
        image = round_trip(shipped_base().vae, image[None])[0]
    return image


def begin_from(image: Picture, other: Picture, seed: int, *, strength: float) -> Picture:
    base, (height, width) = shipped_base(), image.shape[:2]
    latents = encode_images(base.vae, image[None])[0] * base.latent_scale
    settings = SamplerSettings("dpmsolver++", 20, 1.0, seed=seed, block=1, height=height, width=width)
    return draw_block(
        base, settings, [0], prompt_states=encode_prompts(base, [PROMPT]), negative_states=None,
        beginning=Beginning(latents, strength),
    )[0]  # fmt: skip


@cache
def shipped_base() -> BaseModel:
    return load_base(EMBEDDED)


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


def calibrate(bench: Bench, draw: Draw) -> Calibrated:
    """The product's ceilings, from the references alone."""
    scenes = cache(lambda: prepare_scenes(bench.describe(draw.references)))

    def match() -> dict[str, Any]:
        shared = match_references(scenes(), np.arange(len(draw.references)))
        return describe_matches(shared.matches) | {"pairs": shared.pairs, "crowded": shared.crowded}

    found = keep(bench, ["references", draw.number, draw.references.tolist()], match)
    ceiling = estimate_ceiling(np.array(found["places"]), level=LEVEL, pairs=found["pairs"], crowded=found["crowded"])
    layout = estimate_layout_ceiling(np.array(found["layout"]))
    print(f"draw {draw.number} ({draw.name}): {ceiling.statement()}; {layout.statement()}", flush=True)
    return Calibrated(draw, scenes, ceiling.value, layout.value)


def describe_matches(matches: Matches) -> dict[str, Any]:
    return {"places": matches.places.tolist(), "layout": matches.layout.tolist()}


def measure_held_out(bench: Bench, calibrated: Calibrated) -> tuple[int, int]:
    draw = calibrated.draw

    def match() -> dict[str, Any]:
        found = match_images(bench.describe(draw.held_out), calibrated.scenes())
        return describe_matches(found) | {"nearest": draw.references[found.nearest].tolist()}

    found = keep(bench, ["held out", draw.number, draw.references.tolist(), len(draw.held_out)], match)
    places = np.array(found["places"])
    copied = (places > calibrated.places) | (np.array(found["layout"]) > calibrated.layout)
    for row in np.flatnonzero(copied):
        verdict = "the same scene, left out" if places[row] >= SAME_SCENE else "called a copy"
        agreement = f"agrees with {found['nearest'][row]} in {places[row]} places"
        print(f"    picture {draw.held_out[row]} {agreement}: {verdict}")
    strangers = places < SAME_SCENE
    hits, n = int(copied[strangers].sum()), int(strangers.sum())
    print(f"draw {draw.number} ({draw.name}): held out called copies {share(hits, n)}", flush=True)
    return hits, n


def measure_kind(bench: Bench, calibrated: Calibrated, name: str, change: Change) -> tuple[int, int]:
    """Copies of the first references; the other photograph of blends and pastes is a held-out one."""
    draw = calibrated.draw

    def match() -> dict[str, Any]:
        copies = [
            change(bench.images[row], bench.images[draw.held_out[number % len(draw.held_out)]], number)
            for number, row in enumerate(draw.references[: bench.copies])
        ]
        return describe_matches(match_images([describe_scene(image) for image in copies], calibrated.scenes()))

    found = keep(bench, [name, draw.number, bench.copies, draw.references.tolist()], match)
    by_places = np.array(found["places"]) > calibrated.places
    by_layout = np.array(found["layout"]) > calibrated.layout
    hits, n = int((by_places | by_layout).sum()), len(by_places)
    print(
        f"    {name}: {share(hits, n)}, by places alone {by_places.sum()}, by layout alone {by_layout.sum()}, "
        f"median of places {np.median(found['places']):.0f}",
        flush=True,
    )
    return hits, n


def keep(bench: Bench, what: Any, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Read from OUT, or compute and write there. Of the same pictures only."""
    file = (
        bench.work
        / f"{sha256_json([what, 'layouts, of negatives too', int(bench.images.sum()), len(bench.images)])[:16]}.json"
    )
    if not file.exists():
        write_json(file, {"what": str(what)[:60], **compute()})
    found: dict[str, Any] = read_json(file)
    return found


if __name__ == "__main__":
    main()
