"""The attack on the files that lie with a set's images: they may tell whose photographs were trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from woundgen.errors import UserError
from woundgen.privacy.membership import membership_test
from woundgen.privacy.released_numbers import Attack, attack, read_columns
from woundgen.screening.descriptors import Descriptors
from woundgen.similarity.neighbours import euclidean_distances
from woundgen.similarity.perceptual import pairwise_squared_distances
from woundgen.storage.set_rows import read_released_rows


def attack_distances(images: Descriptors, photographs: Descriptors) -> list[npt.NDArray[np.float64]]:
    """Each [N, M] distance that a set's scores could be of and that whoever holds a photograph can compute."""
    straight = euclidean_distances(images.pooled, photographs.pooled)
    mirrored = euclidean_distances(images.pooled_mirrored, photographs.pooled)
    found = [straight, np.minimum(straight, mirrored)]
    if images.perceptual is not None and images.perceptual_mirrored is not None and photographs.perceptual is not None:
        plain = pairwise_squared_distances(images.perceptual, photographs.perceptual)
        turned = pairwise_squared_distances(images.perceptual_mirrored, photographs.perceptual)
        found += [plain, np.minimum(plain, turned)]
    return found


def attack_set(folder: Path, images: Descriptors, photographs: Descriptors) -> Attack:
    """Attack the set in `folder`. images: its own, in the order of its rows. photographs: the candidates."""
    names = [Path(row["file_name"]).name for row in read_released_rows(folder)]
    if len(names) != len(images):
        raise UserError(f"{folder} has {len(images)} images and {len(names)} rows.", "Draw the set again.")
    return attack(read_columns(folder, names), attack_distances(images, photographs))


def released_facts(
    found: Attack, trained: npt.NDArray[np.bool_], groups: Sequence[str] | None, *, rejected_rows: bool
) -> dict[str, Any]:
    """Return the facts for privacy.json: members proven, others proven by chance, and the AUC over patients with its p.

    rejected_rows: whether those of images that were not kept are among the released files (sets of earlier versions).
    """
    auc = membership_test(-found.scores, trained, groups)
    return {
        "columns": list(found.columns),
        "proven": int(found.proven[trained].sum()),
        "false": int(found.proven[~trained].sum()),
        "excluded": int(found.excluded[~trained].sum()),
        "n": [int(trained.sum()), int((~trained).sum())],
        "rejected_rows": rejected_rows,
        **asdict(auc),
    }
