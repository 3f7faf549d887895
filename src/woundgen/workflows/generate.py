"""The job of `woundgen generate`: a screened set of images from an adapter, resumable, safe to share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from numpy.typing import NDArray

from woundgen.config import QualityConfig
from woundgen.data.manifest import photograph_root
from woundgen.errors import Shortfall, UserError
from woundgen.generation.card import CardFacts, dataset_card
from woundgen.generation.draw import Judge, draw_until
from woundgen.generation.growth import let_grow
from woundgen.generation.reduce import reduced
from woundgen.generation.sampler import SamplerSettings, check_fit, check_strength, draw_block, place
from woundgen.generation.writer import Recipe, Tally, open_set
from woundgen.models.base import ALIASES, EMBEDDED, PINNED, BaseModel, encode_prompts, load_base
from woundgen.records import Verdict
from woundgen.rundir import DATASET_CARD, EMBEDDING_FILE, run_of, write_text
from woundgen.training.ranks import ALONE, Ranks, unheard
from woundgen.workflows.adapters import Adapter, apply_trained
from woundgen.workflows.averages import adapter_of
from woundgen.workflows.notes import DrawingNotes, drawing_notes
from woundgen.workflows.quarantine import Quarantine
from woundgen.workflows.schedule import as_trained
from woundgen.workflows.screen import Screen, build_screen
from woundgen.workflows.seen import record_of_set, write_set_record
from woundgen.workflows.setup import choose_device, note_cut_prompts
from woundgen.workflows.shared_draw import SharedDraw
from woundgen.workflows.source import begin_from, find_source

Say = Callable[[str], None]
Progress = Callable[[int, int, str], None]
BUDGET_PER_IMAGE = 5
BASE_STEPS, BASE_GUIDANCE = 25, 1.5  # of a base model alone, which no run has set


@dataclass(frozen=True, slots=True)
class DrawRequest:
    """What the user asked for; None takes what the adapter's run recorded, or the default."""

    adapters: tuple[tuple[Path, float], ...]  # (place, strength); empty draws from the base alone
    base: str | None
    weights: str
    label: str | None
    prompt: str | None
    negative_prompt: str | None
    count: int
    budget: int | None
    seed: int
    sampler: str
    steps: int | None
    guidance_scale: float | None
    guidance_interval: tuple[float, float]
    size: int
    block: int
    device: str
    precision: str
    release_copies: bool = False  # keep copies of photographs too; recorded with the set
    guide: tuple[Path, float] | None = None  # an earlier checkpoint for autoguidance, and its strength
    source: tuple[Path, float] | None = None  # a photograph of `real` that images begin from, and the strength


