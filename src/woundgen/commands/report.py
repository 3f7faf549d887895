"""woundgen report"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from woundgen.runtime.console import open_console


def report(
    run: Annotated[list[Path], typer.Option(help="Run folder; repeatable.")],
    out: Annotated[Path, typer.Option(help="Folder for the pages.")],
    generated: Annotated[list[Path] | None, typer.Option(help="Generated set; repeatable.")] = None,
    utility: Annotated[Path | None, typer.Option(help="Folder of woundgen utility, to join the page.")] = None,
    audit: Annotated[list[Path] | None, typer.Option(help="Folder of woundgen audit, to join; repeatable.")] = None,
    private: Annotated[bool, typer.Option("--private", help="Also report_private.html, which shows patients.")] = False,
    thresholds: Annotated[Path | None, typer.Option(help="Grades: configs/quality_thresholds.yaml")] = None,
    title: Annotated[str, typer.Option()] = "Synthetic wound photographs",
) -> None:
    """One page to share (report.html), the training reports, and on request a private page with photographs.

    \b
    woundgen report --run runs/phase_I --generated generated/phase_I --out reports
    woundgen report --run runs/phase_I --run runs/phase_R --generated generated/phase_I --private --out reports
    woundgen report --run runs/phase_I --utility utility --audit reports/privacy_I --out reports
    """
    from woundgen.api.report import ReportOptions
    from woundgen.api.report import report as write_pages
    from woundgen.config.load import load_quality_config

    options = ReportOptions(
        private=private,
        utility=utility,
        audits=tuple(audit or ()),
        title=title,
        quality=load_quality_config(thresholds),
    )
    with open_console() as console:
        console.result("report", write_pages(run, generated or [], out=out, options=options, console=console))
