"""woundgen fetch"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from woundgen.commands.terminal import terminal
from woundgen.errors import UserError


def fetch(
    name: Annotated[str | None, typer.Argument(help="Feature network; without one, lists them.")] = None,
    mirror: Annotated[
        str | None, typer.Option(help="Address below which the same files lie; digests are held all the same.")
    ] = None,
    from_folder: Annotated[
        Path | None, typer.Option("--from", help="Folder with the files already downloaded: no network.")
    ] = None,
) -> None:
    """Weights of a feature network, once, with pinned address and digest. Nothing else downloads anything.

    \b
    woundgen fetch
    woundgen fetch inception
    woundgen fetch lpips-vgg --from downloads
    """
    if mirror is not None and from_folder is not None:
        raise UserError("Both --mirror and --from are given.", "Give one of them.")
    from woundgen.features.store import weights_home
    from woundgen.workflows.fetch import fetch_weights, overview

    home = weights_home()
    with terminal() as voice:
        if name is None:
            for line in (f"weights are kept in {home}", *overview(home)):
                voice.say(line)
            return
        fetch_weights(name, home=home, mirror=mirror, folder=from_folder, say=voice.say, progress=voice.progress)
