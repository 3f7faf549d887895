"""Do a unit: train by the trainer of `woundgen train`, draw, measure, and write the result last."""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from safetensors.numpy import save

from woundgen.config.train import TrainConfig
from woundgen.events import complete
from woundgen.metrics.two_sample_rows import measure_two_sample
from woundgen.reporting.pictures import image_grid
from woundgen.runtime.console import silent_console
from woundgen.runtime.devices import threads_fixed
from woundgen.storage.checkpoint import newest_sound
from woundgen.storage.files import read_json, write_bytes, write_json
from woundgen.storage.names import CHECKPOINTS, RUN_JSON
from woundgen.workflows.train.job import train_adapter
from woundgen.workflows.train.request import TrainRequest
from woundgen.workflows.train.session import TrainingJob
from woundgen.workflows.tune.division import CONFIRMATION
from woundgen.workflows.tune.measure import Drawn, Painter, count_phases, sweep_drawing
from woundgen.workflows.tune.reference import ReferenceSide, StudyReferences
from woundgen.workflows.tune.study import TuningStudy, open_study_references
from woundgen.workflows.tune.trial_config import planned_steps, steps_at, trial_config
from woundgen.workflows.tune.unit import ENCODINGS, RESULTS, RUNS, Unit, UnitResult, read_result, result_path

GRID = 16  # images of a grid, on the same seeds in every trial


class Stopped(Exception):
    """A signal ended a training in good order. code: of the process that ends for it."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True)
class Worker:
    """Does units in this process. references: opened for the first unit."""

    study: TuningStudy
    references: StudyReferences | None = None

    def do(self, unit: Unit) -> UnitResult:
        """Return the unit's result, from disk where it has been done. Raises Stopped after a signal."""
        if (done := read_result(self.study.folder, unit.name)) is not None:
            return done
        study, processor = self.study, time.process_time()
        if self.references is None:
            self.references = open_study_references(study.config, study.photographs)
        with threads_fixed(study.threads):
            config = trial_config(study, unit)
            steps = self._train(unit, config)
            began = time.monotonic()
            checkpoint = newest_sound(study.folder / RUNS / unit.run / CHECKPOINTS).folder
            assert checkpoint is not None, "a training leaves a checkpoint"
            side = self.references.side(unit.side, unit.photographs)
            painter = Painter(checkpoint, config, count_phases(side.phases), unit.draw_seed)
            points, place, best = sweep_drawing(painter, self.references, unit, study.objective)
            copies = self._count_copies(best)
            two_sample = measure_accuracy(best, side) if study.two_sample and unit.side == CONFIRMATION else None
        violations = study.constraints(len(best.images)).violations(recall=best.point.recall, copies=copies)
        seconds = {
            "training": _training_seconds(study.folder / RUNS / unit.run),
            "drawing": time.monotonic() - began,
            "processor": time.process_time() - processor,
        }
        result = UnitResult(unit.name, steps, tuple(points), place, copies, two_sample, violations, seconds)
        _write(study.folder, unit, result, best)
        return result

    def _train(self, unit: Unit, config: TrainConfig) -> int:
        """Train up to the unit's share; return the steps of the run so far."""
        study = self.study
        total = planned_steps(study, config)
        request = TrainRequest(
            config=config,
            data=study.photographs,
            out=study.folder / RUNS / unit.run,
            stop_at=None if unit.share >= 1 else steps_at(unit.share, total),
            encodings=study.folder / ENCODINGS,
        )
        gc.collect()  # layers with a forward of ours are held by a cycle, and hold gigabytes of a card
        result = train_adapter(TrainingJob(request, silent_console()))
        if result.exit_code:
            raise Stopped(result.exit_code)
        return result.steps

    def _count_copies(self, best: Drawn) -> int | None:
        if self.study.copy_ceiling is None or self.references is None:
            return None
        return self.references.count_copies(best.images, ceiling=self.study.copy_ceiling)


def measure_accuracy(drawn: Drawn, side: ReferenceSide) -> float:
    """Return the held-out accuracy of a classifier that knows these images from photographs; 0.5 is chance."""
    rows = complete(measure_two_sample(drawn.images, side.images, real_groups=side.groups)).rows
    return next(row.value for row in rows if not row.label)


def _training_seconds(run: Path) -> float:
    return float(read_json(run / RUN_JSON)["seconds"]["training"])


def _write(folder: Path, unit: Unit, result: UnitResult, best: Drawn) -> None:
    """Write features and grid, where they are wanted, and the result last: with it the unit is done."""
    (folder / RESULTS).mkdir(exist_ok=True)
    path = result_path(folder, unit.name)
    if unit.keeps:
        write_bytes(path.with_suffix(".safetensors"), save({"features": best.features}))
        temporary = path.with_suffix(".png.tmp")
        Image.fromarray(image_grid(best.images[:GRID], columns=8, gap=0)).save(temporary, format="PNG")
        temporary.replace(path.with_suffix(".png"))
    write_json(path, _to_json(unit, result))


def _to_json(unit: Unit, result: UnitResult) -> Mapping[str, Any]:
    return {
        "name": result.name,
        "unit": unit.to_json(),
        "steps": result.steps,
        "points": [
            {"drawing": dict(entry.drawing), "value": entry.value, "recall": entry.recall, "images": entry.images}
            for entry in result.points
        ],
        "best": result.best,
        "copies": result.copies,
        "two_sample": result.two_sample,
        "violations": list(result.violations),
        "seconds": dict(result.seconds),
    }
