"""Checks before anything is measured, with errors in the user's words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from woundgen.errors import UserError
from woundgen.records import METRICS, Preparation

Array = npt.NDArray[np.floating]
Codes = npt.NDArray[np.intp]


def check_features(**sets: Array) -> None:
    """Sets [n, d] by the name to use in messages, such as generated=..., real=....

    Raises UserError for fewer than 2 images, a wrong shape, NaN or infinity, or differing d.
    """
    for name, features in sets.items():
        if features.ndim != 2:
            raise UserError(f"The {name} features have shape {features.shape}.", "Give one row an image: [n, d].")
        if len(features) < 2:
            raise UserError(f"The {name} set has {len(features)} image(s); no metric is defined below 2.")
        broken = np.flatnonzero(~np.isfinite(features).all(axis=1))
        if len(broken):
            raise UserError(
                f"{len(broken)} of {len(features)} {name} images have NaN or infinite features, "
                f"the first at row {broken[0]}.",
                "Look at those images; do not measure without them.",
            )
    widths = {name: features.shape[1] for name, features in sets.items()}
    if len(set(widths.values())) > 1:
        told = ", ".join(f"{name} {width}" for name, width in widths.items())
        raise UserError(f"The sets have features of different length ({told}).", "Use one feature network.")


def check_enough(names: Iterable[str], n: int) -> None:
    """n: images on each side at which value and floor are taken."""
    for name in names:
        if n < METRICS[name].minimum_n:
            raise UserError(
                f"{name} needs {METRICS[name].minimum_n} images on each side; halves of these sets hold {n}.",
                f"Give at least {2 * METRICS[name].minimum_n} of both, or leave {name} out.",
            )


def check_preparations(sets: Mapping[str, Preparation | None], *, hint: str = "") -> None:
    """UserError where two of the sets, by the name to use in messages, were prepared differently.

    Cropped against whole, or sharp against compressed, the preparation would be measured and not the generator. None:
    how a set was prepared is not known. hint: what to do.
    """
    known = [(name, one) for name, one in sets.items() if one is not None]
    for name, one in known[1:]:
        first, reference = known[0]
        if differing := reference.differences(one):
            told = "; ".join(f"{left} ({first}), {right} ({name})" for left, right in differing)
            raise UserError(
                f"The {first} and the {name} images were prepared differently: {told}.",
                hint or "Prepare both alike: the same margin, size and kind of files.",
            )


def check_patients(metric: str, codes: Codes) -> None:
    if codes.max() < 2:
        raise UserError(f"{metric} needs photographs of at least 3 patients.", "Leave it or the patients out.")
