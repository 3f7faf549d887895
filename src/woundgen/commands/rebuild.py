"""woundgen rebuild"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from woundgen.commands.options import Shown
from woundgen.config.choices import check_choice
from woundgen.errors import UserError
from woundgen.runtime.console import open_console

# Steps, batch and learning rate by default; docs/results.md says with which each of what ships was made.
if TYPE_CHECKING:
    from woundgen.runtime.processes import Place
    from woundgen.workflows.rebuild.stages import RebuildSettings

RECIPES = {
    "features": (3000, 32, 1e-3),
    "encoder": (2000, 16, 2e-3),
    "decoder": (6000, 8, 3e-4),
    "base": (40_000, 256, 1e-3),
}


def rebuild(
    stage: Annotated[str, typer.Argument(help="features, encoder, decoder, base, card: in this order.")],
    work: Annotated[Path, typer.Option(help="Folder for phantoms, checkpoints and results.")],
    steps: Annotated[int | None, typer.Option(min=1, help="Updates [by stage].")] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Images an update sees [by stage; base: 256, for a GPU].")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(min=1e-8, help="Peak learning rate [by stage].")] = None,
    phantoms: Annotated[int, typer.Option(min=400, help="Training phantoms, rendered once.")] = 24_000,
    start: Annotated[Path | None, typer.Option(help="For base: begin from this base's UNet and text encoder.")] = None,
    devices: Annotated[int | None, typer.Option(min=1, help="For base: processes that share the work [1].")] = None,
    device: Annotated[str, typer.Option(help="auto | cpu | cuda; the card is measured on the CPU")] = "auto",
) -> int:
    """Train the networks that ship anew, from phantoms alone. Run it again to go on after a stop.

    \b
    woundgen rebuild features --work rebuilt
    woundgen rebuild encoder --work rebuilt
    woundgen rebuild decoder --work rebuilt
    woundgen rebuild base --work rebuilt
    woundgen rebuild card --work rebuilt
    """
    if stage not in (*RECIPES, "card"):
        raise UserError(f"stage {stage!r} is unknown.", f"Use {', '.join(RECIPES)}, card.")
    check_choice("--device", device, ("auto", "cpu", "cuda"))
    if start is not None and stage != "base":
        raise UserError(f"--start means nothing for {stage}.", "Leave it out, or name the stage base.")
    if devices is not None and stage != "base":
        raise UserError(f"--devices means nothing for {stage}.", "Leave it out, or name the stage base.")
    if stage == "card":
        from woundgen.workflows.rebuild.model_card import write_card

        with open_console() as console:
            card = console.follow(write_card(work))
            console.info(f"written to {card}")
            console.result("rebuild", Shown({"stage": stage, "path": str(card)}))
        return 0
    from woundgen.runtime.processes import read_launcher, run_together

    place = read_launcher(os.environ)
    if place is None and devices is not None and devices > 1:
        return run_together(sys.argv[1:], count=devices)
    from woundgen.runtime.devices import choose_device
    from woundgen.workflows.rebuild.stages import RebuildSettings

    usual_steps, usual_batch, usual_rate = RECIPES[stage]
    settings = RebuildSettings(
        folder=work,
        phantoms=phantoms,
        steps=steps or usual_steps,
        batch=batch or usual_batch,
        learning_rate=learning_rate or usual_rate,
        start=start,
        device=choose_device(device).type,
    )
    _run_stage(stage, settings, place if stage == "base" else None, devices=devices, device=device)
    return 0


def _run_stage(stage: str, settings: RebuildSettings, place: Place | None, *, devices: int | None, device: str) -> None:
    """place, devices: of this process among those that share the work, and how many the user asked for, or None."""
    from woundgen.runtime.devices import join_ranks
    from woundgen.workflows.rebuild.base import BaseRebuild
    from woundgen.workflows.rebuild.stages import rebuild_decoder, rebuild_encoder, rebuild_features

    jobs = {"features": rebuild_features, "encoder": rebuild_encoder, "decoder": rebuild_decoder}
    with open_console() as console, join_ranks(place, asked=devices, device=device) as ranks:
        if stage == "base":
            target = BaseRebuild(settings, console, ranks).run()
        else:
            target = console.follow(jobs[stage](settings))
        if ranks.first:
            console.info(f"written to {target}")
            console.result("rebuild", Shown({"stage": stage, "path": str(target)}))
