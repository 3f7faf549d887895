"""Test groups: a sealed hold-out where there is one, else folds of whole groups, each tested once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold

from woundgen.errors import UserError

Rows = npt.NDArray[np.intp]


def deal_folds(labels: npt.NDArray[np.integer], groups: Sequence[str], *, folds: int, seed: int) -> list[Rows]:
    """Test rows of each fold: groups whole, phases in about the same shares (scikit-learn's StratifiedGroupKFold).

    Depends on (seed, groups, labels) alone, not on the order of the rows. Raises UserError where a phase has
    fewer groups than there are folds.
    """
    names = np.asarray(groups)
    for label in np.unique(labels):
        number = len(np.unique(names[labels == label]))
        if number < folds:
            raise UserError(
                f"A phase has {number} groups, too few for {folds} folds.", "Give --folds a smaller number."
            )
    order = np.lexsort((labels, names))
    dealer = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    parts = dealer.split(np.zeros(len(order)), labels[order], names[order])
    return [np.sort(order[test]) for _, test in parts]