def generate_set(
    request: DrawRequest,
    *,
    out: Path,
    real: Path | None,
    quality: QualityConfig,
    say: Say,
    progress: Progress,
    calibration: Path | None = None,
    ranks: Ranks = ALONE,
) -> Tally | None:
    """Draw until `count` images are accepted. Raises Shortfall (what was accepted is kept) or UserError.

    real: photographs the images are screened against; without them nothing is screened, and that is said.
    calibration: a file of `woundgen calibrate` of these photographs; without it they are calibrated on anew.
    ranks: the processes that share the drawing. The first screens, writes and speaks; the others return None.
    """
    say = say if ranks.first else unheard
    device = choose_device(request.device)
    adapters = [(adapter_of(place, weights=request.weights), strength) for place, strength in request.adapters]
    base = load_base(base_name(request, adapters), notice=say)
    refuse_other_base(base, [adapter for adapter, _ in adapters])
    guide = None if request.guide is None else (adapter_of(request.guide[0], weights="auto"), request.guide[1])
    refuse_other_base(base, [] if guide is None else [guide[0]])
    if guide is not None and guide[0].file.name == EMBEDDING_FILE:
        raise UserError(f"{guide[0].file} is a learned word and no model to lead away from.", "Leave --guide out.")
    base = as_trained(base, [*(one.file for one, _ in adapters), *([] if guide is None else [guide[0].file])])
    recipe = _recipe(request, adapters, base, guide, device)
    check_fit(base, recipe.sampler)
    if request.source is not None:
        check_strength(request.source[1], steps=recipe.sampler.steps)
        if recipe.sampler.height != request.size:
            raise UserError(
                f"--from: the adapter draws at {recipe.sampler.height} pixels, the photograph is prepared at "
                f"{request.size}.",
                f"Draw with --size {recipe.sampler.height}, or without --from.",
            )
    if recipe.sampler.height > request.size:
        say(f"drawn at {recipe.sampler.height} pixels, as the adapter was trained, and reduced to {request.size}")
    apply_trained(base, [(adapter.file, strength) for adapter, strength in adapters])
    note_cut_prompts(base, {"prompt": recipe.prompt, "negative prompt": recipe.negative_prompt}, say)
    dtype = {"fp32": torch.float32, "fp16": torch.float16}[request.precision]
    place(base, device=device, dtype=dtype)
    worse = None if guide is None else _guide_of(base, guide, device=device, dtype=dtype)
    states = encode_prompts(base, [recipe.prompt]), encode_prompts(base, [recipe.negative_prompt])
    run = run_of(adapters[0][0].file) if adapters else None
    screen, source = None, None
    if ranks.first and real is not None:
        screen = build_screen(
            real, label=recipe.label, size=request.size, run=run, quality=quality,
            release_copies=request.release_copies, say=say, calibration=calibration,
        )  # fmt: skip
        source = None if request.source is None else find_source(request.source[0], screen, real=real, run=run)
    elif real is None:
        say("no --real folder: every image is kept and none is screened")
    beginning = None
    if request.source is not None:
        beginning = begin_from(base, source, strength=request.source[1], size=request.size, ranks=ranks, say=say)

    def draw(indices: Sequence[int]) -> NDArray[np.uint8]:
        images = draw_block(
            base, recipe.sampler, indices, prompt_states=states[0], negative_states=states[1], notice=say,
            guide=worse, beginning=beginning,
        )  # fmt: skip
        return reduced(images, request.size)

    budget = request.budget or BUDGET_PER_IMAGE * request.count
    shared = SharedDraw(draw, ranks, block=request.block, size=request.size, end=budget, device=device)
    if not ranks.first:
        shared.serve()
        return None

    recipe = _with_screen(recipe, screen, quality, release_copies=request.release_copies)
    if source is not None and beginning is not None:
        recipe = replace(recipe, source=(source.mark, beginning.strength))
    let_grow(out, recipe)
    writer = open_set(out, recipe)
    _record_what_was_seen(out, adapters, guide=None if guide is None else guide[0], screen=screen, real=real, say=say)
    with shared.finished():
        tally = draw_until(
            request.count,
            budget=budget,
            block=request.block,
            draw=shared,
            judge=None if screen is None else _judge(screen, out),
            writer=writer,
            progress=lambda drawn, accepted, rejected: progress(
                accepted, request.count, f"{drawn} drawn, {accepted} kept, {rejected} rejected"
            ),
        )
    for kind, number in tally.kinds().most_common():
        say(f"{number} not kept: {kind}")
    write_text(out / DATASET_CARD, dataset_card(CardFacts(base=public_name(base), recipe=writer.recipe, tally=tally)))
    short = tally.short_of(request.count)
    say(f"{tally.accepted} images in {out}")
    if short:
        raise Shortfall(
            f"{tally.accepted} of {request.count} images accepted after {tally.drawn} drawn; what was accepted is "
            f"in {out}. Raise --budget and run the same command to go on."
        )
    return tally


def public_name(base: BaseModel) -> str:
    """A folder's path may tell whose machine it was: a base that is not known by name is called by its digest."""
    known = ALIASES.get(base.name, base.name)
    return known if known in (EMBEDDED, *PINNED) else f"a base model of the user's, {base.digest[:16]}"


def base_name(request: DrawRequest, adapters: Sequence[tuple[Adapter, float]]) -> str:
    if request.base is not None:
        return request.base
    if not adapters:
        raise UserError("Neither an adapter nor a base model is named.", "Give --adapter RUN or --base NAME.")
    return adapters[0][0].base


