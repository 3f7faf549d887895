"""Whether generated images lie nearer to the photographs trained on than to others like them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from woundgen.errors import UserError
from woundgen.privacy.permutation import LEVEL, PERMUTATIONS, Sides, dealt_again, null_of, p_value
from woundgen.similarity.groups import Groups, group_codes

TINY = 1e-12
FEWEST_PATIENTS = 4  # held out: with 3 of 20 no p below 1 / 1140 exists, with fewer hardly any below .05


@dataclass(frozen=True, slots=True)
class Nearness:
    """share: of images whose nearest photograph was trained on; usual: the same, patients dealt anew.

    excess: mean over images of log(distance to the nearest held out / to the nearest trained on), less its
    mean under the null; above 0 is nearer to training. p: one-sided. n, trained, held_out: images, patients.
    """

    share: float
    usual: float
    excess: float
    p: float
    n: int
    trained: int
    held_out: int

    @property
    def shown(self) -> bool:
        return self.p <= LEVEL


def nearness_test(
    distances: npt.NDArray[np.float64], trained: Sides, groups: Groups | None, *, seed: int = 0
) -> Nearness:
    """distances [N, M] of images from photographs, trained [M] and groups [M] of the photographs."""
    codes = group_codes(groups, len(trained))
    held_out, known = len(np.unique(codes[~trained])), len(np.unique(codes[trained]))
    if held_out < FEWEST_PATIENTS:
        raise UserError(f"{held_out} patients held out are too few to compare with.", f"Hold out {FEWEST_PATIENTS}.")
    logs = np.log(np.maximum(distances, TINY))

    def excess(sides: Sides) -> float:
        return float((logs[:, ~sides].min(axis=1) - logs[:, sides].min(axis=1)).mean())

    def share(sides: Sides) -> float:
        return float((logs[:, sides].min(axis=1) < logs[:, ~sides].min(axis=1)).mean())

    dealings = dealt_again(trained, groups, count=PERMUTATIONS, seed=seed)
    null, observed = null_of(excess, dealings), excess(trained)
    return Nearness(
        share=share(trained),
        usual=float(null_of(share, dealings[:200]).mean()),
        excess=observed - float(null.mean()),
        p=p_value(observed, null),
        n=len(distances),
        trained=known,
        held_out=held_out,
    )
