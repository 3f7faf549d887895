"""The stages that look photographs over and divide them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from woundgen.api.photographs import check_photographs, split_photographs
from woundgen.data.layouts.manifest import is_manifest, manifest_digest
from woundgen.data.layouts.source import read_source
from woundgen.data.splits.shares import Shares
from woundgen.errors import Shortfall, UserError
from woundgen.pipeline.record import Finding, StagedStudy
from woundgen.pipeline.settings import StudySettings
from woundgen.records import ManifestRow
from woundgen.storage.names import CHECK_HTML, IMPORT_CSV
from woundgen.workflows.dataset.request import NO_HOLD_OUT, SplitOptions


@dataclass(frozen=True, slots=True)
class Divided:
    """Photographs with their sides. digest: of the rows, which hold the digest of each file."""

    folder: Path
    rows: tuple[ManifestRow, ...]
    digest: str

    def count(self, phase: str, side: str) -> int:
        """Return the number of a phase's photographs on a side."""
        return sum(row.label == phase and row.split == side for row in self.rows)


def read_divided(folder: Path) -> Divided:
    """Read photographs in folders, a table or an import. UserError where they have changed since an import."""
    rows = read_source(folder).rows
    return Divided(folder, rows, manifest_digest(rows))


def check_stage(study: StagedStudy, data: Divided, settings: StudySettings) -> Finding:
    """Look the photographs over; contradicting pairs are a finding, and the study goes on."""
    out, config = study.folder / "checked", settings.config
    resolution, margin = config.model.resolution, config.photographs.box_margin

    def work() -> Finding:
        try:
            checked = check_photographs(
                data.folder, out=out, resolution=resolution, margin=margin, console=study.console
            )
        except Shortfall as error:
            return {"sentence": f"warning: {error}"}
        return {"sentence": "; ".join(checked.result.summary()[:1])}

    return study.stage("check", inputs=[data.digest, resolution, margin], outputs=[out / CHECK_HTML], work=work)


def split_stage(study: StagedStudy, source: Divided, phases: Sequence[str]) -> tuple[Divided, Finding]:
    """Divide the photographs of these phases, with a sealed hold-out where whole groups allow it.

    Returns what to train from; photographs that all have a side already are taken as they are.
    """
    if all(row.split is not None for row in source.rows):
        return source, {"sentence": f"the photographs are divided already ({source.folder.name})"}
    out, asked = study.folder / "split", tuple(phases)

    def work() -> Finding:
        try:
            folder = split_photographs(
                source.folder, out=out, options=SplitOptions(phases=asked), console=study.console
            )
            return {"sentence": f"divided into train, validation and a sealed hold-out by whole groups: {folder}"}
        except UserError as error:
            if is_manifest(out):
                raise
            study.console.warn(f"no hold-out is sealed: {error.what}")
        shares = Shares(train=0.85, validation=0.15, holdout=0.0)
        options = SplitOptions(shares=shares, way=NO_HOLD_OUT, phases=asked)
        folder = split_photographs(source.folder, out=out, options=options, console=study.console)
        return {"sentence": f"no hold-out, no claim: nothing can be concluded about a classifier ({folder})"}

    finding = study.stage("split", inputs=[source.digest, asked], outputs=[out / IMPORT_CSV], work=work)
    return read_divided(out), finding
