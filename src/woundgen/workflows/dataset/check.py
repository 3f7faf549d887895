"""The job of `woundgen data check`: everything that can be said of photographs before anyone trains on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from woundgen.config.ranges import check_real, check_whole
from woundgen.data.files.images import decode_photograph, read_file
from woundgen.data.files.paths import relative_name
from woundgen.data.layouts.manifest import is_manifest
from woundgen.data.layouts.row_errors import Dropped, counted_as
from woundgen.data.layouts.source import PhotographSource, read_import, read_source
from woundgen.data.pixels.crop import corners, overlap, size_of_box, square_for
from woundgen.data.pixels.inspect import Inspection, inspect
from woundgen.data.pixels.padding import content_box
from woundgen.data.splits.conflicts import find_doubles
from woundgen.errors import Code, Shortfall, UserError
from woundgen.events import Info, Progress, Work
from woundgen.records import Box, LeftOut, ManifestRow
from woundgen.reporting.check_data import CheckResult, Crop, Pair
from woundgen.reporting.check_page import write_check
from woundgen.storage.files import sha256_json
from woundgen.storage.ownership import claim_output, make_private

SHOWN = 40  # crops of a phase on the contact sheet
DOUBTFUL, PAIRS, THUMBNAIL = 120, 24, 128  # crops and pairs that the page shows; side in pixels


@dataclass(slots=True)
class _Found:
    """The facts so far; one photograph's pixels at a time."""

    inspections: dict[str, Inspection] = field(default_factory=dict)
    rows: list[ManifestRow] = field(default_factory=list)
    dropped: list[LeftOut] = field(default_factory=list)
    crops: list[Crop] = field(default_factory=list)
    doubted: int = 0

    def may_show(self) -> bool:
        """Count a doubtful crop; whether it is among the first, whose pixels the page shows."""
        self.doubted += 1
        return self.doubted <= DOUBTFUL


def check_photographs(source: Path, *, out: Path, resolution: int, margin: float) -> Work[CheckResult]:
    """Write check.html (private) and check.txt to `out`. Raises Shortfall, after writing, where there are errors."""
    check_whole("--resolution", resolution, 32)
    check_real("--margin", margin, 0)
    found = _source(source)
    if out.resolve().is_relative_to(found.root):
        raise UserError(f"--out {out} lies among the photographs, which are only read.", "Choose another --out.")
    if found.note:
        yield Info(found.note)
    shown = _shown(found.rows)
    seen = _Found(dropped=list(found.left_out))
    by_file: dict[str, list[ManifestRow]] = {}
    for row in found.rows:
        by_file.setdefault(row.photograph, []).append(row)
    for number, (name, rows) in enumerate(by_file.items(), start=1):
        _look_at(name, rows, root=found.root, resolution=resolution, margin=margin, shown=shown, seen=seen)
        yield Progress(number, len(by_file), "looking at photographs")
    result = CheckResult(
        source=source.name,
        resolution=resolution,
        rows=tuple(seen.rows),
        dropped=tuple(seen.dropped),
        total=len(found.rows) + len(found.left_out),
        inspections=seen.inspections,
        doubles=tuple(find_doubles(seen.inspections, seen.rows)),
        crops=tuple(seen.crops),
    )
    result = replace(result, pairs=_pairs(result, found.root))
    claim_output(out, identity=sha256_json([str(found.root), str(source.resolve()), "check"]), what="check")
    make_private(out)
    for path in write_check(result, out=out):
        yield Info(f"written: {path}")
    for line in result.summary():
        yield Info(line)
    if not result.rows:
        raise Shortfall(f"none of {result.total} rows is a photograph that can be used; {out} lists why.")
    if errors := result.errors():
        pairs = "1 pair" if len(errors) == 1 else f"{len(errors)} pairs"
        raise Shortfall(f"{pairs} of photographs contradict one another: {errors[0].told()}; see {out}.")
    return result


def _source(folder: Path) -> PhotographSource:
    """As `read_source`, but a photograph that is gone or has changed is for the page to list."""
    return read_import(folder) if is_manifest(folder) else read_source(folder)


def _look_at(
    name: str,
    rows: Sequence[ManifestRow],
    *,
    root: Path,
    resolution: int,
    margin: float,
    shown: frozenset[tuple[str, Box | None]],
    seen: _Found,
) -> None:
    """One photograph into `seen`, with all its wounds; or its rows dropped, each with the reason."""
    try:
        content, pixels = _read(name, root=root)
    except Dropped as dropped:
        seen.dropped += [LeftOut(f"{row.source_row} {name}", dropped.reason, dropped.detail) for row in rows]
        return
    inspection = inspect(pixels, content=content)
    if inspection.bytes_digest != rows[0].sha256:
        detail = f"{name} is not the file that was imported (its digest differs)."
        seen.dropped += [LeftOut(f"{row.source_row} {name}", "changed since the import", detail) for row in rows]
        return
    seen.inspections[name] = inspection
    image = Image.fromarray(pixels)
    for row in rows:
        seen.rows.append(row)
        square = square_for(image, row.box, margin=margin)
        crop = image.crop(corners(square))
        bordered = content_box(crop) != Box(0, 0, *size_of_box(square))
        stamped = inspection.stamp is not None and overlap(square, inspection.stamp)
        doubtful = (bordered or stamped or bool(inspection.faults())) and seen.may_show()
        picture = None
        if doubtful or (name, row.box) in shown:
            picture = np.array(crop.resize((resolution, resolution), Image.Resampling.LANCZOS))
        seen.crops.append(
            Crop(row=row, bordered=bordered, stamped=stamped, pixels=picture, sampled=(name, row.box) in shown)
        )


def _pairs(result: CheckResult, root: Path) -> tuple[Pair, ...]:
    """Read the photographs of the gravest pairs again, as thumbnails."""
    ordered = sorted(result.doubles, key=lambda double: not double.conflicts)[:PAIRS]
    return tuple(Pair(double, _thumbnail(double.first, root), _thumbnail(double.second, root)) for double in ordered)


def _thumbnail(name: str, root: Path) -> NDArray[np.uint8]:
    image = Image.fromarray(_read(name, root=root)[1])
    middle = square_for(image, None, margin=0)
    return np.array(image.crop(corners(middle)).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS))


def _read(name: str, *, root: Path) -> tuple[bytes, NDArray[np.uint8]]:
    with counted_as("file name that leaves the folder"):
        path = root / relative_name(name)
    try:
        content = read_file(path, roots=[root])
        return content, decode_photograph(content, name=name)
    except UserError as error:
        raise Dropped("cannot be read" if error.code is Code.OTHER else error.code.value, error.what) from None


def _shown(rows: Sequence[ManifestRow]) -> frozenset[tuple[str, Box | None]]:
    """Evenly from each phase, as many as the sheet holds."""

    def of(phase: str) -> Iterator[tuple[str, Box | None]]:
        own = [row for row in rows if row.label == phase]
        for place in np.linspace(0, len(own) - 1, min(SHOWN, len(own))).round().astype(int):
            yield own[place].photograph, own[place].box

    return frozenset(one for phase in {row.label for row in rows} for one in of(phase))
