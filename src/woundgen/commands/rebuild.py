"""woundgen rebuild"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from woundgen.commands.options import Shown
from woundgen.config.choices import check_choice
from woundgen.errors import UserError
from woundgen.runtime.console import open_console

# Steps, batch and learning rate by default; docs/results.md says with which each of what ships was made.
RECIPES = {
    "features": (3000, 32, 1e-3),
    "encoder": (2000, 16, 2e-3),
    "decoder": (6000, 32, 3e-4),
    "base": (18_500, 256, 1e-3),
}


def rebuild(
    stage: Annotated[str, typer.Argument(help="features, encoder, decoder, base, card: in this order.")],
    work: Annotated[Path, typer.Option(help="Folder for phantoms, checkpoints and results.")],
    steps: Annotated[int | None, typer.Option(min=1, help="Updates [by stage].")] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Images an update sees [by stage; base: 256, for a GPU].")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(min=1e-8, help="Peak learning rate [by stage].")] = None,
    phantoms: Annotated[int, typer.Option(min=400, help="Training phantoms, rendered once.")] = 60_000,
    start: Annotated[Path | None, typer.Option(help="For decoder and base: begin from this base.")] = None,
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
    if start is not None and stage not in ("decoder", "base"):
        raise UserError(f"--start means nothing for {stage}.", "Leave it out, or name the stage decoder or base.")
    if stage == "card":
        from woundgen.workflows.rebuild.model_card import write_card

        with open_console() as console:
            card = console.follow(write_card(work))
            console.info(f"written to {card}")
            console.result("rebuild", Shown({"stage": stage, "path": str(card)}))
        return 0
    from woundgen.runtime.devices import choose_device
    from woundgen.runtime.lock import only_writer
    from woundgen.workflows.rebuild.base import rebuild_base
    from woundgen.workflows.rebuild.stages import RebuildSettings, rebuild_decoder, rebuild_encoder, rebuild_features

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
    jobs = {
        "features": rebuild_features,
        "encoder": rebuild_encoder,
        "decoder": rebuild_decoder,
        "base": rebuild_base,
    }
    locks = work / ".stages" / stage  # stages run side by side on one folder, but none twice
    try:
        locks.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UserError(f"{work} exists and is not a folder.", "Choose another --work.") from None
    with open_console() as console, only_writer(locks):
        target = console.follow(jobs[stage](settings))
        console.info(f"written to {target}")
        console.result("rebuild", Shown({"stage": stage, "path": str(target)}))
    return 0
