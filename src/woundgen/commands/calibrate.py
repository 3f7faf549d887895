"""woundgen calibrate"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from woundgen.errors import UserError
from woundgen.runtime.console import open_console


def calibrate(
    real: Annotated[Path, typer.Option(help="Photographs to screen against.")],
    out: Annotated[Path, typer.Option(help="Folder of calibration.json, CALIBRATION.md and the plot.")],
    run: Annotated[Path | None, typer.Option(help="The run whose adapter will draw: divided as it divided.")] = None,
    phase: Annotated[str | None, typer.Option(help="Without --run: I, P or R.")] = None,
    size: Annotated[int | None, typer.Option(min=32, max=1024, help="Pixels a side [the run's, or 128].")] = None,
    thresholds: Annotated[Path | None, typer.Option(help="configs/quality_thresholds.yaml")] = None,
) -> None:
    """What is usual among real photographs: the thresholds that screening holds images to, and their uncertainty.

    `generate` makes the same by itself, or takes the file with --calibration. It names no photograph.

    \b
    woundgen calibrate --real photographs --run runs/phase_I --out calibrated/phase_I
    woundgen calibrate --real photographs --phase I --out calibrated/phase_I
    """
    from woundgen.config.load import load_quality_config
    from woundgen.records import PHASES

    if (run is None) == (phase is None):
        raise UserError("Give either --run or --phase.", "--run takes its phases and its sides from that run.")
    if phase is not None and phase not in PHASES:
        raise UserError(f"--phase {phase!r} is unknown.", f"Use {', '.join(PHASES)}.")
    quality = load_quality_config(thresholds)
    from woundgen.workflows.screen.calibrate import calibrate_photographs

    with open_console() as console:
        calibrate_photographs(real, run=run, phase=phase, size=size, quality=quality, out=out, say=console.info)
