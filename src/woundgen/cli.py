"""The table of verbs. Importing this file imports neither torch nor diffusers: `--help` answers at once."""

from __future__ import annotations

import os
import sys

import typer

from woundgen.commands.audit import audit
from woundgen.commands.calibrate import calibrate
from woundgen.commands.compare import compare
from woundgen.commands.data import data
from woundgen.commands.demo import demo
from woundgen.commands.doctor import doctor
from woundgen.commands.evaluate import evaluate
from woundgen.commands.fetch import fetch
from woundgen.commands.generate import generate
from woundgen.commands.phantoms import phantoms
from woundgen.commands.rebuild import rebuild
from woundgen.commands.report import report
from woundgen.commands.train import train
from woundgen.commands.utility import utility
from woundgen.errors import Shortfall, UserError

VERBS = (
    demo, doctor, train, calibrate, generate, evaluate, compare, audit, utility, report, phantoms, fetch, rebuild,
)  # fmt: skip

app = typer.Typer(
    help="Synthetic wound photographs from small clinical sets: train, draw, screen, measure, report.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for verb in VERBS:
    app.command(name=verb.__name__)(verb)
app.add_typer(data, name="data")


def run(arguments: list[str]) -> int:
    """Exit code of a command line: 0, 2 for the user's mistake, 3 for a shortfall, 128 + n after a signal."""
    try:
        result = app(args=arguments, prog_name="woundgen", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Shortfall as error:
        print(f"short: {error}", file=sys.stderr)
        return 3
    except typer.TyperException as error:  # a mistyped command line; without any words, the help
        print(f"error: {error.format_message()}" if arguments else error.format_message(), file=sys.stderr)
        return 2
    except (KeyboardInterrupt, typer.Abort):
        return 130


def main() -> None:
    # Before any import of them: no advice about torchvision, no bars of their own over our output.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    sys.exit(run(sys.argv[1:]))
