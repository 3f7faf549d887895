"""woundgen evaluate"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from woundgen.commands.options import read_phases
from woundgen.errors import UserError
from woundgen.runtime.console import open_console, terminal_width

if TYPE_CHECKING:
    from woundgen.workflows.evaluate.request import EvaluateRequest


def evaluate(
    generated: Annotated[Path, typer.Option(help="Generated set, or any folder of images.")],
    phase: Annotated[str, typer.Option(callback=read_phases, help="I, P or R: which label to compare.")],
    real: Annotated[Path | None, typer.Option(help="Photographs to compare with.")] = None,
    run: Annotated[Path | None, typer.Option(help="Instead of --real: the photographs this run held out.")] = None,
    base: Annotated[
        str | None, typer.Option(help="Its autoencoder gives the ceiling [embedded, where the set is].")
    ] = None,
    training: Annotated[
        Path | None, typer.Option(help="With --real: photographs trained on, for the training row.")
    ] = None,
    side: Annotated[
        str, typer.Option(help="Of a split: validation, or holdout, which opens what was sealed.")
    ] = "validation",
    features: Annotated[
        list[str] | None, typer.Option(help="Feature network, repeatable; `woundgen fetch` lists them [embedded].")
    ] = None,
    k: Annotated[int, typer.Option(min=1, help="Neighbours of precision, recall, density and coverage.")] = 5,
    margin: Annotated[
        float | None,
        typer.Option(min=0, help="Around the wound's box, with --real [as the generator's photographs; else 0.25]."),
    ] = None,
    two_sample: Annotated[
        bool, typer.Option("--two-sample", help="Train classifiers to tell the sets apart; takes minutes.")
    ] = False,
    permutations: Annotated[
        int, typer.Option(min=0, help="Refits for the p-value of --two-sample; each as long as the test itself.")
    ] = 0,
    thresholds: Annotated[Path | None, typer.Option(help="Grades: configs/quality_thresholds.yaml")] = None,
    out: Annotated[Path | None, typer.Option(help="[GENERATED/metrics.json, or metrics_holdout.json]")] = None,
) -> None:
    """Measure a generated set against real photographs: FD, KID, SSIM, perceptual distance, artefacts, with floors.

    FID and IS need --features inception, LPIPS lpips-vgg or lpips-alex. With --run, the photographs trained
    on are held against those held out, too.

    \b
    woundgen evaluate --generated generated/phase_I --real photographs --phase I
    woundgen evaluate --generated generated/phase_I --run runs/phase_I --phase I --base embedded
    woundgen evaluate --generated generated/phase_I --run runs/phase_I --phase I --features inception
    woundgen evaluate --generated generated/phase_I --real frozen --side holdout --phase I
    woundgen evaluate --generated generated/phase_I --run runs/phase_I --phase I --two-sample --permutations 19
    """
    if permutations and not two_sample:
        raise UserError("--permutations is given without --two-sample.", "Add --two-sample, or leave it out.")
    from woundgen.workflows.evaluate.request import EvaluateOptions, EvaluateRequest

    options = EvaluateOptions(
        side=side,  # type: ignore[arg-type]  # checked below
        training=training,
        base=base,
        features=tuple(features or ["embedded"]),
        k=k,
        margin=margin,
        two_sample=permutations if two_sample else None,
        out=out,
    )
    request = EvaluateRequest(generated, phase, run=run, real=real, options=options)
    _measure(request, thresholds)


def _measure(request: EvaluateRequest, thresholds: Path | None) -> None:
    """Measure, and print the table with the grades of a file of thresholds."""
    from woundgen.api.evaluate import evaluate as measure
    from woundgen.config.load import load_quality_config
    from woundgen.reporting.tables import as_text, fits
    from woundgen.workflows.evaluate.request import check_request

    check_request(request)
    quality = load_quality_config(thresholds)
    with open_console() as console:
        measured = measure(
            request.generated, phase=request.phase, run=request.run, real=request.real, options=request.options,
            console=console,
        )  # fmt: skip
        table, width = measured.table(quality), terminal_width()
        short = width is not None and not fits(table, width)
        console.info(as_text(measured.short_table() if short else table, width=width))
        if short:
            console.info("A wider terminal shows the full table; metrics.json holds all of it.")
        if measured.verdict:
            console.info(measured.verdict)
        console.info(f"written to {measured.path}")
        console.result("evaluate", measured)
