"""How often something can happen that was seen `hits` times in `n`."""

from __future__ import annotations

from scipy.stats import beta


def upper_bound(hits: int, n: int, *, level: float = 0.95) -> float:
    """One-sided exact bound of the rate (Clopper & Pearson 1934): 3 / n at none seen, nearly."""
    assert 0 <= hits <= n
    assert n > 0, "a rate of no image"
    return 1.0 if hits == n else float(beta.ppf(level, hits + 1, n - hits))
