"""A reader that knows nothing but colour: does a generated set look like its phase, no less and no more?

A logistic regression on Lab statistics, fitted on phantoms of I and R. Its recall on generated images should
equal its recall on held-out phantoms: below is a failure, above is caricature.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from woundgen.metrics.intervals import binomial_bounds
from woundgen.phantoms import draw_phantoms
from woundgen.records import MetricValue
from woundgen.similarity.colour import colour_statistics

Images: TypeAlias = NDArray[np.uint8]
READER_SEED = 500_001


def fit_colour_reader(*, per_phase: int, phases: Sequence[str] = ("I", "R")) -> Pipeline:
    """Fitted on fresh phantoms that no model was trained on."""
    drawn = draw_phantoms(range(per_phase * len(phases)), seed=READER_SEED, phases=tuple(phases))
    reader = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return reader.fit(colour_statistics(drawn.images / 255.0), list(drawn.phases))


def recall_of(reader: Pipeline, images: Images, phase: str, *, label: str) -> MetricValue:
    """Share of images read as `phase`, with its exact 95 % interval."""
    hits = int((reader.predict(colour_statistics(images / 255.0)) == phase).sum())
    n = len(images)
    low, high = binomial_bounds(hits, n)
    return MetricValue("colour_recall", hits / n, low, high, "95 %, exact binomial", (n, n), label=label)
