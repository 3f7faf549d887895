"""Advice after a check of photographs: whether training can start, what to do first, and the pictures to look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from woundgen.reporting.check_data import CheckResult, Crop
from woundgen.reporting.pictures import Picture

FEWEST_PHOTOGRAPHS = 50  # of a phase: adapters of fewer mostly repeat their photographs
LOOKED_AT = 24  # pictures of a kind


@dataclass(frozen=True, slots=True)
class Advice:
    """word: the answer in a few words. tone: good, open or bad. lines: what to do, the gravest first."""

    word: str
    tone: str
    lines: tuple[str, ...]


def advise(result: CheckResult) -> Advice:
    """Say whether training can start with these photographs, and what to mend."""
    if not result.rows:
        return Advice(
            "No: no usable photograph.", "bad", ("Every row was dropped; the reasons stand under “Rows dropped”.",)
        )
    lines = list(_advice_lines(result))
    if result.errors():
        return Advice("No: there are errors.", "bad", tuple(lines))
    if lines:
        return Advice("Yes, with what stands below in mind.", "open", tuple(lines))
    return Advice("Yes.", "good", ("Nothing stands against it. Next: woundgen data split, or woundgen train.",))


def _advice_lines(result: CheckResult) -> Iterable[str]:
    if errors := result.errors():
        yield f"{_count(len(errors), 'pair')} of photographs contradict one another: correct or leave out one of each."
    for phase in sorted({row.label for row in result.rows}):
        n = sum(row.label == phase for row in result.rows)
        if n < FEWEST_PHOTOGRAPHS:
            yield f"Phase {phase} has {_count(n, 'wound')}; below {FEWEST_PHOTOGRAPHS} an adapter mostly repeats them."
    if unknown := sum(row.group is None for row in result.rows):
        yield (
            f"The patient of {unknown} of {len(result.rows)} wounds is unknown: a patient can land on both sides of a "
            "split, and intervals come out too narrow. Add the column patient or group_id."
        )
    if whole := sum(row.box is None for row in result.rows):
        yield f"{whole} of {len(result.rows)} wounds have no box: training sees the middle of the whole picture."
    small = sum(row.native_crop < result.resolution for row in result.rows)
    if small:
        yield f"{small} of {len(result.rows)} crops are smaller than {result.resolution} pixels and are upsampled."
    for kind, crops in _faulty(result):
        if crops:
            yield f"{kind}: {_count(len(crops), 'crop')}; look at the pictures below."


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _faulty(result: CheckResult) -> list[tuple[str, list[Crop]]]:
    doubtful = {name: ", ".join(found.faults()) for name, found in result.inspections.items() if found.faults()}
    return [
        ("A date stamp is left in the crop", [crop for crop in result.crops if crop.stamped]),
        ("A black border is left in the crop", [crop for crop in result.crops if crop.bordered]),
        ("Tiny, blurred, too dark or too bright", [c for c in result.crops if c.row.photograph in doubtful]),
    ]


def worst_pictures(result: CheckResult) -> list[tuple[str, list[Picture]]]:
    """Heading and pictures of each kind of doubt; pairs of photographs come first."""
    shown = []
    for heading, conflicting in (("Pairs that contradict one another", True), ("Pairs that are alike", False)):
        pairs = [pair for pair in result.pairs if bool(pair.double.conflicts) is conflicting]
        pictures = [
            Picture(pixels, _breakable(name))
            for pair in pairs
            for pixels, name in ((pair.first, pair.double.first), (pair.second, pair.double.second))
        ]
        if pictures:
            total = sum(bool(double.conflicts) is conflicting for double in result.doubles)
            shown.append((f"{heading}: {len(pairs)} of {total}, two by two", pictures))
    for heading, crops in _faulty(result):
        pictures = [Picture(c.pixels, _breakable(c.row.photograph)) for c in crops if c.pixels is not None][:LOOKED_AT]
        if pictures:
            shown.append((f"{heading}: {len(pictures)} of {len(crops)}", pictures))
    return shown


def _breakable(path: str) -> str:
    """A path that a narrow caption breaks after its folders."""
    return path.replace("/", "/\u200b")
