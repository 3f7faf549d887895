"""Which images belong together (one patient, one camera session) and must not count as independent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Groups = Sequence[str | int | None]


def group_codes(groups: Groups | None, count: int) -> npt.NDArray[np.intp]:
    """[count] integers, equal where the group is the same.

    None for all of them, or for one (an unknown patient), makes that image a group of its own, so that
    every formula has one path: ungrouped images are groups of one.
    """
    if groups is None:
        return np.arange(count)
    assert len(groups) == count, f"{len(groups)} groups for {count} images"
    names = [("unknown", row) if group is None else ("known", group) for row, group in enumerate(groups)]
    numbers = {name: code for code, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], dtype=np.intp)
