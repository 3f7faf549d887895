"""woundgen push"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from woundgen.runtime.console import open_console


def push(
    source: Annotated[Path, typer.Argument(help="Generated set, or run, checkpoint or adapter file.")],
    repo: Annotated[str, typer.Option(help="USER/NAME on the Hugging Face hub, new or empty.")],
    audit: Annotated[Path | None, typer.Option(help="--out of woundgen audit of this set.")] = None,
    unaudited: Annotated[bool, typer.Option("--unaudited", help="Send without an audit.")] = False,
    public: Annotated[bool, typer.Option("--public", help="For everybody to see [private].")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List each file; send nothing.")] = False,
    weights: Annotated[str, typer.Option(help="Of an adapter: auto | ema | raw | ema@0.1.")] = "auto",
    base: Annotated[str | None, typer.Option(help="Base model, instead of the adapter's.")] = None,
) -> None:
    """Send a set or an adapter to the Hugging Face hub, with its card; only when asked, and only what may leave.

    Private folders are refused, and so are sets without an audit unless --unaudited. Of a run only the adapter is sent.

    \b
    woundgen push generated/phase_I --repo me/wounds --audit audits/phase_I --dry-run
    woundgen push generated/phase_I --repo me/wounds --audit audits/phase_I
    woundgen push runs/phase_I --repo me/wounds-adapter --unaudited
    """
    from woundgen.adapters.weight_names import check_weights
    from woundgen.workflows.push.job import PushRequest
    from woundgen.workflows.push.job import push as send

    check_weights("--weights", weights)
    with open_console() as console:
        request = PushRequest(source, repo, audit, unaudited, public, dry_run, weights, base)
        console.result("push", console.follow(send(request)))
