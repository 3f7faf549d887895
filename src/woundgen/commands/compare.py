"""woundgen compare"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from woundgen.commands.options import read_phases
from woundgen.errors import UserError
from woundgen.runtime.console import open_console

if TYPE_CHECKING:
    from woundgen.workflows.evaluate.request import SweepRequest


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
    phase: Annotated[str | None, typer.Option(callback=read_phases, help="I, P or R: which photographs.")] = None,
    real: Annotated[Path | None, typer.Option(help="Photographs to compare with.")] = None,
    run: Annotated[Path | None, typer.Option(help="Instead of --real: the photographs this run held out.")] = None,
    features: Annotated[list[str] | None, typer.Option(help="Feature network, repeatable [embedded].")] = None,
    base: Annotated[
        str | None,
        typer.Option(help="Of adapters that name none; its autoencoder gives the ceiling [embedded, where used]."),
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="For all, instead of the adapters'.")] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="For all, instead of the adapters'.")] = None,
    count: Annotated[int, typer.Option(min=8, help="Images of each, on the same seeds.")] = 100,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    size: Annotated[int, typer.Option(min=32, max=1024, help="Pixels a side.")] = 128,
    margin: Annotated[
        float | None, typer.Option(min=0, help="Around the wound's box, with --real [as the adapter was trained].")
    ] = None,
) -> None:
    """Results side by side, with paired differences; "no difference shown" where that is so.

    With --adapter every combination is drawn on the same seeds, measured, and kept in OUT.private/sets: nothing
    screens them.

    \b
    woundgen compare generated/guidance_1 generated/guidance_2 --out reports
    woundgen compare runs/phase_I runs/phase_I_tuned
    woundgen compare --adapter runs/phase_I --guidance 1 --guidance 2 --run runs/phase_I --phase I
    woundgen compare --adapter runs/phase_I --weights ema --weights raw --run runs/phase_I --phase I
    woundgen compare --adapter a.safetensors --adapter b.safetensors --prompt "a wound" --real photographs --phase I
    woundgen compare --adapter runs/phase_I --weights ema@0.05 --weights ema@0.15 --run runs/phase_I --phase I
    """
    if bool(results) == bool(adapter):
        raise UserError("Give either measured results or --adapter.", "See woundgen compare --help.")
    _refuse_idle(results, {
        "--every-checkpoint": every_checkpoint, "--weights": weights, "--guidance": guidance, "--steps": steps,
        "--phase": phase, "--real": real, "--run": run, "--margin": margin is not None,
        "--features": features, "--base": base, "--prompt": prompt is not None,
        "--negative-prompt": negative_prompt is not None,
    })  # fmt: skip
    from woundgen.workflows.evaluate.request import SweepOptions, SweepRequest

    options = SweepOptions(
        weights=tuple(weights or ()), guidance=tuple(guidance or ()), steps=tuple(steps or ()),
        every_checkpoint=every_checkpoint, count=count, seed=seed, size=size, margin=margin,
        features=tuple(features or ["embedded"]), base=base, prompt=prompt, negative_prompt=negative_prompt,
    )  # fmt: skip
    _compare(results or [], SweepRequest(tuple(adapter or ()), phase or "", run=run, real=real, options=options), out)


def _refuse_idle(results: list[Path] | None, asked: Mapping[str, object]) -> None:
    """UserError where an option of drawing is given beside results that are there already."""
    idle = [name for name, value in asked.items() if value]
    if results and idle:
        raise UserError(f"{idle[0]} means nothing for results that are measured already.", "Give --adapter.")


def _compare(results: list[Path], request: SweepRequest, out: Path) -> None:
    """Compare the results, or those that the request has drawn where there are none."""
    from woundgen.api.evaluate import compare as compare_results
    from woundgen.api.evaluate import sweep
    from woundgen.workflows.evaluate.request import check_sweep

    with open_console() as console:
        if results:
            compared = compare_results(results, out=out)
        else:
            check_sweep(request)
            compared = sweep(
                request.adapters, phase=request.phase, run=request.run, real=request.real, out=out,
                options=request.options, console=console,
            )  # fmt: skip
        for page in compared.pages:
            console.info(f"written: {page}")
        console.result("compare", compared)
