"""check.html, with photographs and so private, and check.txt: the page that `woundgen data check` makes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from woundgen.data.pixels.inspect import BLURRED, BURNT_SHARE, DARK, SMALL_SIDE, Inspection
from woundgen.data.splits.conflicts import Double
from woundgen.records import ManifestRow
from woundgen.reporting.check_advice import advise, worst_pictures
from woundgen.reporting.check_data import CheckResult
from woundgen.reporting.html import render
from woundgen.reporting.pictures import Picture, image_grid
from woundgen.reporting.tables import Table, as_html, as_text
from woundgen.storage.files import write_text
from woundgen.storage.names import CHECK_HTML, CHECK_TXT

COLUMNS = 10
FAULTS = ("tiny", "blurred", "underexposed", "overexposed")
LISTED = 200  # rows of the longest lists of the HTML page; the text has all
FOLDED = 20  # longer tables are folded


def write_check(result: CheckResult, *, out: Path) -> tuple[Path, ...]:
    """Both are made before the first is written. `out` is private already."""
    pages = {out / CHECK_TXT: check_text(result), out / CHECK_HTML: check_html(result)}
    for path, page in pages.items():
        write_text(path, page)
    return tuple(pages)


def check_text(result: CheckResult) -> str:
    advice = advise(result)
    answer = "\n".join([f"Can training start? {advice.word}", *(f"- {line}" for line in advice.lines)])
    parts = [f"Photographs in {result.source}", answer, "\n".join(result.summary())]
    parts += [f"{heading}\n{as_text(table)}" for heading, table in tables(result) if table.rows]
    return "\n\n".join(parts) + "\n"


def check_html(result: CheckResult) -> str:
    named = [
        (heading, as_html(_first(table)), len(table.rows) if len(table.rows) > FOLDED else 0)
        for heading, table in tables(result)
        if table.rows
    ]
    advice = advise(result)
    context = {
        "title": f"Photographs in {result.source}",
        "word": advice.word,
        "tone": advice.tone,
        "advice": advice.lines,
        "errors": [double.told() for double in result.errors()],
        "summary": result.summary(),
        "worst": worst_pictures(result),
        "sheets": _sheets(result),
        "tables": named,
    }
    return render("check.html.j2", context)


def tables(result: CheckResult) -> list[tuple[str, Table]]:
    """Heading and table, in the order of the page; tables without rows are left out there."""
    return [
        ("Errors: pairs that contradict one another", _doubles(result.errors())),
        ("Counts by phase", _phases(result)),
        ("Rows dropped, by reason", _reasons(result)),
        ("Native size of the crop", _sizes(result)),
        ("Doubtful photographs", _faults(result)),
        ("Same or nearly the same, without contradiction", _doubles([d for d in result.doubles if not d.conflicts])),
        ("Counts by patient", _patients(result)),
        ("Every row that was dropped", _dropped(result)),
        ("Date stamps", _stamps(result)),
    ]


def _phases(result: CheckResult) -> Table:
    phases = sorted({row.label for row in result.rows})
    sides = [side for side in ("train", "validation", "holdout") if any(row.split == side for row in result.rows)]
    rows = [_phase(phase, [row for row in result.rows if row.label == phase], sides) for phase in phases]
    rows += [_phase("all", result.rows, sides)]
    note = f"{len(result.rows)} usable and {len(result.dropped)} dropped are the {result.total} rows of the input."
    return Table(("Phase", "Wounds", "Photographs", "Patients", *sides), tuple(rows), (note,))


def _phase(name: str, rows: Sequence[ManifestRow], sides: Sequence[str]) -> tuple[str, ...]:
    patients = {row.group for row in rows if row.group}
    unknown = sum(row.group is None for row in rows)
    told = f"{len(patients)}" + (f", and {unknown} wounds of unknown ones" if unknown else "")
    own = [str(sum(row.split == side for row in rows)) for side in sides]
    return (name, str(len(rows)), str(len({row.photograph for row in rows})), told, *own)


def _reasons(result: CheckResult) -> Table:
    counts = Counter(one.reason for one in result.dropped)
    return Table(("Reason", "Rows"), tuple((reason, str(count)) for reason, count in sorted(counts.items())))


def _sizes(result: CheckResult) -> Table:
    header = ("Phase", "n", "Smallest", "Median", "Largest", f"Below {result.resolution}")
    rows = []
    for phase in sorted({row.label for row in result.rows}):
        sizes = [row.native_crop for row in result.rows if row.label == phase]
        small = sum(size < result.resolution for size in sizes)
        rows.append(
            (phase, str(len(sizes)), f"{min(sizes)}", f"{median(sizes):g}", f"{max(sizes)}", f"{small} of {len(sizes)}")
        )
    notes = (
        "Longer side of the wound's box, or shorter side of a photograph without one, in pixels of the photograph.",
        f"What is below {result.resolution} is upsampled: the image has no more detail than its crop had.",
    )
    return Table(header, tuple(rows), notes)


def _faults(result: CheckResult) -> Table:
    rows = [
        (name, fault, _measured(one, fault))
        for fault in FAULTS
        for name, one in result.inspections.items()
        if fault in one.faults()
    ]
    notes = (
        f"tiny: the photograph's content is below {SMALL_SIDE} pixels a side. blurred: perceptual blur above {BLURRED} "
        f"(Crete et al. 2007). underexposed: its brightest tenth is below {DARK:g} of 255. overexposed: more than "
        f"{BURNT_SHARE:.0%} of it is white. Looked at, not left out.",
    )
    return Table(("Photograph", "Doubt", "Measured"), tuple(rows), notes)


def _measured(one: Inspection, fault: str) -> str:
    return {
        "tiny": f"{one.content.x_max - one.content.x_min}x{one.content.y_max - one.content.y_min}",
        "blurred": f"{one.blur:.2f}",
        "underexposed": f"{one.bright:.0f}",
        "overexposed": f"{one.burnt:.0%}",
    }[fault]


def _doubles(doubles: Sequence[Double]) -> Table:
    rows = tuple((one.first, one.second, one.likeness, "; ".join(one.conflicts)) for one in doubles)
    return Table(("First", "Second", "Are", "Contradiction"), rows)


def _patients(result: CheckResult) -> Table:
    phases = sorted({row.label for row in result.rows})
    counts: dict[str, Counter[str]] = {}
    for row in result.rows:
        counts.setdefault(row.group or "unknown", Counter())[row.label] += 1
    order = sorted(counts.items(), key=lambda item: (-item[1].total(), item[0]))
    rows = tuple((group, str(own.total()), *(str(own[phase]) for phase in phases)) for group, own in order)
    return Table(("Patient", "Wounds", *phases), rows)


def _dropped(result: CheckResult) -> Table:
    rows = tuple((one.source_row, one.reason, one.detail) for one in result.dropped)
    return Table(("Row", "Reason", "Detail"), rows)


def _stamps(result: CheckResult) -> Table:
    left = {crop.row.photograph for crop in result.crops if crop.stamped}
    rows = tuple(
        (name, f"{one.stamp.x_min}, {one.stamp.y_min}, {one.stamp.x_max}, {one.stamp.y_max}", "yes" * (name in left))
        for name, one in result.inspections.items()
        if one.stamp is not None
    )
    note = "A stamp stays in a crop only where the wound's own box reaches into its rows."
    return Table(("Photograph", "Box", "Left in the crop"), rows, (note,))


def _first(table: Table) -> Table:
    if len(table.rows) <= LISTED:
        return table
    return Table(
        table.header, table.rows[:LISTED], (*table.notes, f"The first {LISTED} of {len(table.rows)}; all in check.txt.")
    )


def _sheets(result: CheckResult) -> list[tuple[str, Picture]]:
    """Per phase: crops as training sees them."""
    sheets = []
    for phase in sorted({crop.row.label for crop in result.crops}):
        own = [c.pixels for c in result.crops if c.row.label == phase and c.sampled and c.pixels is not None]
        total = sum(crop.row.label == phase for crop in result.crops)
        if own:
            sheets.append((f"Phase {phase}: {len(own)} of {total}", Picture(image_grid(own, columns=COLUMNS))))
    return sheets
