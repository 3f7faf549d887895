"""woundgen compare"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    results: Annotated[
        list[Path], typer.Argument(help="Two or more: sets with metrics.json, or runs; first: reference.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for QUALITY_COMPARISON.md, .html and .json.")] = Path("reports"),
) -> None:
    """Results side by side, with paired differences; "no difference shown" where that is so.

    \b
    woundgen compare generated/guidance_1 generated/guidance_2 --out reports
    woundgen compare runs/phase_I runs/phase_I_tuned
    """
    from woundgen.comparison.candidates import read_candidates
    from woundgen.comparison.compare import compare as compared
    from woundgen.comparison.write import write_comparison

    for page in write_comparison(compared(read_candidates(results)), out=out):
        print(f"written: {page}")
