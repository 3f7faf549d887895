"""Advice on photographs before anything is spent on them: too few, without boxes or patients, or enlarged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from woundgen.records import PHASES, ManifestRow

FEWEST = 14  # photographs of a phase: of these, 10 train and can be screened against
USUAL = 50
FEWEST_MEASURED = 8  # photographs of a side, as `woundgen evaluate` asks for


@dataclass(frozen=True, slots=True)
class PhaseCounts:
    """Photographs of a phase, and how many of them lack what training wants. groups: patients that are named."""

    phase: str
    photographs: int
    without_box: int
    without_patient: int
    enlarged: int
    groups: int

    @property
    def is_enough(self) -> bool:
        """Whether an adapter can be trained and its images screened."""
        return self.photographs >= FEWEST


def count_phases(rows: Sequence[ManifestRow], *, resolution: int) -> tuple[PhaseCounts, ...]:
    """Count the rows of each phase that is there. resolution: side of the images to train on, pixels."""
    counts = []
    for phase in PHASES:
        mine = [row for row in rows if row.label == phase]
        if mine:
            counts.append(
                PhaseCounts(
                    phase=phase,
                    photographs=len(mine),
                    without_box=sum(row.box is None for row in mine),
                    without_patient=sum(row.group is None for row in mine),
                    enlarged=sum(row.native_crop < resolution for row in mine),
                    groups=len({row.group for row in mine if row.group is not None}),
                )
            )
    return tuple(counts)


def give_advice(counts: Sequence[PhaseCounts], *, resolution: int, validation_share: float) -> Iterator[str]:
    """Yield a sentence for each thing that will cost quality or a conclusion, with its number."""
    for phase in counts:
        n = phase.photographs
        if not phase.is_enough:
            yield f"phase {phase.phase}: {n} photographs; fewer than {FEWEST} cannot be screened against: left out."
            continue
        if n < USUAL:
            yield (
                f"phase {phase.phase}: {n} photographs, and {USUAL} or more are usual: the adapter will repeat them "
                "rather than learn from them, and screening will hold copies back."
            )
        if round(n * validation_share) < FEWEST_MEASURED:
            yield (
                f"phase {phase.phase}: about {round(n * validation_share)} photographs are held out for measuring; "
                f"below {FEWEST_MEASURED} nothing is measured, below 30 little can be concluded."
            )
        if phase.without_box:
            yield (
                f"phase {phase.phase}: {phase.without_box} of {n} photographs have no box of the wound: their middle "
                "square is trained on, in which the wound may be small."
            )
        if phase.enlarged:
            yield (
                f"phase {phase.phase}: {phase.enlarged} of {n} crops are smaller than {resolution} pixels: they are "
                "enlarged, and their blur is learned."
            )
        if phase.without_patient:
            yield (
                f"phase {phase.phase}: {phase.without_patient} of {n} photographs name no patient: near duplicates "
                "stand for patients, a patient may be on both sides, and no test of a classifier is made."
            )
