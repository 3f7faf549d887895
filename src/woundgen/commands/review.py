"""woundgen review"""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from woundgen.errors import UserError
from woundgen.runtime.console import open_console


def review(
    generated: Annotated[Path, typer.Argument(help="Generated set.")],
    real: Annotated[Path | None, typer.Option(help="Photographs: the nearest are shown beside each image.")] = None,
    box_margin: Annotated[float, typer.Option(min=0, help="With --real: around the wound's box, share of it.")] = 0.25,
    reviewer: Annotated[
        str | None, typer.Option(help="Name in the private journal, never in the card [the user's].")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; another than this machine's own is warned of.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8766,
    name: Annotated[list[str] | None, typer.Option(help="Host name that you type; repeatable.")] = None,
    certificate: Annotated[Path | None, typer.Option(help="PEM file, for TLS; with --key.")] = None,
    key: Annotated[Path | None, typer.Option(help="PEM file of the certificate's key.")] = None,
) -> None:
    """Look a generated set over in the browser: sort, filter, accept, reject with a reason, in bulk and by key.

    `woundgen generate --reviewed` honours the decisions. Needs the extra: pip install 'woundgen[study]'.

    \b
    woundgen review generated/phase_I
    woundgen review generated/phase_I --real photographs --reviewer "Dr. A"
    """
    from woundgen.web.serve import Address
    from woundgen.workflows.review.job import read_state, review_set

    who = reviewer or getpass.getuser()
    if not who.strip() or len(who) > 100:
        raise UserError(f"--reviewer {who!r} is no name.", "Give a short one.")
    address = Address(host, port, tuple(name or ()), certificate, key)
    with open_console() as console:
        try:
            console.follow(review_set(generated, address, real=real, margin=box_margin, reviewer=who))
        except KeyboardInterrupt:  # the way in which a review ends
            console.result("review", read_state(generated))
            raise
