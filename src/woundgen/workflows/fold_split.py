"""One generator a fold: the fold's patients are held out, dealt as `woundgen utility` deals them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from woundgen.data.manifest import photograph_root
from woundgen.data.sources import find_photos, phases_below
from woundgen.data.split import with_cluster_groups
from woundgen.errors import UserError
from woundgen.records import Photo
from woundgen.utility.folds import deal_folds

SEED = 0  # of the folds; the default of `utility --seed`


def without_fold(root: Path, *, phases: Sequence[str], folds: int, fold: int) -> list[Photo]:
    """The photographs of `phases` below `root`; the groups of fold `fold` (1..folds) have split = holdout.

    Folds are dealt over all phases of the folder, so that adapters of different phases leave out the same patients.
    Raises UserError where a hold-out is sealed already, or a phase has fewer groups than folds.
    """
    assert 1 <= fold <= folds
    photos = find_photos(root, phases=phases_below(root))
    if any(photo.split == "holdout" for photo in photos):
        raise UserError(
            f"{root} holds out patients already (split = holdout): one generator serves, and none is needed a fold.",
            "Leave --folds out, or the column split.",
        )
    if any(photo.group is None for photo in photos):
        photos, _ = with_cluster_groups(photos, roots=[photograph_root(root)])
    labels = np.unique([photo.phase for photo in photos], return_inverse=True)[1]
    groups = [photo.group or "" for photo in photos]
    held = {groups[row] for row in deal_folds(labels, groups, folds=folds, seed=SEED)[fold - 1]}
    return [
        replace(photo, split="holdout") if photo.group in held else photo for photo in photos if photo.phase in phases
    ]