def refuse_other_base(base: BaseModel, adapters: Sequence[Adapter]) -> None:
    """An adapter fits the weights it was trained on and no others."""
    for adapter in adapters:
        if adapter.base_digest != base.digest:
            raise UserError(
                f"{adapter.file} belongs to base {adapter.base} ({adapter.base_digest[:12]}), "
                f"not to {base.name} ({base.digest[:12]}).",
                "Draw with the base it was trained on.",
            )


def _guide_of(
    base: BaseModel, guide: tuple[Adapter, float], *, device: torch.device, dtype: torch.dtype
) -> UNet2DConditionModel:
    """The same base with the guide's adapter, where images are drawn."""
    worse = load_base(str(base.folder), notice=lambda text: None)
    apply_trained(worse, [(guide[0].file, guide[1])])
    place(worse, device=device, dtype=dtype)
    return worse.unet


def _recipe(
    request: DrawRequest,
    adapters: Sequence[tuple[Adapter, float]],
    base: BaseModel,
    guide: tuple[Adapter, float] | None,
    device: torch.device,
) -> Recipe:
    first = adapters[0][0] if adapters else None
    notes = DrawingNotes(side=None) if first is None else drawing_notes(first.file)
    prompt = request.prompt if request.prompt is not None else _prompt_of(request.label, first, notes)
    side = max(request.size, notes.side or 0)
    negative = first.negative_prompt if first else ""
    return Recipe(
        label=request.label or (first.phase if first else "base"),
        prompt=prompt,
        negative_prompt=request.negative_prompt if request.negative_prompt is not None else negative,
        base=base.digest,
        adapters=tuple((adapter.digest, strength) for adapter, strength in adapters),
        precision=request.precision,
        sampler=SamplerSettings(
            sampler=request.sampler,  # type: ignore[arg-type]
            steps=request.steps or (first.steps if first else BASE_STEPS),
            guidance_scale=request.guidance_scale or (first.guidance_scale if first else BASE_GUIDANCE),
            guidance_interval=request.guidance_interval,
            seed=request.seed,
            block=request.block,
            height=side,
            width=side,
        ),
        size=None if side == request.size else request.size,
        count=request.count,
        screening={},
        guide=None if guide is None else (guide[0].digest, guide[1]),
        threads=torch.get_num_threads() if device.type == "cpu" else None,
    )


def _prompt_of(label: str | None, adapter: Adapter | None, notes: DrawingNotes) -> str:
    """The adapter's own; of one that was trained on several phases, that of the phase asked for."""
    if adapter is None:
        return ""
    if not notes.prompts:
        return adapter.prompt
    if label not in notes.prompts:
        raise UserError(
            f"{adapter.file} was trained on the phases {adapter.phase}, told apart by prompt.",
            f"Say which to draw: --label {' | '.join(notes.prompts)} (or give --label and --prompt).",
        )
    return notes.prompts[label]


def _record_what_was_seen(
    out: Path,
    adapters: Sequence[tuple[Adapter, float]],
    *,
    guide: Adapter | None,
    screen: Screen | None,
    real: Path | None,
    say: Say,
) -> None:
    """So that `woundgen utility` can refuse test patients that made or chose the images."""
    record = record_of_set(
        [*(adapter.file for adapter, _ in adapters), *([] if guide is None else [guide.file])],
        screened=screen.photographs if screen is not None else (),
        roots=[photograph_root(real)] if real is not None else [],
    )
    if record is None:
        say("the adapter lies in no run that says which patients it saw: `woundgen utility` will refuse this set")
    write_set_record(out, record)


def _judge(screen: Screen, out: Path) -> Judge:
    """The screen's verdicts; what it calls copies is put in quarantine with the photograph each copies."""
    quarantine = Quarantine.beside(out, screen.photographs)

    def judge(images: NDArray[np.uint8], indices: Sequence[int]) -> list[Verdict]:
        verdicts = screen.judge(images, indices)
        quarantine.take(images, indices, verdicts)
        return verdicts

    return judge


def _with_screen(recipe: Recipe, screen: Screen | None, quality: QualityConfig, *, release_copies: bool) -> Recipe:
    if screen is None:
        return recipe
    released = {"release_copies": True} if release_copies else {}
    return replace(recipe, screening=quality.model_dump(mode="json") | {"references": screen.digest} | released)
