"""woundgen train"""

from __future__ import annotations

import gc
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from woundgen.commands.options import Shown
from woundgen.errors import UserError
from woundgen.runtime.console import open_console

if TYPE_CHECKING:
    from woundgen.api.train import TrainResult
    from woundgen.config.train import TrainConfig
    from woundgen.runtime.processes import Place
    from woundgen.workflows.train.request import TrainRequest


def train(
    config: Annotated[
        list[Path] | None,
        typer.Option(help="YAML settings, such as configs/phase_I_config.yaml; repeatable: a run each."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of photographs: I/ P/ R/, or metadata.csv.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder [runs/phase_X]; with several configs, the folder of the runs.")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="key=value over the config; repeatable.")] = None,
    resume: Annotated[str | None, typer.Option(help="latest | best | a checkpoint.")] = None,
    allow_changes: Annotated[
        bool, typer.Option("--allow-changes", help="Go on with other settings or photographs, and record it.")
    ] = False,
    folds: Annotated[
        int | None, typer.Option(min=2, help="One run a fold, each without that fold's patients: OUT_fold_1 and on.")
    ] = None,
    devices: Annotated[
        str | None, typer.Option(help="2: processes that share the work [1]; 0,1: cards, for several configs one each.")
    ] = None,
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
    woundgen train --config configs/phase_I_config.yaml --config configs/phase_R_config.yaml --devices 0,1 --data photos
    """
    from woundgen.runtime.hardware import installed_cards
    from woundgen.runtime.parallel_runs import parse_cards
    from woundgen.runtime.processes import read_launcher, run_together
    from woundgen.workflows.train.request import TrainOptions, make_request

    _check_folds(folds, resume)
    overrides = set_ or []
    cards = None if devices is None else parse_cards(devices, present=installed_cards())
    if config is not None and len(config) > 1:
        shared = [word for override in overrides for word in ("--set", override)]
        for option, value in (("--data", data), ("--resume", resume), ("--folds", folds)):
            shared += [] if value is None else [option, str(value)]
        shared += ["--allow-changes"] * allow_changes + ["--dry-run"] * dry_run
        return _run_each_config(config, out=out, overrides=overrides, shared=shared, cards=cards or _no_cards(devices))
    settings = _read_settings(config[0] if config else None, overrides, resume=resume)
    options = TrainOptions(resume=resume, allow_changes=allow_changes, command=("woundgen", *sys.argv[1:]))
    request = make_request(settings, data=data, out=out, options=options)
    place = read_launcher(os.environ)
    count = None if devices is None else len(cards) if cards is not None else int(devices)
    if place is None and count is not None and count > 1 and not dry_run:
        if cards is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, cards))
        return run_together(sys.argv[1:], count=count)
    return _run_here(request, folds=folds, place=place, count=count, dry_run=dry_run)


def _no_cards(devices: str | None) -> list[int]:
    """The card of several runs where none is named. UserError where a number of processes is given instead."""
    if devices is not None:
        raise UserError(f"--devices {devices} with several configs.", "Name the cards: --devices 0,1.")
    return [0]


def _check_folds(folds: int | None, resume: str | None) -> None:
    if folds is not None and resume is not None:
        raise UserError(
            "--folds resumes automatically; do not combine it with --resume.",
            "Leave --resume out, or name one fold's run (--out).",
        )


def _read_settings(config: Path | None, overrides: list[str], *, resume: str | None) -> TrainConfig | None:
    """Return the settings of a run; None where they are those of the run to resume."""
    from woundgen.config.load import load_train_config

    if config is None and resume is not None:
        if overrides:
            raise UserError("--set needs --config.", "Give --config too, or leave --set out.")
        return None
    return load_train_config(config, overrides)


def _run_here(
    request: TrainRequest, *, folds: int | None, place: Place | None, count: int | None, dry_run: bool
) -> int:
    """Train in this process, one run after the other; return the exit code of the last one begun.

    place, count: of this process among those that share the work, and how many the user asked for, or None.
    """
    from woundgen.api.train import plan
    from woundgen.api.train import train as train_run
    from woundgen.runtime.devices import join_ranks
    from woundgen.workflows.train.request import split_into_folds

    with open_console() as console, join_ranks(place, asked=count, device=request.config.compute.device) as ranks:
        for run in split_into_folds(request, folds):
            gc.collect()  # layers with a forward of ours are held by a cycle, and hold gigabytes of a card
            if dry_run:
                console.result("train", plan(run.config, data=run.data, out=run.out, console=console, ranks=ranks))
                continue
            result = train_run(
                run.config, data=run.data, out=run.out, options=run.options, console=console, ranks=ranks
            )
            if ranks.first:
                if not result.exit_code:
                    console.info(_describe_end(run, result))
                console.result("train", result)
            if result.exit_code:
                return result.exit_code
    return 0


def _describe_end(run: TrainRequest, result: TrainResult) -> str:
    """Return where a finished run is and what comes next."""
    words = ["woundgen", "generate", "--adapter", str(run.out), "--real", str(run.data)]
    words += ["--out", str(Path("generated") / run.out.name)]
    return f"{run.out}: finished at step {result.steps}. Next: {shlex.join(words)}"


def _run_each_config(
    configs: list[Path], *, out: Path | None, overrides: list[str], shared: list[str], cards: list[int]
) -> int:
    """Read every config before any run begins; then run each as a command of its own, on a card of its own.

    shared: words that all of the commands have.
    """
    from woundgen.api.train import open_run
    from woundgen.config.load import load_train_config
    from woundgen.runtime.hardware import installed_cards
    from woundgen.runtime.parallel_runs import Job, run_side_by_side
    from woundgen.storage.names import RUN_JSON
    from woundgen.workflows.train.request import default_name

    folders = [(out or Path("runs")) / default_name(load_train_config(path, overrides)) for path in configs]
    repeated = [folder for number, folder in enumerate(folders) if folder in folders[:number]]
    if repeated:
        raise UserError(
            f"Two configs train into {repeated[0]}.", "Give them other phases, or run them apart with --out."
        )
    jobs = [
        Job(folder.name, ("train", "--config", str(path), *shared, "--out", str(folder)))
        for path, folder in zip(configs, folders, strict=True)
    ]
    with open_console() as console:
        code = console.follow(run_side_by_side(jobs, cards=cards, slot="card" if installed_cards() else "slot"))
        runs = [open_run(folder).to_json() for folder in folders if (folder / RUN_JSON).is_file()]
        console.result("train", Shown({"runs": runs, "exit_code": code}))
    return code
