"""Which images help: a few chosen ones against as many at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from woundgen.downstream.arms import ByPhase, Material, Rows, synthetic_count

Array = npt.NDArray[np.float64]

REALISM, BOUNDARY = "most realistic", "nearest to the boundary"
RULES = (REALISM, BOUNDARY)


def chosen(rule: str, dose: float) -> str:
    """Name of the arm."""
    return f"{rule} x{dose:g}"


def choice_dose(doses: Sequence[float], materials: Sequence[Material]) -> float | None:
    """The largest dose at which at most half of the images are taken: else there is nothing to choose from."""
    fitting = [
        dose
        for dose in doses
        if all(
            2 * synthetic_count(dose, len(material.real[phase])) <= len(pool)
            for material in materials
            for phase, pool in material.synthetic.items()
        )
    ]
    return max(fitting, default=None)


def boundary_score(probabilities: Array) -> Array:
    """[n] of [n, K]: 0 where the two likeliest phases are equally likely, down to -1 where one is certain."""
    ordered = np.sort(probabilities, axis=-1)
    return ordered[..., -2] - ordered[..., -1]


def choose(material: Material, score: Mapping[str, Array], *, dose: float) -> dict[str, Rows]:
    """The photographs and, of each phase's synthetic images, those with the highest score."""
    lists: dict[str, Rows] = dict(material.real)
    for phase, pool in material.synthetic.items():
        count = synthetic_count(dose, len(material.real[phase]))
        best = np.argsort(-score[phase], kind="stable")[:count]
        lists[phase] = np.concatenate([material.real[phase], pool[best]])
    return lists


def pool_of(synthetic: ByPhase) -> Rows:
    """All synthetic rows, phase after phase."""
    return np.concatenate(list(synthetic.values()))


def by_phase(values: Array, synthetic: ByPhase) -> dict[str, Array]:
    """`values` of `pool_of`, taken apart again."""
    ends = np.cumsum([len(rows) for rows in synthetic.values()])[:-1]
    return dict(zip(synthetic, np.split(values, ends), strict=True))
