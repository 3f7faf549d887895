"""woundgen study"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from woundgen.commands.options import read_phases
from woundgen.config.choices import check_choice
from woundgen.errors import UserError
from woundgen.runtime.console import open_console

study = typer.Typer(
    help="Can clinicians tell? A blinded reader study in the browser: drawn, served, reported.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
Folder = Annotated[Path, typer.Argument(help="Folder of the study.")]


def new(
    real: Annotated[Path | None, typer.Option(help="Held-out photographs: a frozen split, or a folder.")] = None,
    synthetic: Annotated[list[Path] | None, typer.Option(help="Generated set; repeatable.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the study; it will hold photographs.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what a study of this size can show.")] = False,
    items: Annotated[int, typer.Option(min=2, help="Distinct pictures, half of them real.")] = 120,
    readers: Annotated[int, typer.Option(min=1, max=100, help="Readers; each gets a link and an order.")] = 3,
    repeats: Annotated[int, typer.Option(min=0, help="Pictures that each reader sees twice.")] = 12,
    checks: Annotated[int, typer.Option(min=0, max=20, help="Attention checks.")] = 3,
    per_patient: Annotated[int, typer.Option(min=1, help="Photographs of one patient at most.")] = 2,
    phases: Annotated[str | None, typer.Option(callback=read_phases, help="By commas [those of all sets].")] = None,
    side: Annotated[
        str | None, typer.Option(help="Of the split: holdout or validation [holdout where there is one].")
    ] = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="No generator was trained on any of --real: your word for it.")
    ] = False,
    runs: Annotated[
        Path, typer.Option(help="Folder with the run that made the sets, whose key finds overlaps.")
    ] = Path("runs"),
    size: Annotated[int, typer.Option(min=32, max=1024, help="Pixels a side of every picture.")] = 128,
    box_margin: Annotated[
        float | None, typer.Option(min=0, help="Around the wound's box, share of it [the generator's].")
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    margin: Annotated[float, typer.Option(min=0.01, max=0.5, help="With --plan: of equivalence to 50 %.")] = 0.10,
    reader_sd: Annotated[float, typer.Option(min=0, max=0.5, help="With --plan: SD of readers' accuracies.")] = 0.05,
    case_correlation: Annotated[
        float, typer.Option(min=0, max=1, help="With --plan: correlation of two readers' errors.")
    ] = 0.1,
) -> None:
    """Draw a blinded study: as many held-out photographs as synthetic images of each phase, in random order.

    Both kinds go through one preparation and one encoding; only pixels tell them apart.

    \b
    woundgen study new --plan --items 120 --readers 5
    woundgen study new --real frozen --synthetic generated/phase_I --out studies/first
    woundgen study new --real frozen --synthetic generated/old --synthetic generated/new --readers 5 --out studies/both
    """
    with open_console() as console:
        if plan:
            from woundgen.workflows.study.plan import show_plan

            planning = show_plan(
                items=items, readers=readers, margin=margin, reader_sd=reader_sd, case_correlation=case_correlation,
            )  # fmt: skip
            return console.result("study new", console.follow(planning))
        if real is None or not synthetic or out is None:
            raise UserError("--real, --synthetic and --out are needed.", "Or give --plan, which draws nothing.")
        check_choice("--side", side or "holdout", ("holdout", "validation"))
        from woundgen.workflows.study.new import draw_study
        from woundgen.workflows.study.sources import NewStudy

        request = NewStudy(
            items=items, readers=readers, repeats=repeats, checks=checks, per_patient=per_patient,
            phases=_read_phases(phases or ""), side=side, held_out=held_out, size=size, margin=box_margin, seed=seed,
        )  # fmt: skip
        drawing = draw_study(request, real=real, synthetic=synthetic, runs=runs, out=out)
        console.result("study new", console.follow(drawing))


def _read_phases(text: str) -> tuple[str, ...]:
    """Phases by commas, each once. UserError for a phase that does not exist."""
    from woundgen.records import PHASES

    phases = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    for phase in phases:
        check_choice("--phases", phase, PHASES)
    return phases


def serve(
    folder: Folder,
    host: Annotated[str, typer.Option(help="Address to listen on; another than this machine's own is warned of.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8765,
    name: Annotated[list[str] | None, typer.Option(help="Host name that readers type; repeatable.")] = None,
    certificate: Annotated[Path | None, typer.Option(help="PEM file, for TLS; with --key.")] = None,
    key: Annotated[Path | None, typer.Option(help="PEM file of the certificate's key.")] = None,
) -> None:
    """Serve the readers' pages until interrupted, one link a reader; every answer is on disk before the next picture.

    Needs the extra: pip install 'woundgen[study]'.

    \b
    woundgen study serve studies/first
    woundgen study serve studies/first --host 0.0.0.0 --name reading.clinic.example --certificate c.pem --key k.pem
    """
    from woundgen.web.serve import Address
    from woundgen.workflows.study.serve import read_state, serve_study

    address = Address(host, port, tuple(name or ()), certificate, key)
    with open_console() as console:
        try:
            console.follow(serve_study(folder, address))
        except KeyboardInterrupt:  # the way in which serving ends
            console.result("study serve", read_state(folder))
            raise


def report(
    folder: Folder,
    out: Annotated[Path | None, typer.Option(help="Folder for the pages to share [STUDY/report].")] = None,
    margin: Annotated[float, typer.Option(min=0.01, max=0.5, help="Of equivalence to 50 %.")] = 0.10,
    features: Annotated[
        str, typer.Option(help="Network whose scores are held against the readers; none leaves them out.")
    ] = "embedded",
    private: Annotated[
        bool, typer.Option("--private", help="Also STUDY/study_private.html, with photographs.")
    ] = False,
) -> None:
    """Report what readers could tell: accuracy, AUC, d', agreement, phases, time; over readers and cases.

    \b
    woundgen study report studies/first
    woundgen study report studies/first --margin 0.15 --private --out reports/readers
    """
    from woundgen.workflows.study.report import report_study

    with open_console() as console:
        reported = console.follow(report_study(folder, out=out, margin=margin, features=features, private=private))
        console.result("study report", reported)


ACTIONS: dict[str, Callable[..., None]] = {"new": new, "serve": serve, "report": report}
for action_name, action in ACTIONS.items():
    study.command(name=action_name)(action)
