"""woundgen generate"""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from woundgen.config.choices import check_choice
from woundgen.errors import UserError
from woundgen.runtime.console import open_console


def generate(
    out: Annotated[Path, typer.Option(help="Folder of the set; an unfinished one goes on.")],
    adapter: Annotated[
        list[str] | None, typer.Option(help="Run, checkpoint or adapter file; PLACE*0.5 sets its strength; repeatable.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Images to accept.")] = 100,
    real: Annotated[Path | None, typer.Option(help="Photographs to screen against.")] = None,
    thresholds: Annotated[Path | None, typer.Option(help="configs/quality_thresholds.yaml")] = None,
    policy: Annotated[str | None, typer.Option(help="calibrated | spec | report")] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="calibration.json of `woundgen calibrate`, instead of calibrating anew.")
    ] = None,
    budget: Annotated[int | None, typer.Option(min=1, help="Images to draw at most [5 x count].")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    steps: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Sampler steps [inference_steps_production of the run].")
    ] = None,
    sampler: Annotated[str, typer.Option(help="dpmsolver++ | ddim | euler")] = "dpmsolver++",
    guidance: Annotated[
        float | None, typer.Option(min=1, help="Guidance scale, 1 is none [guidance_scale of the run].")
    ] = None,
    guidance_low: Annotated[float, typer.Option(min=0, max=1, help="Guide above this share of the noise.")] = 0.0,
    guidance_high: Annotated[float, typer.Option(min=0, max=1, help="Guide below this share of the noise.")] = 1.0,
    guide: Annotated[
        str | None,
        typer.Option(help="Earlier checkpoint to lead away from, instead of the negative prompt (autoguidance)."),
    ] = None,
    from_: Annotated[
        Path | None, typer.Option("--from", help="Begin from this photograph of --real, with --strength (img2img).")
    ] = None,
    strength: Annotated[
        float | None, typer.Option(min=0, max=1, help="With --from: share of the steps drawn; 1 leaves little of it.")
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="Instead of the adapter's own.")] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="Instead of the adapter's own.")] = None,
    base: Annotated[str | None, typer.Option(help="Base model, instead of the adapter's.")] = None,
    weights: Annotated[str, typer.Option(help="auto | ema | raw | ema@0.1: an average of that length")] = "auto",
    label: Annotated[str | None, typer.Option(help="Label in metadata.csv [the adapter's phase].")] = None,
    size: Annotated[int, typer.Option(min=32, max=1024, help="Pixels a side.")] = 128,
    block: Annotated[int, typer.Option(min=1, max=256, help="Images drawn together.")] = 16,
    device: Annotated[str, typer.Option(help="auto | cpu | cuda")] = "auto",
    precision: Annotated[
        str, typer.Option(help="auto | fp32 | fp16 | bf16; auto: on a GPU what the run was trained in, else fp32.")
    ] = "auto",
    devices: Annotated[int | None, typer.Option(min=1, help="Processes that share the drawing [1].")] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of each; another number rounds otherwise.")] = 1,
    reviewed: Annotated[
        bool, typer.Option("--reviewed", help="Take out what `woundgen review` rejected and draw others for it.")
    ] = False,
    release_copies: Annotated[
        bool, typer.Option("--release-copies", help="Keep copies of photographs too; recorded with the set.")
    ] = False,
) -> int:
    """Draw images until enough are accepted; image i depends on the seed and i alone.

    The same command again goes on where a stopped one was; any number of --devices draws the same set.

    \b
    woundgen generate --adapter runs/phase_I --count 200 --real photographs --out generated/phase_I
    woundgen generate --adapter runs/phase_I --count 64 --guidance 1.5 --steps 50 --out generated/try
    woundgen generate --adapter runs/phase_I --adapter runs/other*0.5 --count 64 --out generated/stacked
    woundgen generate --adapter runs/I --count 8 --real photographs --from photographs/I/7.jpg --strength 0.7 --out i_7
    woundgen generate --adapter runs/phase_I --count 200 --devices 2 --real photographs --out generated/phase_I
    """
    from woundgen.config.load import load_quality_config

    if (from_ is None) != (strength is None):
        raise UserError("--from and --strength go together.", "Say how much is drawn anew, such as --strength 0.6.")
    quality = load_quality_config(thresholds)
    if policy is not None:
        check_choice("--policy", policy, ("calibrated", "spec", "report"))
        quality = quality.model_copy(update={"policy": policy})
    from woundgen.workflows.generate.request import GenerateOptions, GenerateRequest, check_request

    options = GenerateOptions(
        base=base,
        weights=weights,
        label=label,
        prompt=prompt,
        negative_prompt=negative_prompt,
        budget=budget,
        seed=seed,
        sampler=sampler,  # type: ignore[arg-type]  # checked below
        steps=steps,
        guidance_scale=guidance,
        guidance_interval=(guidance_low, guidance_high),
        size=size,
        block=block,
        device=device,  # type: ignore[arg-type]
        precision=precision,  # type: ignore[arg-type]
        reviewed=reviewed,
        release_copies=release_copies,
        guide=None if guide is None else _place(guide, "--guide"),
        source=None if from_ is None or strength is None else (from_, strength),
        quality=quality,
        calibration=calibration,
    )
    adapters = tuple(_place(text, "--adapter") for text in adapter or [])
    check_request(GenerateRequest(adapters, count, real, options))
    from woundgen.runtime.processes import read_launcher, run_together

    place = read_launcher(os.environ)
    if place is None and devices is not None and devices > 1:
        return run_together(sys.argv[1:], count=devices)
    from woundgen.api.generate import generate as generate_images
    from woundgen.runtime.devices import join_ranks, threads_fixed

    with open_console() as console, threads_fixed(threads), join_ranks(place, asked=devices, device=device) as ranks:
        if ranks.first and count < block:
            console.info(f"{block} images are drawn together; --block {count} draws fewer, and others")
        drawn = generate_images(
            adapters, out=out, count=count, real=real, options=options, console=console, ranks=ranks
        )
        if ranks.first:
            console.result("generate", drawn)
    return 0


def _place(text: str, option: str) -> tuple[Path, float]:
    """`PLACE` or `PLACE*strength`."""
    name, mark, strength = text.rpartition("*")
    if not mark:
        return Path(text), 1.0
    try:
        number = float(strength)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"{option} {text}: {strength!r} is not a finite number.", "Write PLACE*0.5.")
    return Path(name), number
