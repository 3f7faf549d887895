"""The plan of a study: stages, time and disk, from a few steps of each phase's training."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from woundgen.api.train import PlanResult
from woundgen.config.train import TrainConfig
from woundgen.events import Info, Warn
from woundgen.pipeline.settings import StudySettings
from woundgen.reporting.notebook import lines_html

STAGES = ("check", "split", "train", "calibrate", "generate", "evaluate", "audit", "utility", "report")
DRAWN_FOR_EACH = 1.5  # images drawn for each accepted: screening accepts 95 % of real photographs, of images fewer
FORWARD_SHARE = 1 / 3  # of a training step's time: a backward pass takes about twice its forward pass


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """A study to be made. facts: sentences on each phase. advice: sentences on what is few or unusual. phases: trained.

    seconds: of training and of drawing, by phase; None where the config measures no steps. disk_bytes: of runs and
    sets; free_bytes: free where the study will lie.
    """

    facts: tuple[str, ...]
    advice: tuple[str, ...]
    phases: tuple[str, ...]
    seconds: Mapping[str, Mapping[str, float] | None]
    disk_bytes: int
    free_bytes: int

    @property
    def total_seconds(self) -> float | None:
        """Seconds of training and drawing of all phases; None where they are not measured."""
        known = [phase for phase in self.seconds.values() if phase is not None]
        return sum(sum(phase.values()) for phase in known) if len(known) == len(self.seconds) else None

    def lines(self) -> list[str]:
        """Return the plan in words."""
        minutes = [
            f"phase {phase}: "
            + (
                "time not measured (probe_steps is 0)"
                if parts is None
                else ", ".join(f"{name} about {_duration(value)}" for name, value in parts.items())
            )
            for phase, parts in self.seconds.items()
        ]
        total = self.total_seconds
        whole = "" if total is None else f"in all about {_duration(total)} of training and drawing, more where others "
        whole += "" if total is None else "use this machine; the other stages take minutes"
        gib = 1 << 30
        disk = f"disk: about {self.disk_bytes / gib:.2f} GiB of {self.free_bytes / gib:.0f} GiB free"
        return [f"stages: {', '.join(STAGES)}", *minutes, *([whole] if whole else []), disk]

    def to_json(self) -> dict[str, Any]:
        """Return facts, advice, phases, seconds and bytes."""
        return {
            "facts": list(self.facts),
            "advice": list(self.advice),
            "phases": list(self.phases),
            "seconds": {name: None if parts is None else dict(parts) for name, parts in self.seconds.items()},
            "disk_bytes": self.disk_bytes,
            "free_bytes": self.free_bytes,
        }

    def _repr_html_(self) -> str:
        return str(lines_html("Plan of a study", [*self.facts, *self.advice, *self.lines()]))


def estimate_study(
    plans: Mapping[str, PlanResult], folder: Path, settings: StudySettings, events: Sequence[Info | Warn]
) -> StudyPlan:
    """Extend the measured steps of each phase's training to the drawing.

    folder: where the study will lie. events: facts and advice on the photographs; warnings of the plans follow them.
    """
    seconds: dict[str, dict[str, float] | None] = {}
    disk = 0
    images = settings.options.count * len(plans)
    for phase, planned in plans.items():
        seconds[phase] = None
        if planned.estimate is not None:
            estimate = planned.estimate
            step = estimate["seconds_a_step"] / planned.plan["global_batch"]
            seconds[phase] = {
                "training": estimate["training_seconds"] + estimate["drawing_seconds"],
                "drawing": _drawing_seconds(settings.config, step, settings.options.count),
            }
            disk += estimate["disk_bytes"]
    disk += images * 3 * settings.config.model.resolution**2
    existing = next(place for place in (folder, *folder.resolve().parents) if place.exists())
    facts = tuple(event.text for event in events if isinstance(event, Info))
    advice = [event.text for event in events if isinstance(event, Warn)]
    advice += [f"phase {phase}: {text}" for phase, planned in plans.items() for text in planned.warnings]
    return StudyPlan(facts, tuple(advice), tuple(plans), seconds, disk, shutil.disk_usage(existing).free)


def _drawing_seconds(config: TrainConfig, seconds_an_image: float, count: int) -> float:
    """Return the seconds of drawing `count` accepted images. seconds_an_image: of an image in a training step."""
    passes = config.sampling.steps * (2 if config.sampling.guidance_scale > 1 else 1)
    return count * DRAWN_FOR_EACH * passes * seconds_an_image * FORWARD_SHARE


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    return f"{hours:.1f} h" if hours >= 2 else f"{minutes:.0f} min" if minutes >= 2 else f"{seconds:.0f} s"
