"""Simulated readers of a reader study, whose population is known.

A reader calls a picture synthetic where c d / 2 + bias + u + e > 0: c is +1 for synthetic images and -1 for real ones,
u the picture's own difficulty (shared by all readers), e the reader's noise. d and the bias differ between readers. So
the true accuracy, sensitivity and area under the curve of the population of readers and pictures are known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammaln
from scipy.stats import norm, t

from woundgen.study import merit
from woundgen.study.equivalence import assess_equivalence
from woundgen.study.merit import Cases
from woundgen.study.readers import pool

STEPS = np.array([-1.2, -0.8, -0.45, -0.2, 0.0, 0.2, 0.45, 0.8, 1.2])  # borders of five steps on either side


@dataclass(frozen=True)
class Kind:
    """d: of the mean reader; difficulty: SD of u; d_sd, bias_sd: SD between readers."""

    name: str
    d: float
    bias: float = 0.0
    difficulty: float = 0.0
    d_sd: float = 0.0
    bias_sd: float = 0.0

    @property
    def scale(self) -> float:
        return float(np.sqrt(1 + self.difficulty**2))

    def rates(self) -> tuple[float, float]:
        """True (sensitivity, specificity) of a reader and a picture drawn at random."""
        spread = np.sqrt(self.scale**2 + self.d_sd**2 / 4 + self.bias_sd**2)
        return tuple(float(norm.cdf((self.d / 2 + sign * self.bias) / spread)) for sign in (1, -1))  # type: ignore[return-value]

    def truths(self) -> dict[str, float]:
        sensitivity, specificity = self.rates()
        accuracy = (sensitivity + specificity) / 2
        return {"accuracy": accuracy, "sensitivity": sensitivity, "specificity": specificity, "AUC": self._area()}

    def _area(self) -> float:
        """Of ratings in ten steps, averaged over readers: numerically over their distribution."""
        nodes = norm.ppf((np.arange(41) + 0.5) / 41)
        areas = [
            _area_of(self.d + self.d_sd * a, self.bias + self.bias_sd * b, self.scale)
            for a in (nodes if self.d_sd else [0.0])
            for b in (nodes if self.bias_sd else [0.0])
        ]
        return float(np.mean(areas))


def _area_of(d: float, bias: float, scale: float) -> float:
    edges = np.concatenate([[-np.inf], STEPS, [np.inf]])
    shares = [np.diff(norm.cdf(edges, loc=sign * d / 2 + bias, scale=scale)) for sign in (1, -1)]
    below = np.concatenate([[0.0], np.cumsum(shares[1])[:-1]])
    return float((shares[0] * (below + shares[1] / 2)).sum())


KINDS = (
    Kind("guessing", d=0.0),
    Kind("guessing, pictures differ", d=0.0, difficulty=0.35, d_sd=0.15, bias_sd=0.2),
    Kind("70 %", d=1.1, difficulty=0.3, d_sd=0.25),
    Kind("biased to real", d=0.5, bias=-0.8, difficulty=0.3, d_sd=0.15, bias_sd=0.2),
    Kind("perfect", d=20.0),
)


def of_accuracy(kind: Kind, accuracy: float) -> Kind:
    """With the d at which the true accuracy (without bias) is `accuracy`."""
    low, high = 0.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(replace(kind, d=middle).rates()) / 2 < accuracy else (low, middle)
    return replace(kind, d=low, name=f"{kind.name} {accuracy:.0%}")


def draw(kind: Kind, *, readers: int, items: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, Cases]:
    """(calls, ratings, cases): 1 or 0, and -5..5 without 0, of [readers, items]."""
    synthetic = np.arange(items) < items // 2
    sign = np.where(synthetic, 0.5, -0.5)
    d = rng.normal(kind.d, kind.d_sd, (readers, 1)) if kind.d_sd else np.full((readers, 1), kind.d)
    bias = rng.normal(kind.bias, kind.bias_sd, (readers, 1)) if kind.bias_sd else np.full((readers, 1), kind.bias)
    latent = d * sign + bias + rng.normal(0, 1, (readers, items))
    latent = latent + kind.difficulty * rng.normal(0, 1, items)
    step = np.searchsorted(STEPS, latent)  # 0..9
    ratings = np.where(step < 5, step - 5, step - 4)
    return (ratings > 0).astype(float), ratings.astype(float), Cases(synthetic, np.arange(items))


def estimates(kind: Kind, *, simulations: int, readers: int, items: int, seed: int = 0) -> dict[str, np.ndarray]:
    """name -> [simulations, 4]: value, low, high, and for accuracy whether equivalence is claimed (margin 0.10)."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list[tuple[float, float, float, float]]] = {}
    for _ in range(simulations):
        calls, ratings, cases = draw(kind, readers=readers, items=items, rng=rng)
        figures = {
            "accuracy": merit.accuracy(calls, cases),
            "sensitivity": merit.sensitivity(calls, cases),
            "specificity": merit.specificity(calls, cases),
            "AUC": merit.auc(ratings, cases),
        }
        for name, figure in figures.items():
            pooled = pool(figure)
            claimed = assess_equivalence(pooled, margin=0.1).claimed
            rows.setdefault(name, []).append((pooled.value, *pooled.bounds_of_share(), float(claimed)))
    return {name: np.array(found) for name, found in rows.items()}


def coverage(found: np.ndarray, truth: float) -> float:
    return float(((found[:, 1] <= truth + 1e-12) & (found[:, 2] >= truth - 1e-12)).mean())


def width_ratio(found: np.ndarray) -> float:
    """Mean width over that of value -+ 1.96 SD, with the SD that the simulations themselves show."""
    sd = found[:, 0].std(ddof=1)
    return float((found[:, 2] - found[:, 1]).mean() / (2 * 1.959964 * sd)) if sd > 0 else float("inf")


def width_of_readers_alone(readers: int) -> float:
    """Mean width of Student's interval on J - 1 degrees of freedom over that of an oracle that knows the variance.

    The bar for a number of readers: even with endless pictures the spread between readers is known from J values, and
    Student's interval is the shortest unbiased one for their mean. t c4 / 1.96, c4 the mean of an estimated SD.
    """
    degrees = readers - 1
    c4 = np.sqrt(2 / degrees) * np.exp(gammaln((degrees + 1) / 2) - gammaln(degrees / 2))
    return float(t.ppf(0.975, degrees) * c4 / norm.ppf(0.975))


def widest_ratio(readers: int) -> float:
    """Bar of the width: 1.3, and with few readers what these permit."""
    return max(1.3, width_of_readers_alone(readers))
