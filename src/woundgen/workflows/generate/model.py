"""Load the model of a set: the base with its adapters, the guide, the prompts' states, and their recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from woundgen.adapters.kinds import Kind
from woundgen.adapters.noise_schedule import as_trained
from woundgen.adapters.post_hoc_ema import adapter_of
from woundgen.adapters.saved import Adapter, DrawingNotes, apply_trained, drawing_notes, saved_preparation
from woundgen.errors import UserError
from woundgen.events import Info, Warn, Work
from woundgen.generation.image_set import Recipe
from woundgen.generation.sampler import SamplerSettings, check_fit, place
from woundgen.generation.schedulers import check_strength
from woundgen.metrics.checks import check_preparations
from woundgen.models.base import ALIASES, EMBEDDED, PINNED, BaseModel, encode_prompts, load_base
from woundgen.models.learned_tokens import unnamed_token
from woundgen.models.prompts import cut_prompts
from woundgen.records import Preparation
from woundgen.runtime.devices import choose_device
from woundgen.storage.ownership import run_of
from woundgen.workflows.generate.precision import PRECISIONS, DrawPrecision, choose_draw_precision
from woundgen.workflows.generate.recorded import choose_prompt, recorded_base
from woundgen.workflows.generate.request import GenerateRequest
from woundgen.workflows.screen.references import Origins

BASE_STEPS, BASE_GUIDANCE = 25, 1.5  # of a base model alone, which no run has set


@dataclass(frozen=True, slots=True)
class DrawModel:
    """Placed where images are drawn. base: adapters fused. recipe: before screening has its say.

    guide: UNet to lead away from, and its adapter's file. prompt, negative: states [1, 77, D].
    kinds: of the adapters, without the guide's. run: that the first adapter lies in.
    origins: of everything that images are drawn from. learned: how the photographs were prepared that the adapters were
    trained on.
    """

    base: BaseModel
    recipe: Recipe
    files: tuple[Path, ...]
    kinds: tuple[Kind, ...]
    guide: UNet2DConditionModel | None
    prompt: Tensor
    negative: Tensor
    run: Path | None
    origins: Origins
    learned: Preparation | None
    device: torch.device

    @property
    def tokens(self) -> list[str]:
        """Return, for each adapter, the word that its file does not name itself; "" for every other."""
        return [unnamed_token(file) for file in self.files[: len(self.kinds)]]  # the last file may be the guide's

    @property
    def name(self) -> str:
        """A folder's path may tell whose machine it was: a base that is not known by name is called by its digest."""
        known = ALIASES.get(self.base.name, self.base.name)
        return known if known in (EMBEDDED, *PINNED) else f"a base model of the user's, {self.base.digest[:16]}"


def load_model(request: GenerateRequest) -> Work[DrawModel]:
    """Raises UserError where base, adapters, guide and settings do not go together, before anything is drawn."""
    options = request.options
    device = choose_device(options.device)
    adapters = [(adapter_of(where, weights=options.weights), strength) for where, strength in request.adapters]
    guide = None if options.guide is None else (adapter_of(options.guide[0], weights="auto"), options.guide[1])
    base = yield from _base_for(request, adapters, guide)
    drawn_from = [adapter for adapter, _ in [*adapters, *([guide] if guide else [])]]
    precision = choose_draw_precision(options.precision, [adapter.file for adapter in drawn_from], device)
    if options.precision == "auto" and precision != "fp32":
        yield Info(f"drawn in {precision}, as the adapter was trained (--precision fp32 insists on single precision)")
    recipe = _recipe(request, adapters, base, guide, device, precision)
    yield from _check(request, base, recipe)
    apply_trained(base, [(adapter.file, strength) for adapter, strength in adapters])
    for warning in cut_prompts(base, {"prompt": recipe.prompt, "negative prompt": recipe.negative_prompt}):
        yield Warn(warning)
    dtype = PRECISIONS[precision]
    place(base, device=device, dtype=dtype)
    return DrawModel(
        base=base,
        recipe=recipe,
        files=tuple(adapter.file for adapter in drawn_from),
        kinds=tuple(adapter.kind for adapter, _ in adapters),
        guide=None if guide is None else _guide_of(base, guide, device=device, dtype=dtype),
        prompt=encode_prompts(base, [recipe.prompt]),
        negative=encode_prompts(base, [recipe.negative_prompt]),
        run=run_of(adapters[0][0].file) if adapters else None,
        origins=_find_origins(drawn_from, recipe.label),
        learned=_learned([adapter.file for adapter, _ in adapters], size=options.size),
        device=device,
    )


def _find_origins(adapters: Sequence[Adapter], label: str) -> Origins:
    """label: of the set, which stands for the phase of a file that does not say its own."""
    runs = [run_of(adapter.file) for adapter in adapters]
    lone = [adapter.phase or label for adapter, run in zip(adapters, runs, strict=True) if run is None]
    return Origins(tuple(run for run in runs if run is not None), tuple(lone))


