"""Choose whole units so that they hold a wanted number of items of every class. Pure, deterministic."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_ENUMERATED = 12  # up to this many units all subsets are tried: few units are where a heuristic goes astray
_MISSING = 1e3  # a class absent from one side outweighs any deviation from the share


def choose_units(counts: np.ndarray, *, already: np.ndarray, wanted: np.ndarray, total: np.ndarray) -> np.ndarray:
    """bool [U]: the units chosen.

    counts: int [U, C], items of each class in each free unit. already, wanted, total: [C], items chosen
    beforehand, to be chosen in all, and existing in all; of each class at least one is wanted on either side.
    Minimises the sum over classes of squared (chosen − wanted) / total: exactly for up to 12 units, else
    greedily in the order given, then by single moves and swaps until none helps. Earlier units win ties.
    """
    goal = np.clip(wanted, np.minimum(1, total), np.maximum(total - 1, 0))

    def cost(held: np.ndarray) -> np.ndarray:
        missing = ((held <= 0) | (held >= total)) & (total > 0)
        return (((held - goal) / np.maximum(total, 1)) ** 2 + _MISSING * missing).sum(axis=-1)

    if len(counts) <= _ENUMERATED:
        subsets = (np.arange(2 ** len(counts))[:, None] >> np.arange(len(counts))) & 1
        return subsets[np.argmin(cost(already + subsets @ counts))].astype(bool)
    chosen = np.zeros(len(counts), bool)
    held = already.copy()
    for unit, unit_counts in enumerate(counts):
        if cost(held + unit_counts) < cost(held):
            chosen[unit], held = True, held + unit_counts
    while (step := _best_step(counts, chosen, held, cost=cost)) is not None:
        chosen[step] ^= True
        held = already + counts[chosen].sum(axis=0)
    return chosen


def _best_step(
    counts: np.ndarray, chosen: np.ndarray, held: np.ndarray, *, cost: Callable[[np.ndarray], np.ndarray]
) -> list[int] | None:
    """The one or two units whose change of side lowers the cost most, or None.

    Units with equal counts on one side are alike, so the first of each kind speaks for all.
    """
    kinds = np.column_stack([counts, chosen])
    candidates = np.sort(np.unique(kinds, axis=0, return_index=True)[1])
    change = np.where(chosen[candidates, None], -counts[candidates], counts[candidates])
    alone = cost(held + change)
    pairs = cost(held + change[:, None] + change[None, :])
    pairs[chosen[candidates][:, None] == chosen[candidates][None, :]] = np.inf
    now = cost(held) - 1e-12
    if alone.min() < now and alone.min() <= pairs.min():
        return [int(candidates[alone.argmin()])]
    if pairs.min() < now:
        return [int(candidates[i]) for i in np.unravel_index(pairs.argmin(), pairs.shape)]
    return None
