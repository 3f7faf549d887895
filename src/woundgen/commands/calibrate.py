"""woundgen calibrate"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from woundgen.commands.options import read_phases
from woundgen.runtime.console import open_console


def calibrate(
    real: Annotated[Path, typer.Option(help="Photographs to screen against.")],
    out: Annotated[Path, typer.Option(help="Folder of calibration.json, CALIBRATION.md and the plot.")],
    run: Annotated[Path | None, typer.Option(help="The run whose adapter will draw: divided as it divided.")] = None,
    phase: Annotated[str | None, typer.Option(callback=read_phases, help="Without --run: I, P or R.")] = None,
    size: Annotated[int | None, typer.Option(min=32, max=1024, help="Pixels a side [the run's, or 128].")] = None,
    thresholds: Annotated[Path | None, typer.Option(help="configs/quality_thresholds.yaml")] = None,
) -> None:
    """Measure what is usual among real photographs: thresholds that screening holds images to, with their uncertainty.

    `generate` makes the same by itself, or takes the file with --calibration. It names no photograph.

    \b
    woundgen calibrate --real photographs --run runs/phase_I --out calibrated/phase_I
    woundgen calibrate --real photographs --phase I --out calibrated/phase_I
    """
    from woundgen.api.calibrate import calibrate as calibrate_screen
    from woundgen.config.load import load_quality_config

    quality = load_quality_config(thresholds)
    with open_console() as console:
        calibrated = calibrate_screen(real, run=run, phase=phase, size=size, quality=quality, out=out, console=console)
        console.result("calibrate", calibrated)
