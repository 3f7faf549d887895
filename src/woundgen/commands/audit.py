"""woundgen audit"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from woundgen.errors import UserError
from woundgen.runtime.console import open_console


def audit(
    generated: Annotated[Path, typer.Option(help="Generated set.")],
    out: Annotated[Path, typer.Option(help="Folder of the report; OUT.private gets the sheet of nearest pairs.")],
    run: Annotated[
        list[Path] | None, typer.Option(help="The run whose adapter drew it; repeatable, with the guide's.")
    ] = None,
    real: Annotated[
        Path | None, typer.Option(help="Instead of --run: what the adapters were trained on; `split` says who was not.")
    ] = None,
    adapter: Annotated[list[Path] | None, typer.Option(help="With --real: files that drew it; repeatable.")] = None,
    base: Annotated[str | None, typer.Option(help="With --real: their base model, where they do not say.")] = None,
    strength: Annotated[
        list[float] | None,
        typer.Option(min=0.01, max=1, help="Also begin images from photographs at this strength, repeatable."),
    ] = None,
    thresholds: Annotated[Path | None, typer.Option(help="configs/quality_thresholds.yaml")] = None,
) -> None:
    """Test what a generated set gives away of the photographs it was trained on, and say what this n could not show.

    Copies with an exact bound, nearness against photographs held out, authenticity, and, where patients were
    sealed before training, whether the model's loss tells who was trained on. With --strength also how many images
    begun from a photograph (generate --from) are recognised as it.

    \b
    woundgen audit --generated generated/phase_I --run runs/phase_I --out reports/privacy_I
    woundgen audit --generated generated/theirs --real photographs --adapter theirs.safetensors --out reports/privacy
    """
    if bool(run) == (real is not None):
        raise UserError("Give either --run or --real.", "--real is for adapters that lie in no run.")
    if run and (adapter or base):
        raise UserError("--adapter and --base belong to --real.", "Leave them out: the run has them.")
    from woundgen.api.audit import audit as audit_images
    from woundgen.config.load import load_quality_config

    quality = load_quality_config(thresholds)
    with open_console() as console:
        audited = audit_images(
            generated,
            run=run or None,
            real=real,
            adapters=adapter or (),
            base=base,
            out=out,
            quality=quality,
            strengths=strength or (),
            console=console,
        )
        console.result("audit", audited)
