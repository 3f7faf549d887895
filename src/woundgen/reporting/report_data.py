"""All that a report says, read from stored results and fit to be shared: no photograph, path or patient."""

from __future__ import annotations

from dataclasses import dataclass, field

from woundgen.records import MetricValue
from woundgen.reporting.grades import GRADES, Grades
from woundgen.reporting.pictures import Picture
from woundgen.reporting.read_audit import AuditFacts

NOT_NEEDED = "passed, not needed"
"""What images are called that passed screening when the set was full already."""

Facts = tuple[tuple[str, str], ...]  # (name, value) in the order shown


@dataclass(frozen=True, slots=True)
class Best:
    """The checkpoint kept as best: the metric that chose it, its value, step and weights."""

    metric: str
    value: float
    step: int
    weights: str


@dataclass(frozen=True, slots=True)
class RunFacts:
    """The facts of run.json, masked. counts: photographs by phase, then by split. config, plan ...: as shown."""

    name: str
    phases: tuple[str, ...]
    status: str
    created: str
    command: str
    base: str
    commit: str
    best: Best | None
    trainable: int | None
    total: int | None
    counts: tuple[tuple[str, dict[str, int]], ...]
    plan: Facts
    warnings: tuple[str, ...]
    config: Facts
    versions: Facts
    seconds: Facts


@dataclass(frozen=True, slots=True)
class TrainingLog:
    """Rows of train.jsonl as columns; a value that was not finite is NaN."""

    steps: tuple[int, ...] = ()
    losses: tuple[float, ...] = ()
    learning_rates: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredEvaluation:
    """One row of eval.jsonl. weights: "raw" or "ema"."""

    step: int
    epoch: float
    weights: str
    values: tuple[MetricValue, ...]


@dataclass(frozen=True, slots=True)
class ImageStrip:
    """A few pictures with a heading, such as the six with the lowest score."""

    title: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class ScoreMeans:
    """Mean of one score before screening (all drawn images) and after (accepted ones)."""

    score: str
    drawn: float
    accepted: float | None


@dataclass(frozen=True, slots=True)
class SetFacts:
    """A generated set. reasons: images rejected, by reason; surplus: passed, but the set was full.

    held_back: of the rejected, those called copies. audit: None where none was joined.

    screened: whether anything was asked of the images. copies_sought: whether they were held against all photographs
    that the adapters were trained on. pictures, strips: empty where copies may be among the images
    (read_set.is_screened_for_copies).
    script: a program that draws one of its images with diffusers alone; empty where the set has none.
    """

    name: str
    drawn: int
    accepted: int
    surplus: int
    screened: bool
    copies_sought: bool
    reasons: tuple[tuple[str, int], ...]
    settings: Facts
    pictures: tuple[Picture, ...]
    strips: tuple[ImageStrip, ...]
    script: str = ""
    held_back: int = 0
    audit: AuditFacts | None = None


@dataclass(frozen=True, slots=True)
class SetScores:
    """Scores of a set's screening against photographs, for the private page alone."""

    name: str
    means: tuple[ScoreMeans, ...]
    strips: tuple[ImageStrip, ...]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One metrics.json: what was measured, and the numbers, floors and ceilings among them."""

    label: str
    values: tuple[MetricValue, ...]


@dataclass(frozen=True, slots=True)
class ReportContent:
    """One run with its sets and measurements."""

    run: RunFacts
    log: TrainingLog = field(default_factory=TrainingLog)
    evaluations: tuple[StoredEvaluation, ...] = ()
    sets: tuple[SetFacts, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    grades: Grades = field(default_factory=lambda: GRADES)
