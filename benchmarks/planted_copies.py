r"""How many planted copies the ceiling finds, how many other patients it calls copies, and what is accepted.

    python benchmarks/planted_copies.py --work OUT                          # phantoms: 300 of each kind
    python benchmarks/planted_copies.py --work OUT --data FOLDER            # photographs: no patients known
    python benchmarks/planted_copies.py --work OUT --references 200 --copies 60
    python benchmarks/planted_copies.py --work OUT --data FOLDER --only "zoom 1.05, training augmentation"

Phantoms: each reference and each held-out phantom is another patient's. Photographs: near duplicates are
left out first, and what is left is dealt at random; two photographs of one foot may still be on both sides,
and then a held-out one is rightly called a copy. Kinds that are done are kept in OUT, so a stopped run goes on.
Intervals are exact (Clopper & Pearson 1934).
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch

from woundgen.data.layouts.find_photos import find_photos
from woundgen.data.pixels.prepare import prepare_all
from woundgen.metrics.intervals import binomial_bounds
from woundgen.phantoms import draw_phantoms
from woundgen.screening.calibration import Calibration, calibrate
from woundgen.screening.descriptors import distinct_rows
from woundgen.screening.planted import kinds, plant
from woundgen.screening.reference_statistics import References, measure, measure_references, prepare_references
from woundgen.screening.rules import Rule, judge
from woundgen.storage.files import read_json, sha256_json, write_json
from woundgen.verdicts import Verdict
from woundgen.workflows.screen.job import MARGIN
from woundgen.workflows.screen.networks import describe, shipped_networks

NETWORKS = shipped_networks()

SIZE = 128
BLOCK = 25


def main() -> None:
    options = parse()
    torch.set_num_threads(1)
    pool, held_out = phantom_sets(options) if options.data is None else photograph_sets(options)
    references = prepare_references(describe(pool, NETWORKS))
    calibration = calibrate(measure_references(references))
    for line in calibration.statements():
        print(line, flush=True)
    originals = pool[references.rows][: options.copies]
    print(f"{len(references)} references ({references.duplicates} near duplicates left out), policy report")
    say = partial(show, options.work, key=sha256_json(calibration.to_json()))
    say("held out", lambda: verdicts_of(held_out, references, calibration, options.threads))
    for kind, changes in kinds().items():
        if options.only and kind not in options.only:
            continue
        copies = partial(plant, originals, changes)
        say(kind, lambda copies=copies: verdicts_of(copies(), references, calibration, options.threads))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of finished kinds")
    parser.add_argument("--data", type=Path, help="photographs instead of phantoms")
    parser.add_argument("--references", type=int, default=300)
    parser.add_argument("--copies", type=int, default=300)
    parser.add_argument("--held-out", type=int, default=500)
    parser.add_argument("--only", nargs="+", help="kinds, by name; all without it")
    parser.add_argument("--seed", type=int, default=41)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def phantom_sets(options: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    references, first = range(options.references), 100_000
    held_out = range(first, first + options.held_out)
    return draw_phantoms(references, seed=options.seed).images, draw_phantoms(held_out, seed=options.seed).images


def photograph_sets(options: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    photos = find_photos(options.data, phases=("I", "P", "R"))
    images = prepare_all(photos, resolution=SIZE, margin=MARGIN, roots=[options.data], cache_dir=None)
    rows = distinct_rows(images.astype(np.float32) / 255)
    print(f"{len(images)} photographs, {len(rows)} without near duplicates")
    rows = np.random.default_rng(options.seed).permutation(rows)
    return images[rows[: options.references]], images[rows[options.references :]][: options.held_out]


def verdicts_of(images: np.ndarray, references: References, calibration: Calibration, threads: int) -> list[Verdict]:
    """In blocks, `threads` at a time: arithmetic of this size leaves Python's lock."""

    def of(first: int) -> list[Verdict]:
        described = describe(images[first : first + BLOCK], NETWORKS)
        return judge(measure(described, references), calibration, Rule(policy="report"))

    with ThreadPoolExecutor(threads) as workers:
        return [verdict for block in workers.map(of, range(0, len(images), BLOCK)) for verdict in block]


def show(work: Path, kind: str, compute: Callable[[], list[Verdict]], *, key: str) -> None:
    """One line; computed, or read where it was computed for the same calibration."""
    file = work / f"{sha256_json([key, kind])[:16]}.json"
    if not file.exists():
        work.mkdir(parents=True, exist_ok=True)
        found = compute()
        by = Counter(verdict.reason.split(" (")[0] for verdict in found if verdict.copy)
        write_json(file, {"kind": kind, "n": len(found), "copies": by.total(), "by": dict(by.most_common())})
    row = read_json(file)
    low, high = binomial_bounds(row["copies"], row["n"])
    by = ", ".join(f"{reason.removeprefix('copy by ')} {count}" for reason, count in row["by"].items())
    print(f"{row['kind']:<34}{row['copies']:>4} of {row['n']}  ({low:.1%} to {high:.1%})  {by}", flush=True)


if __name__ == "__main__":
    main()
