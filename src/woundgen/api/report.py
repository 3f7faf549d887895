"""Write the pages of runs and sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from woundgen.api.places import Place, as_paths
from woundgen.config.quality import QualityConfig
from woundgen.reporting.notebook import lines_html
from woundgen.runtime.console import Console, open_console


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """Content of the pages. private: also report_private.html, which shows patients. utility: folder of a study that
    joins the page. audits: folders of audits of the sets, likewise. title: of the page. quality: the grades, thresholds
    of FID, IS, SSIM and LPIPS."""

    private: bool = False
    utility: Path | None = None
    audits: tuple[Path, ...] = ()
    title: str = "Synthetic wound photographs"
    quality: QualityConfig = field(default_factory=QualityConfig)


@dataclass(frozen=True, slots=True)
class ReportResult:
    """The files of a report: report.html to share, a training report for each phase, and private ones if asked for."""

    pages: tuple[Path, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the files' paths."""
        return {"pages": [str(page) for page in self.pages]}

    def _repr_html_(self) -> str:
        return str(lines_html("Report", [str(page) for page in self.pages]))


def report(
    runs: Place | Sequence[Place],
    generated: Place | Sequence[Place] = (),
    *,
    out: Place,
    options: ReportOptions | None = None,
    console: Console | None = None,
) -> ReportResult:
    """Write a page to share (report.html), the training reports, and on request a private page with photographs.

    runs: run folders. generated: sets; each goes with the run whose adapter drew it. out: folder of the pages.
    options: private page, study of utility, audits, title, grades. console: for messages; None prints them. Numbers on
    the pages have n and an interval, or say that they have none.
    Raises UserError for a set that no run drew, before anything is written.
    """
    from woundgen.workflows.report import write_report

    chosen = options or ReportOptions()
    with console or open_console() as opened:
        pages = opened.follow(
            write_report(
                as_paths(runs),
                as_paths(generated),
                out=Path(out),
                private=chosen.private,
                title=chosen.title,
                quality=chosen.quality,
                utility=chosen.utility,
                audits=chosen.audits,
            )
        )
    return ReportResult(tuple(pages))
