"""The job of `woundgen generate`: a screened set of images from an adapter, resumable, safe to share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from woundgen.data.layouts.manifest import photograph_root
from woundgen.data.pixels.preparation_file import write_preparation
from woundgen.errors import Shortfall
from woundgen.events import Info, Progress, Warn, Work
from woundgen.generation.croissant import write_croissant
from woundgen.generation.dataset_card import CardFacts, dataset_card, licence_of
from woundgen.generation.diffusers_script import ScriptFacts, diffusers_script
from woundgen.generation.distributed import SharedDraw
from woundgen.generation.draw_until import Draw, Judge, draw_until
from woundgen.generation.grouped import GroupedDraw
from woundgen.generation.growth import cut_before_surplus, is_smaller, let_grow
from woundgen.generation.image_set import COLUMNS, GeneratedSet, Recipe, open_set
from woundgen.generation.quarantine import Quarantine
from woundgen.generation.resize import reduced
from woundgen.generation.sampler import Beginning, SamplerSettings, draw_parts, image_seed, visited_timesteps
from woundgen.generation.screening_record import hold_to_references, older_record
from woundgen.models.unet_pass import UNetPass, plain_pass
from woundgen.privacy.exposure import record_of_set, write_set_record
from woundgen.review.apply import REJECTED, find_taken_out, judge_with, take_out
from woundgen.review.decisions import read_decisions, rejections, summarise
from woundgen.runtime.lock import only_writer
from woundgen.runtime.ranks import ALONE, Ranks
from woundgen.storage.files import read_jsonl, write_text
from woundgen.storage.names import DATASET_CARD, DIFFUSERS_SCRIPT, MANIFEST_JSONL, private_folder
from woundgen.storage.ownership import claim_output
from woundgen.storage.set_rows import Tally, journal_path
from woundgen.verdicts import Verdict
from woundgen.workflows.generate.acceleration import choose_group, choose_unet_pass, measure_card
from woundgen.workflows.generate.init_image import InitImage, begin_from, find_source
from woundgen.workflows.generate.model import DrawModel, load_model
from woundgen.workflows.generate.precision import keep_precision
from woundgen.workflows.generate.private_text import refuse_private_text
from woundgen.workflows.generate.request import GenerateRequest, check_request, describe_surplus
from woundgen.workflows.generate.shortfall import choose_end, describe_shortfall
from woundgen.workflows.screen.job import Screen, build_screen

BUDGET_PER_IMAGE = 5


def generate_set(request: GenerateRequest, *, out: Path, ranks: Ranks = ALONE) -> Work[Tally | None]:
    """Draw until `count` images are accepted. Raises Shortfall (what was accepted is kept) or UserError.

    ranks: the processes that share the drawing. The first screens and writes; the others return None.
    """
    check_request(request)
    request = keep_precision(request, out)
    if (surplus := describe_surplus(request)) is not None and ranks.first:
        yield Info(surplus)
    model = yield from load_model(request)
    screen = yield from _screen(request, model, ranks)
    source = _source(request, model, screen)
    beginning = yield from _beginning(request, model, source, ranks)
    budget = request.options.budget or BUDGET_PER_IMAGE * request.count
    drawing = Drawing(request, model, beginning)
    shared = SharedDraw(
        _in_groups(drawing, end=budget) if ranks.size == 1 else drawing,
        ranks, block=request.options.block, size=request.options.size, end=budget, device=model.device,
    )  # fmt: skip
    if not ranks.first:
        shared.serve()
        return None
    recipe = _whole_recipe(request, model, screen, source, out)
    refuse_private_text(out, recipe, screened=screen.photographs if screen else (), runs=model.origins.runs)
    decisions = read_decisions(out)
    rejected = rejections(decisions) if request.options.reviewed else find_taken_out(out, rejections(decisions))
    if request.options.reviewed and not decisions:
        yield Info(f"nobody has reviewed {out}: no image is taken out (woundgen review)")
    with _held(out, recipe, rejected, references=screen.digest if screen is not None else None) as held:
        if held.taken_out:
            place = private_folder(out) / REJECTED
            yield Info(f"{held.taken_out} images that reviewers rejected are taken out and kept in {place}")
        write_preparation(out, model.learned)
        yield from _record_what_was_seen(out, model, screen=screen, real=request.real)
        judge = None if screen is None else _judge(screen, out)
        with shared.finished():
            for tally in draw_until(
                request.count, budget=budget, block=request.options.block, draw=shared,
                judge=judge_with(judge, rejected) if rejected else judge, writer=held.writer,
                gives_up=choose_end(request.options.budget),
            ):  # fmt: skip
                yield from drawing.notices()
                text = f"{tally.drawn} drawn, {tally.accepted} kept, {tally.rejected} rejected"
                yield Progress(tally.accepted, request.count, text)
        review = summarise(decisions, range(tally.drawn)) if decisions else None
        _describe(out, model, CardFacts(base=model.name, recipe=recipe, tally=tally, review=review))
    yield from _conclude(tally, request.count, model.recipe.sampler, out)
    return tally


def _screen(request: GenerateRequest, model: DrawModel, ranks: Ranks) -> Work[Screen | None]:
    """None where nothing is screened, and on the processes that do not screen."""
    real, options = request.real, request.options
    if real is None:
        yield Info("no --real folder: every image is kept and none is screened")
    if real is None or not ranks.first:
        return None
    return (yield from build_screen(
        real, label=model.recipe.label, size=options.size, origins=model.origins, quality=options.quality,
        release_copies=options.release_copies, calibration=options.calibration, learned=model.learned,
    ))  # fmt: skip


def _source(request: GenerateRequest, model: DrawModel, screen: Screen | None) -> InitImage | None:
    """The photograph that images begin from, on the process that screens."""
    if request.options.source is None or screen is None or request.real is None:
        return None
    return find_source(request.options.source[0], screen, real=request.real, run=model.run)


def _beginning(
    request: GenerateRequest, model: DrawModel, source: InitImage | None, ranks: Ranks
) -> Work[Beginning | None]:
    if request.options.source is None:
        return None
    return (
        yield from begin_from(
            model.base, source, strength=request.options.source[1], size=request.options.size, ranks=ranks
        )
    )


@dataclass(slots=True)
class Drawing:
    """Draws blocks of images by their indices, on a GPU by CUDA graphs, and collects notices for the user."""

    request: GenerateRequest
    model: DrawModel
    beginning: Beginning | None
    unet_pass: UNetPass = plain_pass
    pending: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.unet_pass = choose_unet_pass(self.model.device, faults=self.faults)

    def __call__(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """uint8 [N, size, size, 3]."""
        model = self.model
        parts = draw_parts(
            model.base, model.recipe.sampler, indices, prompt_states=model.prompt, negative_states=model.negative,
            guide=model.guide, beginning=self.beginning, unet_pass=self.unet_pass,
        )  # fmt: skip
        if len(parts) > 1:
            self.pending.append(
                f"out of memory: images {indices[0]}-{indices[-1]} are drawn in {len(parts)} parts, which may change a "
                "few of their values by one grey level"
            )
        return reduced(np.concatenate(parts), self.request.options.size)

    def notices(self) -> Iterator[Info | Warn]:
        """Yield the notices since the last call."""
        while self.faults:
            yield Warn(self.faults.pop(0))
        while self.pending:
            yield Info(self.pending.pop(0))


def _in_groups(drawing: Drawing, *, end: int) -> Draw:
    """Several blocks at once, where a GPU has the memory. end: no block begins there or beyond."""
    if drawing.model.device.type != "cuda":
        return drawing
    together = choose_group(drawing.model, memory=measure_card)
    block = drawing.request.options.block
    return GroupedDraw(drawing, block=block, together=together, count=drawing.request.count, end=end)


def _whole_recipe(
    request: GenerateRequest, model: DrawModel, screen: Screen | None, source: InitImage | None, out: Path
) -> Recipe:
    """With the rule of screening, and the photograph they begin from. Which references: screening_record."""
    recipe = model.recipe
    if screen is not None:
        released = {"release_copies": True} if request.options.release_copies else {}
        facts = screen.facts | older_record(out, screen.digest)
        rule = request.options.quality.model_dump(mode="json") | facts | released
        recipe = replace(recipe, screening=rule)
    if source is not None and request.options.source is not None:
        recipe = replace(recipe, source=(source.mark, request.options.source[1]))
    return recipe


@dataclass(frozen=True, slots=True)
class Held:
    """A set that this command alone writes. taken_out: images that reviewers rejected."""

    writer: GeneratedSet
    taken_out: int


@contextmanager
def _held(out: Path, recipe: Recipe, rejected: Mapping[int, str], *, references: str | None) -> Iterator[Held]:
    """The set in `out`, begun or gone on with, by no other command at the same time; without what was rejected.

    references: digest of what images are screened against, None where they are not.
    """
    if not is_smaller(out, recipe):
        claim_output(out, identity=recipe.identity(), what="generated set")
    with only_writer(out):
        if references is not None:
            hold_to_references(out, references)
        let_grow(out, recipe)
        if count := take_out(out, rejected):
            cut_before_surplus(journal_path(out), block=recipe.sampler.block)
        yield Held(open_set(out, recipe), count)


def _judge(screen: Screen, out: Path) -> Judge:
    """The screen's verdicts; what it calls copies is put in quarantine with the photograph each copies."""
    quarantine = Quarantine.beside(out, screen.photographs, screen.explain)

    def judge(images: NDArray[np.uint8], indices: Sequence[int]) -> list[Verdict]:
        verdicts = screen.judge(images, indices)
        quarantine.take(images, indices, verdicts)
        return verdicts

    return judge


