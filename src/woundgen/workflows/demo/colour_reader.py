"""A reader that knows nothing but colour: does a generated set look like its phase, no less and no more?

A logistic regression on Lab statistics, fitted on phantoms of I and R. Its recall on generated images should
equal its recall on held-out phantoms: below is a failure, above is caricature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from woundgen.metrics.checks import check_preparations
from woundgen.metrics.intervals import binomial_bounds
from woundgen.metrics.prepared import PreparedImages
from woundgen.records import MetricValue, Preparation
from woundgen.similarity.colour import colour_statistics
from woundgen.workflows.dataset.phantoms import draw_held_out

READER_SEED = 500_001


@dataclass(frozen=True, slots=True)
class ColourReader:
    """pipeline: Lab statistics to a phase. preparation: of the phantoms that it was fitted on."""

    pipeline: Pipeline
    preparation: Preparation | None


def fit_colour_reader(*, per_phase: int, margin: float, phases: Sequence[str] = ("I", "R")) -> ColourReader:
    """Fit it on fresh phantoms that no model was trained on, framed with `margin` as training frames them."""
    count = per_phase * len(phases)
    drawn = draw_held_out(range(count), seed=READER_SEED, phases=phases, margin=margin)
    names = [phases[index % len(phases)] for index in range(count)]  # as draw_phantoms deals them
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return ColourReader(pipeline.fit(colour_statistics(drawn.images / 255.0), names), drawn.preparation)


def recall_of(reader: ColourReader, drawn: PreparedImages, phase: str, *, label: str) -> MetricValue:
    """Share of images read as `phase`, with its exact 95 % interval. UserError for images prepared otherwise."""
    check_preparations({"reader": reader.preparation, "images": drawn.preparation})
    hits = int((reader.pipeline.predict(colour_statistics(drawn.images / 255.0)) == phase).sum())
    n = len(drawn.images)
    low, high = binomial_bounds(hits, n)
    return MetricValue("colour_recall", hits / n, low, high, "95 %, exact binomial", (n, n), label=label)
