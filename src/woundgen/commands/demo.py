"""woundgen demo"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from woundgen.commands.options import Shown
from woundgen.runtime.console import open_console


def demo(out: Annotated[Path, typer.Option(help="Folder for everything it makes.")] = Path("demo")) -> None:
    """The whole job on phantoms, with the model that ships: about five minutes on two cores, no network.

    \b
    woundgen demo
    woundgen demo --out /tmp/look
    """
    from woundgen.storage.names import REPORT_HTML
    from woundgen.workflows.demo.job import Demo

    with open_console() as console:
        summary = Demo(out, console).run()
        console.result("demo", Shown({"folder": str(out), "page": str(out / REPORT_HTML), **summary}))
