"""How often does `woundgen tune` claim an improvement, where there is none and where there is one?

    python benchmarks/tuning_study.py --studies 1000

Simulated studies (woundgen.tuning.simulation) with independent noise in each training: 20 trials, the winner and the
two next against the starting config on 16 confirmation patients with 4 photographs each, three seeds. Prints for each
truth the share of studies that claim an improvement, with its 95 % interval (Clopper & Pearson).
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from harness import make_parser, read_options

from woundgen.metrics.intervals import binomial_bounds
from woundgen.metrics.kernel import kernel_distance
from woundgen.tuning.simulation import Truth, simulate_study

NULL = Truth(noise=0.05, bias=1.0)
TRUTHS = {
    "no effect": NULL,
    "no effect, little noise": replace(NULL, noise=0.02),
    "no effect, much noise": replace(NULL, noise=0.2),
    "no effect, the starting config steadier": replace(NULL, noise=0.15, uneven=True),
    "no effect, 8 patients": replace(NULL, patients=8),
    **{f"gain {gain:.0%}": replace(NULL, gain=gain, good=4) for gain in (0.1, 0.2, 0.3, 0.4)},
    **{f"gain {gain:.0%}, much noise": replace(NULL, gain=gain, good=4, noise=0.2) for gain in (0.3, 0.5, 0.7)},
}


def measure_truth(truth: Truth, *, trainings: int = 100, photographs: int = 1000) -> tuple[float, float]:
    """Return (how much lower the KID of a better configuration is, the deviation of the KID over its trainings)."""
    rng = np.random.default_rng(0)
    real = rng.standard_normal((photographs, truth.dimensions))
    images = rng.standard_normal((photographs, truth.dimensions))

    def values(bias: float) -> np.ndarray:
        shifts = truth.noise * rng.standard_normal((trainings, truth.dimensions))
        shifts[:, 0] += bias
        return np.array([kernel_distance(images[:300] + shift, real[:300]) for shift in shifts])

    start, better = values(truth.bias), values(truth.bias * (1 - truth.gain))
    return float(start.mean() - better.mean()), float(better.std())


def main() -> None:
    parser = make_parser(__doc__, studies=1000)
    parser.add_argument("--only", default="", help="truths whose name holds this")
    parser.add_argument("--out", type=Path, help="JSON file of the results")
    arguments = read_options(parser)
    results = {}
    for name, truth in TRUTHS.items():
        if arguments.only not in name:
            continue
        began = time.process_time()
        found = [simulate_study(truth, kernel_distance, seed=seed) for seed in range(arguments.studies)]
        claims = sum(claimed for claimed, _ in found)
        low, high = binomial_bounds(claims, len(found))
        gain, spread = measure_truth(truth)
        results[name] = {"truth": asdict(truth), "studies": len(found), "claims": claims, "low": low, "high": high}
        results[name] |= {"gain_in_kid": gain, "sd_of_a_training": spread}
        spent = time.process_time() - began
        print(
            f"{name}: {claims} of {len(found)} claim ({low:.1%} to {high:.1%}); the gain is {gain:.3f} in KID, a "
            f"training's deviation {spread:.3f}; {spent:.0f} s",
            flush=True,
        )
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
