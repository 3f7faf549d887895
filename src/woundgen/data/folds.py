"""The folds of cross-fitting, made in one place: whole groups, each held out of one generator and tested with it.

`data split --way cross-fitting` freezes them, `train --folds` trains by them, `utility --folds` tests by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from woundgen.data.layouts.find_photos import find_photos, phases_below
from woundgen.data.layouts.manifest import photograph_root
from woundgen.data.splits.fixed_split import joined_groups
from woundgen.data.splits.split import with_cluster_groups
from woundgen.errors import UserError
from woundgen.records import Photo

Rows = npt.NDArray[np.intp]
SEED = 0  # of train's folds; the default of `utility --seed` and of `data split --seed`


def folds_of(photos: Sequence[Photo], names: Sequence[str], *, folds: int, seed: int) -> list[NDArray[np.intp]]:
    """Rows of `photos` that each fold holds out. names: of what stays together, from `joined_groups`.

    Raises UserError where a phase has fewer groups than folds.
    """
    labels = np.unique([photo.phase for photo in photos], return_inverse=True)[1]
    return deal_folds(labels, names, folds=folds, seed=seed)


def without_fold(root: Path, *, phases: Sequence[str], folds: int, fold: int) -> list[Photo]:
    """The photographs of `phases` below `root`; the groups of fold `fold` (1..folds) have split = holdout.

    Folds are dealt over all phases of the folder, so that adapters of different phases leave out the same patients.
    Raises UserError where a hold-out is sealed already, or a phase has fewer groups than folds.
    """
    assert 1 <= fold <= folds
    photographs = find_photos(root, phases=phases_below(root))
    if any(photo.split == "holdout" for photo in photographs):
        raise UserError(
            f"{root} holds out patients already (split = holdout): one generator serves, and none is needed a fold.",
            "Leave --folds out, or the column split.",
        )
    photos, clusters = with_cluster_groups(photographs, roots=[photograph_root(root)])
    dealt = folds_of(photos, joined_groups(photos, clusters), folds=folds, seed=SEED)
    held = set(dealt[fold - 1].tolist())
    sides = [replace(photo, split="holdout") if row in held else photo for row, photo in enumerate(photos)]
    return [photo for photo in sides if photo.phase in phases]


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
