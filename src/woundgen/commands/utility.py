"""woundgen utility"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from woundgen.commands.options import read_phases
from woundgen.errors import UserError
from woundgen.runtime.console import open_console, terminal_width


def utility(
    real: Annotated[Path, typer.Option(help="Photographs with phase and patient: I/ P/ R/, or metadata.csv.")],
    synthetic: Annotated[list[Path], typer.Option(help="Generated set, or any folder with labels; repeatable.")],
    out: Annotated[Path, typer.Option(help="Folder for the study; the same command goes on there.")] = Path("utility"),
    doses: Annotated[
        str, typer.Option(help="Synthetic images for each photograph of a phase, by commas.")
    ] = "0,0.25,0.5,1,2",
    classifier: Annotated[str, typer.Option(help="embedded | dinov2 | colour | cnn | a command.")] = "embedded",
    phases: Annotated[
        str | None, typer.Option(callback=read_phases, help="Phases that get synthetic images [all the sets have].")
    ] = None,
    classes: Annotated[str, typer.Option(help="Phases to tell apart, by commas.")] = "I,P,R",
    folds: Annotated[int, typer.Option(min=2, help="Where no photograph has split = holdout.")] = 5,
    seeds: Annotated[int, typer.Option(min=5, help="Trainings of each arm and fold.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of the folds.")] = 0,
    size: Annotated[int, typer.Option(min=32, help="Side of the images, pixels.")] = 128,
    margin: Annotated[
        float | None,
        typer.Option(min=0, help="Around the wound's box [as the sets' generators were trained; else 0.25]."),
    ] = None,
    clusters: Annotated[
        bool, typer.Option("--clusters", help="Let near duplicates stand for patients where none is named.")
    ] = False,
    runs: Annotated[Path, typer.Option(help="Where the runs are that the sets were drawn with.")] = Path("runs"),
) -> None:
    """Does adding synthetic images help a classifier of phases? "No" is an answer too.

    Trained on photographs, on as many repeats of them, with classical augmentation, and with synthetic images
    added; tested on patients that neither classifier nor generator has seen.

    \b
    woundgen utility --real photographs --synthetic generated/phase_I --synthetic generated/phase_R
    woundgen utility --real photographs --synthetic generated/phase_R --phases R --classifier cnn --out utility_cnn
    woundgen utility --real photographs --synthetic generated/phase_R --classifier "python classify.py"
    """
    from woundgen.api.utility import utility as test_utility
    from woundgen.reporting.tables import as_text
    from woundgen.workflows.utility.request import UtilityOptions

    options = UtilityOptions(
        doses=_numbers(doses),
        classifier=classifier,
        classes=_words(classes),
        phases=_words(phases) if phases is not None else None,
        folds=folds,
        seeds=seeds,
        seed=seed,
        size=size,
        margin=margin,
        clusters=clusters,
        runs=runs,
    )
    with open_console() as console:
        study = test_utility(real, synthetic, out=out, options=options, console=console)
        for heading, table in study.tables():
            console.info(f"\n{heading}\n{as_text(table, width=terminal_width())}")
        console.info(study.verdict)
        for page in study.pages:
            console.info(f"written: {page}")
        console.result("utility", study)


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in _words(text))
    except ValueError:
        raise UserError(f"--doses {text!r} are not numbers.", "Such as 0,0.25,0.5,1,2.") from None
