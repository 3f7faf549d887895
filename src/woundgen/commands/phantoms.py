"""woundgen phantoms"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from woundgen.commands.options import read_phases
from woundgen.runtime.console import open_console


def phantoms(
    count: Annotated[int, typer.Option(min=1, help="Photographs in all.")],
    out: Annotated[Path, typer.Option(help="Folder to write; ImageFolder with metadata.csv.")],
    phases: Annotated[str, typer.Option(callback=read_phases, help="Letters among I, P, R.")] = "IPR",
    seed: Annotated[int, typer.Option(min=0)] = 0,
    size: Annotated[int, typer.Option(min=16, max=1024, help="Pixels a side.")] = 128,
    views: Annotated[int, typer.Option(min=1, max=100, help="Photographs of each patient.")] = 1,
) -> None:
    """Render wound phantoms: images with known truth, as an ImageFolder.

    \b
    woundgen phantoms --count 300 --out phantoms
    woundgen phantoms --count 200 --phases I --views 4 --seed 7 --out phantoms_I
    """
    from woundgen.api.photographs import render_phantoms
    from woundgen.workflows.dataset.phantoms import RenderedPhantoms

    with open_console() as console:
        folder = render_phantoms(out, count=count, phases=phases, seed=seed, size=size, views=views, console=console)
        console.result("phantoms", RenderedPhantoms(folder, count, phases, size, views, seed))
