"""What `calibrated` accepts: held-out phantoms, the same after the autoencoder, and pictures it must reject.

    python benchmarks/acceptance.py                      # 20 draws of 85 references, 500 held out
    python benchmarks/acceptance.py --draws 6 --held-out 300

Every phantom is another patient's. A draw takes 85 of 600 phantoms as references; the held-out ones are the same
in every draw, so the draws are not independent and only their mean and spread are printed.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from woundgen.models.base import EMBEDDED, load_base
from woundgen.models.images import round_trip
from woundgen.phantoms import draw_phantoms
from woundgen.screening.calibration import Calibration, calibrate
from woundgen.screening.descriptors import Descriptors
from woundgen.screening.reference_statistics import References, measure, measure_references, prepare_references
from woundgen.screening.rules import Rule, judge
from woundgen.workflows.screen.networks import describe, shipped_networks

NETWORKS = shipped_networks()

BLOCK = 25
POOL = 600


def main() -> None:
    options = parse()
    torch.set_num_threads(1)
    pool = describe(draw_phantoms(range(POOL), seed=options.seed).images, NETWORKS)
    held_out = draw_phantoms(range(100_000, 100_000 + options.held_out), seed=options.seed).images
    sets = {
        "held out": held_out,
        "after the autoencoder": round_trip(load_base(EMBEDDED).vae, held_out),
        "blurred, sigma 2": gaussian_filter(held_out[:60], (0, 2, 2, 0)),
        "constant grey": np.full_like(held_out[:1], 128),
        "mean image": held_out.mean(axis=0, keepdims=True).round().astype(np.uint8),
        "noise": np.random.default_rng(0).integers(0, 256, held_out[:4].shape, dtype=np.uint8),
    }
    described = {name: describe(images, NETWORKS) for name, images in sets.items()}
    shares: dict[str, list[float]] = {name: [] for name in sets}
    promised: set[tuple[float, float]] = set()
    for draw in range(options.draws):
        rows = np.random.default_rng([options.seed, draw]).choice(POOL, options.references, replace=False)
        references = prepare_references(pool.take(rows))
        calibration = calibrate(measure_references(references))
        promised.add((calibration.threshold.coverage_low, calibration.threshold.coverage_high))
        for name, one in described.items():
            shares[name].append(accepted(one, references, calibration, options.threads))
    print(f"{options.draws} draws of {options.references} references; share accepted by `calibrated`")
    for name, values in shares.items():
        spread = f"{min(values):.3f} to {max(values):.3f}"
        print(f"{name:<24}n = {len(sets[name]):<5} mean {np.mean(values):.3f}, over draws {spread}")
    ((low, high),) = promised
    outside = sum(not low <= share <= high for share in shares["held out"])
    print(f"`calibrate` says {low:.3f} to {high:.3f} (95 % interval); {outside} of {options.draws} draws lie outside:")
    print(" ".join(f"{share:.3f}" for share in sorted(shares["held out"])))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--references", type=int, default=85)
    parser.add_argument("--held-out", type=int, default=500)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def accepted(images: Descriptors, references: References, calibration: Calibration, threads: int) -> float:
    def of(first: int) -> list[bool]:
        some = images.take(slice(first, first + BLOCK))
        return [verdict.accepted for verdict in judge(measure(some, references), calibration, Rule())]

    with ThreadPoolExecutor(threads) as workers:
        return float(np.mean([one for block in workers.map(of, range(0, len(images), BLOCK)) for one in block]))


if __name__ == "__main__":
    main()
