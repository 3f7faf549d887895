"""The table of verbs. Importing this file imports neither torch nor diffusers: `--help` answers at once."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import Annotated, Any

import typer

from woundgen import __version__
from woundgen.commands.audit import audit
from woundgen.commands.calibrate import calibrate
from woundgen.commands.compare import compare
from woundgen.commands.config import config
from woundgen.commands.data import data
from woundgen.commands.demo import demo
from woundgen.commands.doctor import doctor
from woundgen.commands.evaluate import evaluate
from woundgen.commands.export import export
from woundgen.commands.fetch import fetch
from woundgen.commands.generate import generate
from woundgen.commands.options import common_options, name_value
from woundgen.commands.phantoms import phantoms
from woundgen.commands.push import push
from woundgen.commands.rebuild import rebuild
from woundgen.commands.report import report
from woundgen.commands.review import review
from woundgen.commands.run import run as make_study
from woundgen.commands.study import study
from woundgen.commands.train import train
from woundgen.commands.tune import tune
from woundgen.commands.utility import utility
from woundgen.errors import Shortfall, UserError
from woundgen.runtime.console import VARIABLE
from woundgen.runtime.torchvision_fault import find_broken_torchvision
from woundgen.storage.display import escape_controls
from woundgen.storage.files import disk_error

# In the order in which a newcomer meets them, each with its line in `woundgen -h`.
SUMMARIES: dict[Callable[..., Any], str] = {
    demo: "Run the whole way on rendered wounds, in minutes.",
    doctor: "Check this machine: cards, memory, what is fetched.",
    make_study: "Go the whole way: photographs to report.",
    fetch: "Download a base model or feature network, pinned.",
    train: "Train an adapter on the photographs of a phase.",
    tune: "Find the settings that suit the photographs.",
    calibrate: "Measure real photographs to set the screen.",
    generate: "Draw images until enough pass the screen.",
    evaluate: "Measure a generated set against photographs.",
    compare: "Compare sets or settings side by side.",
    audit: "Test what a set reveals of its photographs.",
    utility: "Test whether synthetic images help a classifier.",
    report: "Write a page to share and a private one.",
    review: "Look a set over in the browser: accept, reject.",
    export: "Write an adapter for other programs.",
    push: "Send a set or an adapter to the hub.",
    phantoms: "Render wounds with known truth.",
    rebuild: "Train the networks that ship anew.",
}
VERBS = tuple(SUMMARIES)
INTERRUPTED = 130  # exit code after Ctrl-C
RESUMABLE = {"run", "train", "generate", "compare", "utility", "rebuild"}

HELP_OPTIONS = ["-h", "--help"]

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": HELP_OPTIONS},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def print_version(asked: bool) -> None:
    """Print the version and end, where --version was given."""
    if asked:
        print(f"woundgen {__version__}")
        raise typer.Exit


@app.callback()
def describe_program(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Synthetic wound photographs from small clinical sets: train, draw, screen, measure, report.

    \b
    woundgen demo
    woundgen train --config configs/phase_I_config.yaml --data photographs --out runs/phase_I
    woundgen run photographs --out study
    woundgen evaluate --generated generated/phase_I --run runs/phase_I --phase I --json

    Environment: WOUNDGEN_CONSOLE=lines|verbose|quiet|json, as the options; WOUNDGEN_PREPARED, the folder of prepared
    photographs; HF_HOME and HF_HUB_CACHE, where fetched base models lie; CUDA_VISIBLE_DEVICES, the cards to use;
    OMP_NUM_THREADS, threads of a process; NO_COLOR, no colours.
    """


for verb, summary in SUMMARIES.items():
    app.command(name=verb.__name__, short_help=summary)(verb)
app.add_typer(data, name="data", short_help="Import, check, split and cache photographs.")
app.add_typer(study, name="study", short_help="Ask readers, blinded, whether they can tell.")
app.add_typer(config, name="config", short_help="Show settings, check files, print their schema.")


@cache
def build_program() -> Any:
    """Return the parser of the whole command line, in which every verb takes the options of commands/options.py."""
    program, shared = typer.main.get_command(app), common_options()
    for command in (program, *_commands_below(program)):
        command.params.extend(shared)
        for parameter in command.params:
            if not getattr(parameter, "is_flag", False) and parameter.metavar is None:
                name_value(parameter)
    for command in (program, *_groups_below(program), *_commands_below(program)):
        # A command keeps the help option that it was asked for first, in a context of its own or in its group's.
        context = typer.Context(command, help_option_names=HELP_OPTIONS)
        for flag in (*command.params, command.get_help_option(context)):
            if getattr(flag, "is_flag", False) and flag.default is None:
                flag.default = False  # without a value, typer imports pydantic: as long again as the whole of `--help`
    return program


def _groups_below(group: Any) -> Iterator[Any]:
    yield from (command for command in group.commands.values() if getattr(command, "commands", None))


def _commands_below(group: Any) -> Iterator[Any]:
    for command in getattr(group, "commands", {}).values():
        yield from _commands_below(command)
        if not getattr(command, "commands", None):
            yield command


def run(arguments: list[str]) -> int:
    """Return the exit code of a command line: 0, 2 for a mistake, 3 for a shortfall, 128 + n after a signal."""
    form = os.environ.get(VARIABLE)  # --json and the like hold for this command line and its processes alone
    try:
        code = parse_and_run(arguments)
    finally:
        os.environ.pop(VARIABLE, None)
        if form is not None:
            os.environ[VARIABLE] = form
    if code == INTERRUPTED and RESUMABLE & set(arguments):
        print("stopped: what is done stays, and the same command goes on from there", file=sys.stderr)
    return code


def parse_and_run(arguments: list[str]) -> int:
    """Run a command line, and print its errors, each in a line."""
    try:
        result = build_program().main(args=arguments, prog_name="woundgen", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except UserError as error:
        return fail(str(error), listed=error.listed)
    except OSError as error:
        fault = disk_error(error)
        if fault is None:
            raise
        return fail(str(fault))
    except (ImportError, RuntimeError):  # transformers, with a torchvision that does not fit
        if (fault := find_broken_torchvision()) is None:
            raise
        return fail(str(fault))
    except Shortfall as error:
        _print_for_machines(str(error), 3)
        print(f"short: {escape_controls(str(error), lines=True)}", file=sys.stderr)
        return 3
    except typer.TyperException as error:  # a mistyped command line; without any words, the help
        if arguments and type(error).__name__ != "NoArgsIsHelpError":  # a group without an action shows its help
            return fail(error.format_message())
        print(error.format_message(), file=sys.stderr)
        return 2
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED


def fail(message: str, *, listed: bool = False) -> int:
    """Print an error, in one line unless it lists several; return 2, the exit code of a user's mistake.

    In JSON mode it is an object on standard output, too.
    """
    _print_for_machines(message, 2)
    print(f"error: {escape_controls(message, lines=listed)}", file=sys.stderr)
    return 2


def _print_for_machines(message: str, code: int) -> None:
    """Print an error as an object in JSON mode."""
    if os.environ.get(VARIABLE) == "json":
        error = {"level": "error", "message": message, "exit_code": code}
        print(escape_controls(json.dumps(error, ensure_ascii=False)))


def main() -> None:
    # Before any import of them: no advice about torchvision, no bars of their own over our output.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    sys.exit(run(sys.argv[1:]))
