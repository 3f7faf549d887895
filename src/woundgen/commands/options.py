"""Options that every verb takes: what is printed, and in which form."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from woundgen.errors import UserError
from woundgen.runtime.console import VARIABLE


@dataclass(frozen=True, slots=True)
class Shown:
    """A result that is JSON values already."""

    content: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return the values."""
        return self.content


CHOSEN = "woundgen.console"
"""Name under which the context of a command line holds the form that was chosen."""


def choose_form(form: str) -> Callable[[typer.Context, bool], None]:
    """Return the callback of an option that chooses a form of the console."""

    def choose(context: typer.Context, asked: bool) -> None:
        if not asked:
            return
        before = context.find_root().meta.setdefault(CHOSEN, form)
        if before != form:
            raise UserError(f"--{before} and --{form} exclude each other.", "Give one of them.")
        os.environ[VARIABLE] = form

    return choose


def declare_options(
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", callback=choose_form("quiet"), expose_value=False, help="Print warnings and errors only."
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", callback=choose_form("verbose"), expose_value=False, help="Print details too."),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", callback=choose_form("json"), expose_value=False, help="Print a JSON object a line, for machines."
        ),
    ] = False,
) -> None:
    """Declare the options; never called."""


def common_options() -> list[Any]:
    """Return the parsed form of the options, to be added to every command."""
    app = typer.Typer(add_completion=False)
    app.command()(declare_options)
    return [parameter for parameter in typer.main.get_command(app).params if parameter.name != "help"]


def read_phases(text: str | None) -> str | None:
    """Return phases as they are written everywhere: `i` is I."""
    return None if text is None else text.upper()


VALUES = {Path: "PATH", int: "N", float: "NUMBER", str: "TEXT"}
"""What help shows as the value of an option, by its type."""

VALUES_BY_NAME = {
    "--set": "KEY=VALUE", "--search": "KEY=RANGE", "--fix": "KEY[=VALUE]", "--repo": "USER/NAME", "--phase": "PHASE",
    "--phases": "PHASES", "--features": "NETWORK", "--base": "BASE", "--host": "ADDRESS", "--mirror": "ADDRESS",
}  # fmt: skip
"""The same for options whose type says less than a word."""


def name_value(parameter: Any) -> None:
    """Set what help shows as the value of an option, such as PATH or KEY=VALUE, or for an argument, such as SOURCE."""
    if parameter.param_type_name == "argument":
        parameter.metavar = parameter.name.rstrip("_").upper()
        parameter.display_type_rich = lambda ctx: None  # the name says it
        return
    annotation = parameter.type_descriptor.annotation
    kind = next(iter(get_args(annotation)), annotation)  # of list[Path]: Path
    parameter.metavar = VALUES_BY_NAME.get(parameter.opts[0]) or VALUES[kind]