def _record_what_was_seen(out: Path, model: DrawModel, *, screen: Screen | None, real: Path | None) -> Work[None]:
    """So that `woundgen utility` can refuse test patients that made or chose the images."""
    record = record_of_set(
        model.files,
        screened=screen.photographs if screen is not None else (),
        roots=[photograph_root(real)] if real is not None else [],
    )
    if record is None:
        yield Info(
            "the adapter lies in no run that says which patients it saw: `woundgen utility` will refuse this set"
        )
    write_set_record(out, record)


def _describe(out: Path, model: DrawModel, facts: CardFacts) -> None:
    """Write the dataset card, a program that draws an image with diffusers alone, and croissant.json."""
    seeds = (row["seed"] for row in read_jsonl(out / MANIFEST_JSONL) if row["accepted"])
    script = diffusers_script(
        ScriptFacts(
            recipe=facts.recipe,
            timesteps=visited_timesteps(model.base, facts.recipe.sampler),
            seed=next(seeds, image_seed(facts.recipe.sampler.seed, 0)),
            kinds=model.kinds,
            tokens=model.tokens,
            zero_terminal_snr=bool(model.base.scheduler.config.rescale_betas_zero_snr),
            xl=model.base.second is not None,
        )
    )
    write_text(out / DIFFUSERS_SCRIPT, script)
    write_text(out / DATASET_CARD, dataset_card(facts, script))
    write_croissant(
        out,
        name=f"woundgen_{facts.recipe.identity()[:12]}",
        description=f"{facts.tally.accepted} synthetic wound images, label {facts.recipe.label}. No photographs.",
        licence=licence_of(facts.base),
        columns=COLUMNS,
    )


def _conclude(tally: Tally, count: int, sampler: SamplerSettings, out: Path) -> Work[None]:
    """Say what was kept and why the rest was not. Raises Shortfall where images are missing."""
    for category, number in Counter(tally.reasons).most_common():
        yield Info(f"{number} not kept: {category}")
    yield Info(f"{tally.accepted} images in {out}")
    if tally.short_of(count):
        raise Shortfall(describe_shortfall(tally, count, sampler, out))
