"""woundgen evaluate"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from woundgen.errors import UserError
from woundgen.runtime.console import open_console


def evaluate(
    generated: Annotated[Path, typer.Option(help="Generated set, or any folder of images.")],
    phase: Annotated[str, typer.Option(help="I, P or R: which label to compare.")],
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
    if (real is None) == (run is None):
        raise UserError("Give either --real or --run.", "--run takes the photographs that run held out.")
    if real is not None and real.resolve() == generated.resolve():
        raise UserError(
            f"--generated and --real are the same folder, {real}.", "A set compared with itself is perfect."
        )
    if side not in ("validation", "holdout"):
        raise UserError(f"--side {side!r} is unknown.", "Use validation or holdout.")
    if training is not None and run is not None:
        raise UserError("--training is given beside --run.", "Leave it out: the run knows what it was trained on.")
    if permutations and not two_sample:
        raise UserError("--permutations is given without --two-sample.", "Add --two-sample, or leave it out.")
    from woundgen.config.load import load_quality_config
    from woundgen.records import PHASES

    quality = load_quality_config(thresholds)

    if phase not in PHASES:
        raise UserError(f"--phase {phase!r} is unknown.", f"Use {', '.join(PHASES)}.")
    from woundgen.metrics.measure import load_extractors
    from woundgen.metrics.table import Protocol
    from woundgen.reporting.grades import grades_of
    from woundgen.reporting.metric_explanations import joint_verdict
    from woundgen.reporting.metric_table import metric_table
    from woundgen.reporting.tables import as_text
    from woundgen.storage.names import HOLDOUT_METRICS_JSON, METRICS_JSON
    from woundgen.storage.provenance import drawn_elsewhere
    from woundgen.workflows.evaluate.job import base_of_set, evaluate_set, record_opening
    from woundgen.workflows.evaluate.sets import choose_margin, photographs_from, read_set, refuse_seen

    networks = load_extractors(features or ["embedded"], device="auto")
    margin = choose_margin(generated, run=run, asked=margin)
    drawn = read_set(generated, phase=phase, size=None, margin=margin)
    size = drawn.images.shape[1]
    photographs = photographs_from(
        run=run, real=real, phase=phase, size=size, margin=margin, training=training, side=side
    )
    folder = generated if generated.is_dir() else generated.parent
    target = out or folder / (METRICS_JSON if side == "validation" else HOLDOUT_METRICS_JSON)
    with open_console() as console:
        label = f"phase {phase}"
        if run is not None and drawn_elsewhere(folder, run):
            label += f", drawn by another run than {run.name}"
            console.info(f"note: {folder} was not drawn with {run}, which only gives the photographs here")
        if side == "holdout":
            refuse_seen(folder, photographs, runs=run or Path("runs"), say=console.info)
            record_opening([target.parent, *([run] if run else [])], photographs)
        rows = evaluate_set(
            drawn,
            photographs,
            networks=networks,
            base=base or base_of_set(folder, say=console.info),
            out=target,
            label=label,
            protocol=Protocol(k=k),
            two_sample=permutations if two_sample else None,
            say=console.info,
            progress=console.progress,
        )
        console.info(as_text(metric_table(rows, source=str(target), grades=grades_of(quality))))
        if verdict := joint_verdict(rows):
            console.info(verdict)
        console.info(f"written to {target}")
