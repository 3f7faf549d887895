"""Disjoint random parts of a set, groups kept whole: no patient is ever on both sides of a comparison."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.intp]


def deal(codes: Codes, piles: int, rng: np.random.Generator) -> list[Codes]:
    """Rows of each pile: groups come in random order, each goes to the pile with the fewest images so far."""
    order = np.argsort(codes, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
    dealt: list[list[Codes]] = [[] for _ in range(piles)]
    filled = [0] * piles
    for group in rng.permutation(len(members)):
        pile = filled.index(min(filled))
        dealt[pile].append(members[group])
        filled[pile] += len(members[group])
    return [np.concatenate(pile) if pile else np.empty(0, np.intp) for pile in dealt]


def smallest_pile(codes: Codes, piles: int) -> int:
    """Return the size that `deal` guarantees its smallest pile: piles never differ by more than the largest group."""
    largest = int(np.bincount(codes).max())
    return max(-(-(len(codes) - (piles - 1) * largest) // piles), 0)


def disjoint_blocks(codes: Codes, blocks: int, n: int, rng: np.random.Generator) -> list[Codes]:
    """Rows of `blocks` disjoint parts of exactly n images; what a pile has beyond n is left out at random."""
    assert n <= smallest_pile(codes, blocks), f"{blocks} blocks of {n} do not fit into {len(codes)} images"
    return [rng.permutation(pile)[:n] for pile in deal(codes, blocks, rng)]
