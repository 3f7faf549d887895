"""Draw with a trained adapter and measure; draw-time settings are swept on few images, without training."""

from __future__ import annotations

import gc
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from woundgen.config.train import TrainConfig, prompts_for
from woundgen.errors import UserError
from woundgen.events import complete
from woundgen.generation.resize import reduced
from woundgen.generation.sampler import SamplerSettings, draw_block
from woundgen.models.base import encode_prompts
from woundgen.tuning.objective import Kind, choose_statistic, measure_recall, screening_images
from woundgen.tuning.space import DRAWING
from woundgen.tuning.sweep import MEASURED_WHOLE, sweep_in_turn
from woundgen.workflows.generate.model import DrawModel, load_model
from woundgen.workflows.generate.request import GenerateOptions, GenerateRequest
from woundgen.workflows.tune.reference import StudyReferences
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
    """Draws with a checkpoint. counts: images of each phase, at most. loaded: the last model, by its weights.

    blocks: every block of images drawn, by its drawing, phase and first index: none is drawn twice.
    """

    checkpoint: Path
    config: TrainConfig
    counts: Mapping[str, int]
    seed: int
    loaded: tuple[str, DrawModel] | None = None
    blocks: dict[tuple[Any, ...], Images] = field(default_factory=dict)

    def draw(self, drawing: Mapping[str, Any], images: int) -> Images:
        """Draw the first blocks of each phase, `images` or a few more; UserError where there are no such weights."""
        parts = []
        for phase, count in take_blocks(self.counts, images).items():
            for first in range(0, count, BLOCK):
                key = (*(drawing[name] for name in DRAWING), phase, first)
                if key not in self.blocks:
                    self.blocks[key] = self._draw_block(drawing, phase, range(first, min(first + BLOCK, count)))
                parts.append(self.blocks[key])
        return np.concatenate(parts)

    def _draw_block(self, drawing: Mapping[str, Any], phase: str, indices: range) -> Images:
        model = self._model(drawing["weights"])
        settings: SamplerSettings = replace(
            model.recipe.sampler,
            guidance_scale=float(drawing["guidance_scale"]),
            guidance_interval=tuple(drawing["guidance_interval"]),
            steps=int(drawing["inference_steps_production"]),
        )
        positive, negative = (encode_prompts(model.base, [text]) for text in prompts_for(self.config, phase))
        block = draw_block(model.base, settings, indices, prompt_states=positive, negative_states=negative)
        return reduced(block, self.config.model.resolution)

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


def sweep_drawing(
    painter: Painter, references: StudyReferences, unit: Unit, kind: Kind
) -> tuple[list[Point], int, Drawn]:
    """Sweep the draw-time settings on few images; measure the lowest two of them on all, and take the lower.

    Returns all points, the place of the best, and what was drawn there. A single drawing is measured on all
    images at once. Weights that the checkpoint does not hold are passed over.
    """
    points: list[Point] = []

    def measure(drawing: Mapping[str, Any], images: int) -> Drawn:
        pixels = painter.draw(drawing, images)
        features = references.network.pooled(pixels)
        real = references.side_features(unit.side, unit.photographs)
        recall = measure_recall(features, real) if len(features) == len(real) else None  # it hangs on the numbers
        points.append(Point(dict(drawing), float(choose_statistic(kind)(features, real)), recall, len(pixels)))
        return Drawn(points[-1], pixels, features)

    few = screening_images(unit.images, kind=kind)

    def screen(drawing: Mapping[str, Any]) -> float | None:
        try:
            return measure(drawing, few).point.value
        except UserError:
            if drawing["weights"] == unit.drawing["weights"][0]:
                raise
            return None  # too few snapshots for an average of that length

    leaders: list[Mapping[str, Any]] = [{key: unit.drawing[key][0] for key in DRAWING}]
    if any(len(unit.drawing[key]) > 1 for key in DRAWING):
        leaders = sweep_in_turn(unit.drawing, screen)[: MEASURED_WHOLE if few < unit.images else 1]
    begun = len(points)
    best = min((measure(drawing, unit.images) for drawing in leaders), key=lambda entry: entry.point.value)
    return points, next(place for place in range(begun, len(points)) if points[place] is best.point), best


def take_blocks(counts: Mapping[str, int], images: int) -> dict[str, int]:
    """Return how many images of each phase make up `images`: whole blocks, at most the counts."""
    share = images / sum(counts.values())
    return {phase: min(count, BLOCK * math.ceil(count * share / BLOCK)) for phase, count in counts.items()}


def count_phases(phases: list[str]) -> dict[str, int]:
    """Return how many images of each phase are drawn: as many as there are photographs."""
    return dict(sorted(Counter(phases).items()))
