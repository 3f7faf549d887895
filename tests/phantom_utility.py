"""Utility studies on phantoms where the truth is known: what stands for synthetic images is chosen.

Four kinds: fresh phantoms of the same phase, copies of the training images, fresh phantoms with the labels I and R
exchanged, and images drawn from the training images as the oversampled control draws them, the null. A study has 10
patients a phase to train on, two views of each (20 images), 60 synthetic images a phase to draw from, and 300 patients
a phase (600 images) to test on; classifier `embedded`, doses, seeds and augmentation as the command's defaults.
Patients come from one pool of 500 a phase, 60 of them to train on, dealt anew for each study, so the studies share
patients. The pool is none of those that the classifier's settings were chosen on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from woundgen.data.pixels.augment import variations
from woundgen.downstream.arms import Material
from woundgen.downstream.assess import HeldOut
from woundgen.downstream.conclude import UtilityConclusion, conclude
from woundgen.downstream.run import Fold, fits, put_together
from woundgen.features.embedded import feature_network
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


def study(pool: Pool, *, number: int, kind: str, seeds: int, tested: int = TESTED) -> UtilityConclusion:
    fold = deal(pool.phases, pool.patients, number=number, kind=kind, tested=tested)
    planned = fits([fold], doses=DOSES, seeds=seeds, phases=PHASES)
    done = [(fit, train_linear(fit, pool.features, classes=len(PHASES))) for fit in planned]
    groups = np.unique(pool.patients[fold.test], return_inverse=True)[1]
    test = HeldOut(PHASES, pool.phases[fold.test], groups)
    return conclude(put_together(done, folds=1, seeds=seeds), test, doses=DOSES)