def _learned(files: Sequence[Path], *, size: int) -> Preparation | None:
    """Return the preparation that all adapters share; UserError where they differ in it."""
    found = [one.at(size) for file in files if (one := saved_preparation(file)) is not None]
    check_preparations({f"photographs of adapter {number}": one for number, one in enumerate(found, 1)})
    return found[0] if found else None


def _base_for(
    request: GenerateRequest,
    adapters: Sequence[tuple[Adapter, float]],
    guide: tuple[Adapter, float] | None,
) -> Work[BaseModel]:
    """On the noise schedule that the adapters were trained with."""
    base = load_base((yield from _base_name(request, adapters)))
    if base.note:
        yield Info(base.note)
    every = [adapter for adapter, _ in [*adapters, *([] if guide is None else [guide])]]
    yield from _refuse_other_base(base, every, asked=request.options.base is not None)
    if guide is not None and guide[0].kind == "embedding":
        raise UserError(f"{guide[0].file} is a learned word and no model to lead away from.", "Leave --guide out.")
    return as_trained(base, [*(one.file for one, _ in adapters), *([] if guide is None else [guide[0].file])])


def _base_name(request: GenerateRequest, adapters: Sequence[tuple[Adapter, float]]) -> Work[str]:
    """The base that was asked for, else that of the first adapter: recorded, or found by its shape, which is said."""
    if request.options.base is not None:
        return request.options.base
    if not adapters:
        raise UserError("Neither an adapter nor a base model is named.", "Give --adapter RUN or --base NAME.")
    first = adapters[0][0]
    named = recorded_base(first)
    if first.base_digest is None:
        yield Info(
            f"{first.file.name} does not name its base model; by its shape it fits {named} (--base names another)"
        )
    return named


def _refuse_other_base(base: BaseModel, adapters: Sequence[Adapter], *, asked: bool) -> Work[None]:
    """An adapter fits the weights it was trained on; on others of the same shape it serves where --base asks for it."""
    for adapter in adapters:
        if adapter.base_digest in (None, base.digest):
            continue
        assert adapter.base_digest is not None
        told = (
            f"{adapter.file} was trained on base {adapter.base} ({adapter.base_digest[:12]}), "
            f"not on {base.name} ({base.digest[:12]})"
        )
        if not asked:
            way_out = "Draw with the base it was trained on, or name another with --base."
            if adapter.base == base.name == EMBEDDED:
                way_out = "The embedded base is another in this version: train again, or draw with the version before."
            raise UserError(f"{told}.", way_out)
        yield Warn(f"{told}. What its run measured does not hold for these images; the set records both bases")


def _check(request: GenerateRequest, base: BaseModel, recipe: Recipe) -> Work[None]:
    options = request.options
    side = recipe.sampler.height
    check_fit(base, recipe.sampler)
    if options.source is not None:
        check_strength(options.source[1], steps=recipe.sampler.steps)
        if side != options.size:
            raise UserError(
                f"--from: the adapter draws at {side} pixels, the photograph is prepared at {options.size}.",
                f"Draw with --size {side}, or without --from.",
            )
    if side > options.size:
        yield Info(f"drawn at {side} pixels, as the adapter was trained, and reduced to {options.size}")


def _guide_of(
    base: BaseModel, guide: tuple[Adapter, float], *, device: torch.device, dtype: torch.dtype
) -> UNet2DConditionModel:
    """The same base with the guide's adapter, where images are drawn."""
    worse = load_base(str(base.folder))
    apply_trained(worse, [(guide[0].file, guide[1])])
    place(worse, device=device, dtype=dtype)
    return worse.unet


def _recipe(
    request: GenerateRequest,
    adapters: Sequence[tuple[Adapter, float]],
    base: BaseModel,
    guide: tuple[Adapter, float] | None,
    device: torch.device,
    precision: DrawPrecision,
) -> Recipe:
    options = request.options
    first = adapters[0][0] if adapters else None
    notes = DrawingNotes(side=None) if first is None else drawing_notes(first.file)
    trained_on = {adapter.base_digest for adapter, _ in adapters} - {None, base.digest}
    side = max(options.size, notes.side or 0)
    negative = first.negative_prompt if first else ""
    return Recipe(
        label=options.label or (first.phase if first and first.phase else "base" if first is None else first.file.stem),
        prompt=choose_prompt(options, first, notes),
        negative_prompt=options.negative_prompt if options.negative_prompt is not None else negative,
        base=base.digest,
        adapters=tuple((adapter.digest, strength) for adapter, strength in adapters),
        precision=precision,
        sampler=SamplerSettings(
            sampler=options.sampler,
            steps=options.steps or (first.steps if first else None) or BASE_STEPS,
            guidance_scale=options.guidance_scale or (first.guidance_scale if first else None) or BASE_GUIDANCE,
            guidance_interval=options.guidance_interval,
            seed=options.seed,
            block=options.block,
            height=side,
            width=side,
        ),
        size=None if side == options.size else options.size,
        count=request.count,
        screening={},
        guide=None if guide is None else (guide[0].digest, guide[1]),
        threads=torch.get_num_threads() if device.type == "cpu" else None,
        trained_on=tuple(sorted(digest for digest in trained_on if digest)) or None,
    )
