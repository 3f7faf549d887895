"""woundgen compare"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from woundgen.errors import UserError
from woundgen.runtime.console import open_console


def compare(
    results: Annotated[
        list[Path] | None, typer.Argument(help="Two or more: sets with metrics.json, or runs; first: reference.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for QUALITY_COMPARISON.md, .html and .json.")] = Path("reports"),
    adapter: Annotated[
        list[Path] | None, typer.Option(help="Instead of RESULTS: runs or checkpoints to draw from; repeatable.")
    ] = None,
    every_checkpoint: Annotated[bool, typer.Option(help="All checkpoints of each run, not its best.")] = False,
    weights: Annotated[list[str] | None, typer.Option(help="ema | raw | ema@0.1 (a length), repeatable.")] = None,
    guidance: Annotated[list[float] | None, typer.Option(min=1, help="Guidance scales, repeatable.")] = None,
    steps: Annotated[list[int] | None, typer.Option(min=1, max=1000, help="Sampler steps, repeatable.")] = None,
    phase: Annotated[str | None, typer.Option(help="I, P or R: which photographs.")] = None,
    real: Annotated[Path | None, typer.Option(help="Photographs to compare with.")] = None,
    run: Annotated[Path | None, typer.Option(help="Instead of --real: the photographs this run held out.")] = None,
    features: Annotated[list[str] | None, typer.Option(help="Feature network, repeatable [embedded].")] = None,
    base: Annotated[str | None, typer.Option(help="Its autoencoder gives the ceiling [embedded, where used].")] = None,
    count: Annotated[int, typer.Option(min=8, help="Images of each, on the same seeds.")] = 100,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    size: Annotated[int, typer.Option(min=32, max=1024, help="Pixels a side.")] = 128,
    margin: Annotated[
        float | None, typer.Option(min=0, help="Around the wound's box, with --real [as the adapter was trained].")
    ] = None,
) -> None:
    """Results side by side, with paired differences; "no difference shown" where that is so.

    With --adapter every combination is drawn on the same seeds, measured, and kept in OUT/sets.

    \b
    woundgen compare generated/guidance_1 generated/guidance_2 --out reports
    woundgen compare runs/phase_I runs/phase_I_tuned
    woundgen compare --adapter runs/phase_I --guidance 1 --guidance 2 --run runs/phase_I --phase I
    woundgen compare --adapter runs/phase_I --weights ema --weights raw --run runs/phase_I --phase I
    woundgen compare --adapter runs/phase_I --weights ema@0.05 --weights ema@0.15 --run runs/phase_I --phase I
    """
    if bool(results) == bool(adapter):
        raise UserError("Give either measured results or --adapter.", "See woundgen compare --help.")
    asked = {
        "--every-checkpoint": every_checkpoint, "--weights": weights, "--guidance": guidance, "--steps": steps,
        "--phase": phase, "--real": real, "--run": run, "--margin": margin is not None,
        "--features": features, "--base": base,
    }  # fmt: skip
    idle = [name for name, value in asked.items() if value]
    if results and idle:
        raise UserError(f"{idle[0]} means nothing for results that are measured already.", "Give --adapter.")
    from woundgen.comparison.candidates import read_candidates
    from woundgen.comparison.compare import compare as compared
    from woundgen.comparison.write import write_comparison

    with open_console() as console:
        if adapter:
            from woundgen.records import PHASES

            if phase not in PHASES:
                raise UserError(f"--phase {phase!r} is unknown.", f"Use {', '.join(PHASES)}.")
            if (real is None) == (run is None):
                raise UserError("Give either --real or --run.", "--run takes the photographs that run held out.")
            if run is not None and margin is not None:
                raise UserError("--margin is given beside --run.", "Leave it out: the run knows its own.")
            from woundgen.adapters.weight_names import check_weights
            from woundgen.metrics.measure import load_extractors
            from woundgen.workflows.evaluate.sets import choose_learned_margin, photographs_from
            from woundgen.workflows.evaluate.sweep import sweep, variants_of

            for kind in weights or []:
                check_weights("--weights", kind)
            found = variants_of(adapter, weights or [], guidance or [], steps or [], every_checkpoint=every_checkpoint)
            results = sweep(
                found,
                real=lambda side, learned: photographs_from(
                    run=run, real=real, phase=phase, size=side, margin=choose_learned_margin(learned, asked=margin)
                ),
                networks=load_extractors(features or ["embedded"], device="auto"),
                phase=phase,
                count=count,
                seed=seed,
                size=size,
                base=base,
                out=out,
                say=console.info,
                progress=console.progress,
            )
        assert results is not None
        for page in write_comparison(compared(read_candidates(results)), out=out):
            console.info(f"written: {page}")
