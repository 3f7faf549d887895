"""woundgen export"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from woundgen.config.choices import check_choice
from woundgen.runtime.console import open_console


def export(
    run: Annotated[Path, typer.Argument(help="Run, checkpoint or adapter file.")],
    out: Annotated[Path, typer.Option(help="New folder for what is written.")],
    format_: Annotated[
        str, typer.Option("--format", help="diffusers | kohya | webui | comfyui | merged | single-file.")
    ],
    weights: Annotated[str, typer.Option(help="auto | ema | raw | ema@0.1: an average of that length")] = "auto",
    base: Annotated[str | None, typer.Option(help="Base model, instead of the adapter's.")] = None,
    title: Annotated[str | None, typer.Option(help="Name in the file's metadata [woundgen and the phase].")] = None,
) -> int:
    """Write what a run trained in the layout of another program; docs/interop.md says what each keeps.

    \b
    woundgen export runs/phase_I --format diffusers --out exported/phase_I
    woundgen export runs/phase_I --format kohya --title "wounds, phase I" --out exported/phase_I_kohya
    woundgen export runs/phase_I --format merged --out exported/phase_I_model
    """
    check_choice("--format", format_, ("diffusers", "kohya", "webui", "comfyui", "merged", "single-file"))
    from woundgen.adapters.weight_names import check_weights
    from woundgen.workflows.export.job import Exported, export_adapter

    check_weights("--weights", weights)
    with open_console() as console:
        path = console.follow(export_adapter(run, form=format_, out=out, weights=weights, base_name=base, title=title))
        console.info(f"written: {path}")
        console.result("export", Exported(path, format_))
    return 0
