"""woundgen data"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from woundgen.commands.terminal import terminal
from woundgen.errors import UserError


def data(
    action: Annotated[str, typer.Argument(help="import")],
    source: Annotated[Path, typer.Argument(help="Folder of the photographs; only read.")],
    out: Annotated[Path, typer.Option(help="Folder for manifest.csv; give it to --data.")],
    preset: Annotated[str, typer.Option(help="folders (class folders or metadata.csv) or clinic.")] = "folders",
    table: Annotated[Path | None, typer.Option(help="CSV with the labels, for --preset clinic.")] = None,
    modality: Annotated[str, typer.Option(help="rgb, or by name depth_map, thermal_rgb, thermal_map.")] = "rgb",
) -> None:
    """Read photographs in whatever form they come into one manifest; rows that cannot be taken are listed.

    \b
    woundgen data import photographs --out imported
    woundgen data import export --preset clinic --table export/labels.csv --out imported
    """
    if action != "import":
        raise UserError(f"woundgen data {action!r} is unknown.", "The one action is: import.")
    from woundgen.workflows.data_import import import_photographs

    with terminal() as voice:
        import_photographs(source, out=out, preset=preset, table=table, modality=modality, say=voice.say)
