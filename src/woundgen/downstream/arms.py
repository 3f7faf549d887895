"""The training lists that are compared: which images, how often, with the phases always in equal parts.

A list names rows of one bank of images. Arms differ in their lists alone: classifier, optimizer steps and the
share of each phase in a batch are the same for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.intp]
ByPhase = Mapping[str, Rows]

REAL, AUGMENTED, SYNTHETIC_ONLY = "real", "augmented", "synthetic only"


def oversampled(dose: float) -> str:
    return f"oversampled x{dose:g}"


def with_synthetic(dose: float) -> str:
    return f"real + synthetic x{dose:g}"


@dataclass(frozen=True, slots=True)
class Material:
    """Rows of the bank, by phase. real: training photographs; augmented: their variations, [n, variations];
    synthetic: of the phases that are to be added to."""

    real: ByPhase
    augmented: ByPhase
    synthetic: ByPhase


def controls(dose: float) -> tuple[str, str, str]:
    """The arms without synthetic images that an arm at `dose` has to beat."""
    return REAL, oversampled(dose), AUGMENTED


def training_lists(material: Material, *, doses: Sequence[float], seed: int) -> dict[str, dict[str, Rows]]:
    """Arm → phase → rows. `dose` is synthetic images for each photograph of the phase, in number.

    Oversampling draws as many photographs again, with replacement; synthetic images are drawn without.
    Depends on (seed, dose, phase) alone, so that another list of doses leaves the arms as they were.
    """
    lists = {REAL: dict(material.real), AUGMENTED: {p: rows.ravel() for p, rows in material.augmented.items()}}
    for dose in doses:
        lists[oversampled(dose)] = dict(material.real)
        lists[with_synthetic(dose)] = dict(material.real)
        for phase, pool in material.synthetic.items():
            rows = material.real[phase]
            count = synthetic_count(dose, len(rows))
            again = draw(rows, count, seed=seed, phase=phase, dose=dose, replace=True)
            lists[oversampled(dose)][phase] = np.concatenate([rows, again])
            fresh = draw(pool, count, seed=seed, phase=phase, dose=dose, replace=False)
            lists[with_synthetic(dose)][phase] = np.concatenate([rows, fresh])
    if set(material.synthetic) == set(material.real):
        lists[SYNTHETIC_ONLY] = {
            phase: draw(
                pool,
                synthetic_count(max(doses), len(material.real[phase])),
                seed=seed,
                phase=phase,
                dose=max(doses),
                replace=False,
            )
            for phase, pool in material.synthetic.items()
        }
    return lists


def synthetic_count(dose: float, photographs: int) -> int:
    """At least one, so that an arm with synthetic images has some."""
    return max(1, round(dose * photographs))


def draw(pool: Rows, count: int, *, seed: int, phase: str, dose: float, replace: bool) -> Rows:
    assert replace or count <= len(pool)
    rng = np.random.default_rng([seed, ord(phase), round(1000 * dose), int(replace)])
    return rng.choice(pool, count, replace=replace)
