"""woundgen audit"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from woundgen.runtime.console import open_console


def audit(
    generated: Annotated[Path, typer.Option(help="Generated set.")],
    run: Annotated[Path, typer.Option(help="The run whose adapter drew it.")],
    out: Annotated[Path, typer.Option(help="Folder of the report; OUT.private gets the sheet of nearest pairs.")],
    thresholds: Annotated[Path | None, typer.Option(help="configs/quality_thresholds.yaml")] = None,
) -> None:
    """What a generated set gives away of the photographs it was trained on, and what this n could not show.

    Copies with an exact bound, nearness against photographs held out, authenticity, and, where patients were
    sealed before training, whether the model's loss tells who was trained on.

    \b
    woundgen audit --generated generated/phase_I --run runs/phase_I --out reports/privacy_I
    """
    from woundgen.api.audit import audit as audit_images
    from woundgen.config.load import load_quality_config

    quality = load_quality_config(thresholds)
    with open_console() as console:
        audited = audit_images(generated, run=run, out=out, quality=quality, console=console)
        console.info(f"written: {audited.page}")
        console.result("audit", audited)
