"""Draw with a trained adapter and measure; draw-time settings are swept in turn, without training."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from woundgen.config.train import TrainConfig, prompts_for
from woundgen.errors import UserError
from woundgen.events import complete
from woundgen.generation.resize import reduced
from woundgen.generation.sampler import draw_block
from woundgen.models.base import encode_prompts
from woundgen.tuning.objective import Kind, choose_statistic, measure_recall
from woundgen.tuning.space import DRAWING
from woundgen.workflows.generate.model import DrawModel, load_model
from woundgen.workflows.generate.request import GenerateOptions, GenerateRequest
from woundgen.workflows.tune.reference import References
from woundgen.workflows.tune.unit import Point, Unit

Images = NDArray[np.uint8]
BLOCK = 16


@dataclass(frozen=True, slots=True)
class Drawn:
    """A drawing of an adapter: what was measured, the images [n, S, S, 3] and their features [n, d]."""

    point: Point
    images: Images
    features: NDArray[np.float64]


@dataclass(slots=True)
class Painter:
    """Draws with a checkpoint. counts: images of each phase. loaded: the last model, by its weights."""

    checkpoint: Path
    config: TrainConfig
    counts: Mapping[str, int]
    seed: int
    loaded: tuple[str, DrawModel] | None = None

    def draw(self, drawing: Mapping[str, Any]) -> Images:
        """Draw all phases with these settings; UserError where the adapter has no such weights."""
        model = self._model(drawing["weights"])
        settings = replace(
            model.recipe.sampler,
            guidance_scale=float(drawing["guidance_scale"]),
            guidance_interval=tuple(drawing["guidance_interval"]),
            steps=int(drawing["inference_steps_production"]),
        )
        parts = []
        for phase, count in self.counts.items():
            positive, negative = (encode_prompts(model.base, [text]) for text in prompts_for(self.config, phase))
            for first in range(0, count, BLOCK):
                block = draw_block(
                    model.base, settings, range(first, min(first + BLOCK, count)),
                    prompt_states=positive, negative_states=negative,
                )  # fmt: skip
                parts.append(reduced(block, self.config.model.resolution))
        return np.concatenate(parts)

    def _model(self, weights: str) -> DrawModel:
        if self.loaded is None or self.loaded[0] != weights:
            self.loaded = None
            gc.collect()  # the model before holds gigabytes of a card
            self.loaded = weights, complete(load_model(self._request(weights)))
        return self.loaded[1]

    def _request(self, weights: str) -> GenerateRequest:
        phase, computed = next(iter(self.counts)), self.config.compute.device
        options = GenerateOptions(
            weights=weights,
            label=phase,
            seed=self.seed,
            size=self.config.model.resolution,
            block=BLOCK,
            device=computed,
        )
        return GenerateRequest(((self.checkpoint, 1.0),), count=self.counts[phase], options=options)


def sweep_drawing(painter: Painter, references: References, unit: Unit, kind: Kind) -> tuple[list[Point], int, Drawn]:
    """Sweep the draw-time settings in turn, each at the best of those before.

    Returns all points, the place of the best, and what was drawn there. A later value is taken only where it is lower.
    Weights that the checkpoint does not hold are passed over.
    """

    def measure(drawing: Mapping[str, Any]) -> Drawn:
        images = painter.draw(drawing)
        features = references.network.pooled(images)
        real = references.side_features(unit.side, unit.images)
        value = float(choose_statistic(kind)(features, real))
        points.append(Point(dict(drawing), value, measure_recall(features, real)))
        return Drawn(points[-1], images, features)

    points: list[Point] = []
    best, place = measure({key: unit.drawing[key][0] for key in DRAWING}), 0
    for key in DRAWING:
        current = best.point.drawing
        for value in unit.drawing[key][1:]:
            try:
                collected = measure({**current, key: value})
            except UserError:
                if key != "weights":
                    raise
                continue  # too few snapshots for an average of that length
            if collected.point.value < best.point.value:
                best, place = collected, len(points) - 1
    return points, place, best


def count_phases(phases: list[str]) -> dict[str, int]:
    """Return how many images of each phase are drawn: as many as there are photographs."""
    return dict(sorted(Counter(phases).items()))
