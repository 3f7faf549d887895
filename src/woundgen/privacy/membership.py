"""Can one tell from the model's loss whose photographs it was trained on?

Loss of the tuned model less that of its base, so that a photograph that is easy for any model does not count
(difficulty calibration: Watson et al. 2022), averaged over each patient. The area under the curve is the chance
that a trained patient's difference is below a held-out one's: .5 is no knowledge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from woundgen.errors import UserError
from woundgen.privacy.permutation import LEVEL, PERMUTATIONS, Sides, dealt_again, p_value
from woundgen.similarity.groups import Groups, group_codes

Values = npt.NDArray[np.float64]
FEWEST_PATIENTS = 4


@dataclass(frozen=True, slots=True)
class Membership:
    """auc with its one-sided p. smallest: the least AUC with p <= .05 at these numbers of patients."""

    auc: float
    p: float
    smallest: float
    trained: int
    held_out: int

    @property
    def shown(self) -> bool:
        return self.p <= LEVEL


def membership_test(difference: Values, trained: Sides, groups: Groups | None, *, seed: int = 0) -> Membership:
    """difference [M]: loss of the tuned less that of the base model, lower where the model knows more."""
    codes = group_codes(groups, len(trained))
    units, first = np.unique(codes, return_index=True)
    sides = trained[first]
    known, others = int(sides.sum()), int((~sides).sum())
    if min(known, others) < FEWEST_PATIENTS:
        raise UserError(
            f"{known} patients trained on and {others} sealed are too few for a membership test.",
            f"Seal {FEWEST_PATIENTS} or more before training (`split` = holdout).",
        )
    means = np.array([difference[codes == unit].mean() for unit in units])
    ranks = rankdata(-means)

    def auc(sides: Sides) -> Values:
        """[count] of dealings [count, patients] (Mann & Whitney 1947)."""
        return (sides @ ranks - known * (known + 1) / 2) / (known * others)

    null = auc(dealt_again(sides, None, count=PERMUTATIONS, seed=seed))
    observed = float(auc(sides[None])[0])
    return Membership(observed, p_value(observed, null), _smallest(null), known, others)


def _smallest(null: Values) -> float:
    """The least value of the null that p_value would call shown."""
    ordered = np.unique(null)
    return next((float(value) for value in ordered if p_value(float(value), null) <= LEVEL), 1.0)
