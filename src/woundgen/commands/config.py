"""woundgen config"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from woundgen.commands.options import Shown
from woundgen.config.choices import check_choice
from woundgen.errors import UserError
from woundgen.runtime.console import open_console

config = typer.Typer(
    help="Settings: show them resolved, check files, print their schema.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


def show(
    file: Annotated[Path | None, typer.Argument(help="YAML settings of a training [the defaults].")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="key=value over the file; repeatable.")] = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only what is not a default.")] = False,
) -> None:
    """Show the settings of a training as they are resolved, and where each value comes from.

    \b
    woundgen config show configs/phase_I_tuned.yaml --changed
    woundgen config show configs/phase_I_config.yaml --set lora.rank=8
    """
    from woundgen.config.load import resolve_config

    resolved = resolve_config(file, set_ or [])
    values = resolved.config.flat()
    rows = {
        name: {"value": value, "source": resolved.sources[name]}
        for name, value in values.items()
        if not (changed and resolved.sources[name] == "default")
    }
    width = max(map(len, values))
    with open_console() as console:
        for name, row in rows.items():
            console.info(f"{name:<{width}}  {json.dumps(row['value'], ensure_ascii=False)}  ({row['source']})")
        console.result("config show", Shown({"settings": rows}))


def validate(
    files: Annotated[list[Path], typer.Argument(help="YAML files of a training, or of screening and grades.")],
) -> None:
    """Check settings files without a base model or photographs; every fault of a file is listed. Exit code 2 for any.

    \b
    woundgen config validate configs/phase_I_config.yaml configs/quality_thresholds.yaml
    """
    from woundgen.config.load import validate_file

    faults = {}
    with open_console() as console:
        for file in files:
            try:
                console.info(f"{file}: {validate_file(file)}, valid")
            except UserError as error:
                faults[str(file)] = error.what
        console.result("config validate", Shown({"valid": not faults, "faults": faults}))
    if faults:
        raise UserError("\n".join(faults.values()), listed=len(faults) > 1)


def schema(
    kind: Annotated[str, typer.Argument(help="train | thresholds")] = "train",
) -> None:
    """Print the JSON schema of a settings file, for editors and other programs.

    \b
    woundgen config schema
    woundgen config schema thresholds
    """
    from woundgen.config.schema import thresholds_schema, train_schema

    check_choice("KIND", kind, ("train", "thresholds"))
    described = train_schema() if kind == "train" else thresholds_schema()
    with open_console() as console:
        if console.mode != "json":
            print(json.dumps(described, indent=1))  # in quiet mode too: it is what was asked for
        console.result("config schema", Shown({"schema": described}))


ACTIONS: dict[str, Callable[..., None]] = {"show": show, "validate": validate, "schema": schema}
SUMMARIES = {
    "show": "Show resolved settings and where each comes from.",
    "validate": "Check settings files; every fault is listed.",
    "schema": "Print the JSON schema of a settings file.",
}
for name, action in ACTIONS.items():
    config.command(name=name, short_help=SUMMARIES[name])(action)
