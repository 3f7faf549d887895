"""Does `woundgen utility` say what is true? Studies on phantoms where the truth is known.

    python benchmarks/utility_study.py --out /tmp/utility

Four kinds of synthetic images, each in 20 studies (the null in 200): fresh phantoms of the same phase, copies of the
training images, fresh phantoms with the labels I and R exchanged, and images drawn from the training images as
the oversampled control draws them, the null. A study has 10 patients a phase to train on, two views of each
(20 images), 60 synthetic images a phase to draw from, and 300 patients a phase (600 images) to test on; classifier
`embedded`, doses, seeds and augmentation as the command's defaults. Patients come from one pool of 500 a phase,
60 of them to train on, dealt anew for each study, so the studies share patients. The pool is none of those that the
classifier's settings were chosen on. Features are kept in OUT and not computed again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from woundgen.data.pixels.augment import variations
from woundgen.downstream.arms import Material
from woundgen.downstream.assess import HeldOut
from woundgen.downstream.conclude import Conclusion, conclude
from woundgen.downstream.conclusion import HARMS, HELPS
from woundgen.downstream.run import Fold, fits, put_together
from woundgen.features.embedded import feature_network
from woundgen.metrics.intervals import binomial_bounds
from woundgen.metrics.measure import pooled_features
from woundgen.phantoms import PHASES, RENDERER_VERSION, draw_phantoms
from woundgen.workflows.utility.bank import VARIATIONS
from woundgen.workflows.utility.classifiers import train_linear

DOSES = (0.25, 0.5, 1.0, 2.0)
PATIENTS, VIEWS, SEED = 500, 2, 840_001  # of each phase, of each patient, of the renderer
TRAINING_POOL, TRAINING, SYNTHETIC, TESTED = 60, 10, 30, 300  # patients of each phase
KINDS = ("fresh", "copies", "swapped", "null")
EXCHANGED = {"I": "R", "P": "P", "R": "I"}
CHUNK = 60


@dataclass(frozen=True, slots=True)
class Pool:
    """features: [N + 8 M, 64], N phantoms and then eight variations of each of the first M. phases, patients: [N]."""

    features: np.ndarray
    phases: np.ndarray
    patients: np.ndarray


def pool(out: Path) -> Pool:
    """From the cache where it is there."""
    network, digest = feature_network()
    path = out / f"features_{digest[:12]}_{RENDERER_VERSION}_{SEED}.npz"
    if not path.exists():
        out.mkdir(parents=True, exist_ok=True)
        features, varied, phases, patients = [], [], [], []
        for first in range(0, PATIENTS * VIEWS * len(PHASES), CHUNK):
            drawn = draw_phantoms(range(first, first + CHUNK), seed=SEED, views_per_patient=VIEWS)
            features.append(pooled_features(network, drawn.images))
            phases += [PHASES.index(phase) for phase in drawn.phases]
            patients += drawn.patients.tolist()
            if first < TRAINING_POOL * VIEWS * len(PHASES):
                changed = variations(drawn.images, count=VARIATIONS, seed=first)
                varied.append(pooled_features(network, changed.reshape(-1, *drawn.images.shape[1:])))
        np.savez(
            path,
            features=np.concatenate([*features, *varied]),
            phases=np.array(phases),
            patients=np.array(patients),
        )
    with np.load(path) as stored:
        return Pool(stored["features"], stored["phases"], stored["patients"])


def deal(phases: np.ndarray, patients: np.ndarray, *, number: int, kind: str, tested: int) -> Fold:
    """Patients of study `number`, and what stands for synthetic images in it."""
    rng = np.random.default_rng([number, 8])
    real, fresh, test = {}, {}, []
    for k, phase in enumerate(PHASES):
        names = np.unique(patients[phases == k])  # in the order rendered
        trained = rng.permutation(names[:TRAINING_POOL])[:TRAINING]
        others = rng.permutation(np.setdiff1d(names, trained))
        real[phase] = np.flatnonzero(np.isin(patients, trained))
        fresh[phase] = np.flatnonzero(np.isin(patients, others[:SYNTHETIC]))
        test.append(np.flatnonzero(np.isin(patients, others[SYNTHETIC : SYNTHETIC + tested])))
    synthetic = {
        "fresh": fresh,
        "copies": {phase: np.repeat(rows, 3) for phase, rows in real.items()},
        "swapped": {phase: fresh[EXCHANGED[phase]] for phase in PHASES},
        "null": {phase: rng.choice(rows, 3 * len(rows)) for phase, rows in real.items()},
    }[kind]
    varied = {p: len(phases) + rows[:, None] * VARIATIONS + np.arange(VARIATIONS) for p, rows in real.items()}
    return Fold(Material(real, varied, synthetic), np.concatenate(test))


def study(pool: Pool, *, number: int, kind: str, seeds: int, tested: int = TESTED) -> Conclusion:
    fold = deal(pool.phases, pool.patients, number=number, kind=kind, tested=tested)
    planned = fits([fold], doses=DOSES, seeds=seeds, phases=PHASES)
    done = [(fit, train_linear(fit, pool.features, classes=len(PHASES))) for fit in planned]
    groups = np.unique(pool.patients[fold.test], return_inverse=True)[1]
    test = HeldOut(PHASES, pool.phases[fold.test], groups)
    return conclude(put_together(done, folds=1, seeds=seeds), test, doses=DOSES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--null-repeats", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tested", type=int, default=TESTED, help="patients of each phase to test on")
    parser.add_argument("--kinds", default=",".join(KINDS))
    arguments = parser.parse_args()
    started = time.monotonic()
    rendered = pool(arguments.out)
    print(f"{len(rendered.phases)} phantoms ready after {time.monotonic() - started:.0f} s")
    results = {}
    for kind in arguments.kinds.split(","):
        repeats = arguments.null_repeats if kind == "null" else arguments.repeats
        one = partial(study, rendered, kind=kind, seeds=arguments.seeds, tested=arguments.tested)
        found = [one(number=number) for number in range(repeats)]
        results[kind] = summary(found)
        print(kind, json.dumps(results[kind]), f"{time.monotonic() - started:.0f} s", flush=True)
    (arguments.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")


def summary(found: list[Conclusion]) -> dict[str, object]:
    words = Counter(one.verdict.word for one in found)
    gain = [one.verdict.doses[-1].difference.value for one in found]
    return {
        "studies": len(found),
        "verdicts": dict(words),
        "helps_95": [round(x, 3) for x in binomial_bounds(words[HELPS], len(found))],
        "harms_95": [round(x, 3) for x in binomial_bounds(words[HARMS], len(found))],
        "kappa_real": round(float(np.mean([one.arms["real"].estimates["kappa"].value for one in found])), 3),
        "difference_by_dose": {
            f"{dose:g}": round(float(np.mean([one.verdict.doses[place].difference.value for one in found])), 3)
            for place, dose in enumerate(DOSES)
        },
        "difference_at_2": round(float(np.mean(gain)), 3),
        "difference_at_2_sd_over_studies": round(float(np.std(gain, ddof=1)), 3),
        "smallest_shown_at_2": round(float(np.mean([one.verdict.doses[-1].difference.smallest for one in found])), 3),
    }


if __name__ == "__main__":
    main()
