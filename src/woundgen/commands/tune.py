"""woundgen tune"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from woundgen.errors import UserError
from woundgen.runtime.console import open_console


def tune(
    config: Annotated[Path | None, typer.Option(help="YAML settings of training to start from.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of photographs, or a split.")] = None,
    budget: Annotated[str, typer.Option(help="2h, 90m or 40-trials; the confirmation comes on top.")] = "20-trials",
    out: Annotated[Path | None, typer.Option(help="Folder of the study; it is private.")] = None,
    devices: Annotated[str | None, typer.Option(help="Cards, such as 0,1: a trial each.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="key=value over the config; repeatable.")] = None,
    search: Annotated[
        list[str] | None, typer.Option(help="Bound or add: KEY=LOW..HIGH or KEY=[a, b]; repeatable.")
    ] = None,
    fix: Annotated[
        list[str] | None, typer.Option(help="Leave KEY as the config has it; draw-time: KEY=VALUE too; repeatable.")
    ] = None,
    objective: Annotated[str, typer.Option(help="kid | fd, of the first network of `features`.")] = "kid",
    images: Annotated[int, typer.Option(min=8, max=1000, help="Images of a measurement at most.")] = 64,
    min_recall: Annotated[
        float | None, typer.Option(min=0, max=1, help="Recall to hold [half of what photographs reach].")
    ] = None,
    two_sample: Annotated[
        bool, typer.Option("--two-sample", help="Confirmation: train a classifier to know images from photographs.")
    ] = False,
    shares: Annotated[str, typer.Option(help="Of photographs: training, selection, confirmation.")] = "0.6,0.2,0.2",
    generation: Annotated[int, typer.Option(min=2, max=64, help="Trials proposed at once.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Of the division, the proposals and the images.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
) -> int:
    """Find the settings that are right for these photographs, and confirm them on patients that chose nothing.

    The plan comes first: how many trials the budget buys. The same command again goes on where a stopped study was.

    \b
    woundgen tune --config configs/phase_I_config.yaml --data photographs --budget 2h --out tuned/phase_I
    woundgen tune --config configs/phase_I_config.yaml --data photographs --out tuned/phase_I --dry-run
    woundgen tune --config configs/phase_I_config.yaml --data photographs --budget 40-trials --devices 0,1 --out tuned/I
    woundgen tune --config configs/phase_I_config.yaml --data photographs --search learning_rate=1e-5..1e-3 --out tuned
    """
    from woundgen.api.tune import tune as find_settings
    from woundgen.config.load import load_train_config
    from woundgen.workflows.tune.request import TuneOptions, parse_shares

    options = TuneOptions(
        budget=budget, fixed=tuple(fix or ()), searched=tuple(search or ()), cards=_parse_cards(devices),
        objective=objective, images=images, least_recall=min_recall, two_sample=two_sample,
        shares=parse_shares(shares), generation=generation, seed=seed, dry_run=dry_run,
        command=("woundgen", *sys.argv[1:]),
    )  # fmt: skip
    settings = load_train_config(config, set_ or [])
    with open_console() as console:
        result = find_settings(settings, data=data, out=out, options=options, console=console)
        console.result("tune", result)
    return result.exit_code


def _parse_cards(devices: str | None) -> tuple[int, ...]:
    from woundgen.runtime.hardware import installed_cards
    from woundgen.runtime.parallel_runs import parse_cards

    cards = None if devices is None else parse_cards(devices, present=installed_cards())
    if devices is not None and cards is None:
        raise UserError(f"--devices {devices} names no cards.", "Write their numbers, such as 0,1.")
    return tuple(cards or ())
