"""Calibrate screening on photographs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from woundgen.api.places import Place, as_path
from woundgen.config.quality import QualityConfig
from woundgen.errors import UserError
from woundgen.records import PHASES
from woundgen.reporting.notebook import lines_html
from woundgen.runtime.console import Console, open_console
from woundgen.storage.names import CALIBRATION_MD

if TYPE_CHECKING:
    from woundgen.screening.calibration import Calibration


@dataclass(frozen=True, slots=True)
class CalibrateResult:
    """Thresholds of screening in their folder. calibration: the numbers, from n photographs of as many groups."""

    folder: Path
    calibration: Calibration

    def __fspath__(self) -> str:
        return str(self.folder)

    @property
    def page(self) -> Path:
        """CALIBRATION.md, which names no photograph."""
        return self.folder / CALIBRATION_MD

    def to_json(self) -> dict[str, Any]:
        """Return folder, statements and calibration, as calibration.json holds it."""
        return {
            "folder": str(self.folder),
            "statements": self.calibration.statements(),
            "calibration": self.calibration.to_json(),
        }

    def _repr_html_(self) -> str:
        return str(lines_html("Calibration", self.calibration.statements()))


def calibrate(
    real: Place,
    *,
    out: Place,
    run: Place | None = None,
    phase: str | None = None,
    size: int | None = None,
    quality: QualityConfig | None = None,
    console: Console | None = None,
) -> CalibrateResult:
    """Measure what is usual among real photographs: the thresholds of screening, with their uncertainty.

    real: photographs, 10 or more. Either run, whose adapter will draw and whose split is taken, or phase.
    out: folder of calibration.json, CALIBRATION.md and a plot; they name no photograph. size: pixels a side; None: the
    run's, or 128. quality: shares that are to be accepted, in 0.5..1. console: for messages; None prints them.
    Raises UserError for too few photographs, before anything is written.
    """
    if (run is None) == (phase is None):
        raise UserError("Give either --run or --phase.", "--run takes its phases and its sides from that run.")
    if phase is not None and phase not in PHASES:
        raise UserError(f"--phase {phase!r} is unknown.", f"Use {', '.join(PHASES)}.")
    from woundgen.workflows.screen.calibrate import calibrate_photographs

    with console or open_console() as opened:
        calibration = opened.follow(
            calibrate_photographs(
                Path(real),
                run=as_path(run),
                phase=phase,
                size=size,
                quality=quality or QualityConfig(),
                out=Path(out),
            )
        )
    return CalibrateResult(Path(out), calibration)
