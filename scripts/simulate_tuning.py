"""How often does `woundgen tune` claim an improvement, where there is none and where there is one?

    python scripts/simulate_tuning.py --studies 1000

Simulated studies with independent noise in each training (tests/simulated_tuning.py): a budget of 20 trials, then the
winner and the two next against the starting config on 16 confirmation patients with 4 photographs each, three seeds.
Prints for each truth the share of studies that claim an improvement, with its 95 % interval (Clopper & Pearson), and of
those where one exists the share that claim it of a trial that has it.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.simulated_tuning import Truth, measure_truth, simulate_study
from woundgen.metrics.intervals import binomial_bounds
from woundgen.metrics.kernel import kernel_distance

NULL = Truth(noise=0.05, bias=1.0)
TRUTHS = {
    "no effect": NULL,
    "no effect, little noise": replace(NULL, noise=0.02),
    "no effect, much noise": replace(NULL, noise=0.2),
    "no effect, the starting config steadier": replace(NULL, noise=0.15, uneven=True),
    "no effect, 8 patients": replace(NULL, patients=8),
    **{f"gain {gain:.0%}": replace(NULL, gain=gain, good=4) for gain in (0.2, 0.3, 0.4, 0.5, 0.6)},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--only", default="", help="truths whose name holds this")
    options = parser.parse_args()
    for name, truth in TRUTHS.items():
        if options.only in name:
            print(f"{name}: {simulate_truth(truth, options.studies)}", flush=True)


def simulate_truth(truth: Truth, studies: int) -> str:
    """Return what the studies of a truth claim, in words."""
    began = time.process_time()
    results = [simulate_study(truth, kernel_distance, seed=seed) for seed in range(studies)]
    parts = [f"{_write_share([claimed for claimed, _ in results])} claim an improvement"]
    gain, spread = measure_truth(truth)
    if truth.good:
        parts.append(f"{_write_share([right for _, right in results])} of a trial that has it; gain {gain:.3f} in KID")
    parts.append(f"deviation of a training {spread:.3f}; {time.process_time() - began:.0f} s")
    return "; ".join(parts)


def _write_share(claims: list[bool]) -> str:
    low, high = binomial_bounds(sum(claims), len(claims))
    return f"{sum(claims)} of {len(claims)} ({low:.1%} to {high:.1%})"


if __name__ == "__main__":
    main()
