"""woundgen fetch"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from woundgen.errors import UserError
from woundgen.runtime.console import open_console


def fetch(
    name: Annotated[str | None, typer.Argument(help="Base model or feature network; without one, lists them.")] = None,
    config: Annotated[Path | None, typer.Option(help="All that a run of these settings reads.")] = None,
    mirror: Annotated[
        str | None, typer.Option(help="Address below which the same files lie; digests are held all the same.")
    ] = None,
    from_folder: Annotated[
        Path | None, typer.Option("--from", help="Folder with the files already downloaded: no network.")
    ] = None,
) -> None:
    """Base models and feature networks, once, at a pinned commit or digest. Nothing else downloads anything.

    \b
    woundgen fetch
    woundgen fetch sd21-base
    woundgen fetch --config configs/phase_I_config.yaml
    woundgen fetch inception
    woundgen fetch lpips-vgg --from downloads
    """
    if mirror is not None and from_folder is not None:
        raise UserError("Both --mirror and --from are given.", "Give one of them.")
    if config is not None and (name is not None or from_folder is not None):
        raise UserError("--config says what is fetched.", "Leave the name, and --from, out.")
    from woundgen.config.load import load_train_config
    from woundgen.features.store import weights_home
    from woundgen.models.sources import hub_cache
    from woundgen.workflows.fetch.job import fetch_named, list_fetchable, needed_by
    from woundgen.workflows.fetch.listing import Fetchable, Fetched

    home = weights_home()
    with open_console() as console:
        names = [name] if name is not None else []
        available: tuple[Fetchable, ...] = ()
        if config is not None:
            names = needed_by(load_train_config(config))
            if not names:
                console.info(f"{config} needs nothing that is fetched")
        elif name is None:
            console.info(f"base models are kept in {hub_cache()}, feature networks in {home}")
            available = list_fetchable(home)
            for entry in available:
                console.info(entry.line())
        folders = {
            wanted: console.follow(fetch_named(wanted, home=home, mirror=mirror, folder=from_folder))
            for wanted in names
        }
        console.result("fetch", Fetched(folders, available))
