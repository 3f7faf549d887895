"""woundgen run"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from woundgen.commands.options import read_phases
from woundgen.runtime.console import open_console


def run(
    data: Annotated[Path, typer.Argument(help="Photographs: I/ P/ R/, or metadata.csv; or an import. Only read.")],
    out: Annotated[Path, typer.Option(help="Folder of the study; the same command goes on there.")],
    config: Annotated[
        Path | None, typer.Option(help="YAML settings of the training, instead of those that ship.")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="key=value over the settings; repeatable.")] = None,
    phases: Annotated[
        str | None, typer.Option(callback=read_phases, help="Such as I,R [all that have photographs enough].")
    ] = None,
    count: Annotated[int, typer.Option(min=20, help="Images to accept for each phase.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Of the drawing.")] = 0,
    thresholds: Annotated[Path | None, typer.Option(help="configs/quality_thresholds.yaml")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Print advice, time and disk, and stop.")] = False,
) -> int:
    """Make a study: check, split, train, calibrate, generate, evaluate, audit and report, for each phase that is there.

    Advice on the photographs comes first. Stages that are done are skipped: the same command goes on after a stop.
    Without a fetched base the embedded one is trained, with a warning.

    \b
    woundgen run photographs --out study --plan
    woundgen run photographs --out study
    woundgen run photographs --out study --phases I --count 100 --set base_model=embedded
    """
    from woundgen.config.load import load_quality_config
    from woundgen.pipeline.run import plan_study
    from woundgen.pipeline.run import run as make_study
    from woundgen.pipeline.settings import RunOptions

    options = RunOptions(
        config=config,
        overrides=tuple(set_ or ()),
        phases=None if phases is None else tuple(word.strip() for word in phases.split(",") if word.strip()),
        count=count,
        seed=seed,
        quality=load_quality_config(thresholds),
        command=("woundgen", *sys.argv[1:]),
    )
    with open_console() as console:
        if plan:
            console.info("measuring a few steps of each phase")
            planned = plan_study(data, out=out, options=options)
            for line in planned.advice:
                console.warn(line)
            for line in (*planned.facts, *planned.lines()):
                console.info(line)
            console.result("run", planned)
            return 0
        result = make_study(data, out=out, options=options, console=console)
        if result.exit_code:
            return result.exit_code
        for heading, items in (("\nFound", result.findings), ("Open", result.pages), ("Next", result.next)):
            console.info(heading)
            for item in items:
                console.info(f"  {item}")
        console.result("run", result)
    return 0
