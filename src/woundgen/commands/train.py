"""woundgen train"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from woundgen.commands.terminal import terminal
from woundgen.errors import UserError


def train(
    config: Annotated[Path | None, typer.Option(help="YAML settings, such as configs/phase_I_config.yaml.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of photographs: I/ P/ R/, or metadata.csv.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder [runs/phase_X].")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="key=value over the config; repeatable.")] = None,
    resume: Annotated[str | None, typer.Option(help="latest | best | a checkpoint.")] = None,
    allow_changes: Annotated[
        bool, typer.Option("--allow-changes", help="Go on with other settings or photographs, and record it.")
    ] = False,
    folds: Annotated[
        int | None, typer.Option(min=2, help="One run a fold, each without that fold's patients: OUT_fold_1 and on.")
    ] = None,
    devices: Annotated[int | None, typer.Option(min=1, help="Processes that share the work [1].")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
) -> int:
    """Adapt the base model to the photographs of a healing phase.

    The same command again goes on where a stopped run was.

    \b
    woundgen train --config configs/phase_I_config.yaml --data photographs --dry-run
    woundgen train --config configs/phase_I_config.yaml --data photographs --out runs/phase_I
    woundgen train --config configs/phase_I_config.yaml --data photographs --set learning_rate=1e-4 --out runs/I_1e-4
    woundgen train --resume latest --out runs/phase_I
    woundgen train --config configs/phase_R_config.yaml --data photographs --out runs/phase_R --folds 5
    woundgen train --config configs/phase_I_config.yaml --data photographs --out runs/phase_I --devices 2
    """
    from woundgen.config import load_train_config
    from woundgen.workflows.processes import place_of, run_together
    from woundgen.workflows.resume import settings_of_run

    if folds is not None and resume is not None:
        raise UserError(
            "--folds goes on by itself where it was.", "Leave --resume out, or name one fold's run (--out)."
        )
    if config is None and resume is not None:
        if set_:
            raise UserError("--set changes a config, and none is named.", "Give --config too, or leave --set out.")
        settings, known_data, out = settings_of_run(out)
        data = data or known_data
    else:
        settings = load_train_config(config, set_ or [])
    source = data or (Path(settings.data) if settings.data else None)
    if source is None:
        raise UserError("No photographs are named.", "Give --data FOLDER, or `data:` in the config.")
    place = place_of(os.environ)
    if place is None and devices is not None and devices > 1 and not dry_run:
        return run_together(sys.argv[1:], count=devices)

    from woundgen.workflows.run_folder import runs_of
    from woundgen.workflows.setup import join_ranks
    from woundgen.workflows.train import train_adapter

    folder = out or Path("runs") / f"phase_{'_'.join(settings.phases)}"
    with terminal() as voice, join_ranks(place, asked=devices, device=settings.device) as ranks:
        for one, where in runs_of(settings, folder, folds=folds):
            result = train_adapter(
                one,
                data=source,
                out=where,
                resume=resume,
                dry_run=dry_run,
                command=["woundgen", *sys.argv[1:]],
                say=voice.say,
                progress=voice.progress,
                allow_changes=allow_changes,
                ranks=ranks,
            )
            if result is not None and result.exit_code:
                return result.exit_code
    return 0
