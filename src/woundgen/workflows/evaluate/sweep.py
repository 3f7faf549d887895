"""The job of `woundgen compare --adapter …`: what a comparison lacks is drawn and measured, on the same seeds.

Runs, checkpoints, kinds of weights, guidance scales and sampler steps are multiplied out; the first is the
reference. Sets lie in the private folder of OUT, since nothing screens them, and go on where they were;
photographs' features are taken once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from woundgen.adapters.post_hoc_ema import adapter_of
from woundgen.adapters.saved import saved_preparation
from woundgen.errors import UserError
from woundgen.events import Info, Work, only_progress
from woundgen.features.cache import Cache, content_digest
from woundgen.features.extractor import Extractor
from woundgen.metrics.measure import PERCEPTUAL, Pairwise, load_extractors, perceptual_between, ssim_between_sets
from woundgen.metrics.paired_rows import pair_scores, pair_sets
from woundgen.metrics.rows import Network
from woundgen.records import PairedValue, Preparation
from woundgen.storage.files import read_json, write_json
from woundgen.storage.names import CHECKPOINTS, METRICS_JSON, private_folder
from woundgen.storage.ownership import make_private
from woundgen.workflows.evaluate.job import base_of_set, evaluate_set
from woundgen.workflows.evaluate.request import SweepOptions, SweepRequest, check_sweep
from woundgen.workflows.evaluate.sets import (
    ImageSet,
    Photographs,
    choose_learned_margin,
    photographs_from,
    read_set,
)
from woundgen.workflows.generate.job import generate_set
from woundgen.workflows.generate.recorded import check_named
from woundgen.workflows.generate.request import GenerateOptions, GenerateRequest

SETS = "sets"


@dataclass(frozen=True, slots=True)
class Variant:
    """One candidate. guidance, steps: None takes what the adapter's run recorded."""

    adapter: Path
    weights: str
    guidance: float | None
    steps: int | None


def variants_of(
    adapters: Sequence[Path],
    weights: Sequence[str],
    guidances: Sequence[float],
    steps: Sequence[int],
    *,
    every_checkpoint: bool = False,
) -> list[Variant]:
    """Every combination, in the order given. every_checkpoint: of each run, instead of its best."""
    places = [place for one in adapters for place in (_checkpoints(one) if every_checkpoint else [one])]
    scales: list[float | None] = [*guidances] or [None]
    lengths: list[int | None] = [*steps] or [None]
    found = [Variant(*one) for one in product(places, weights or ["auto"], scales, lengths)]
    found = list(dict.fromkeys(found))
    if len(found) < 2:
        raise UserError(
            "A comparison needs two or more candidates.", "Repeat --adapter, --weights, --guidance or --steps."
        )
    return found


def _checkpoints(run: Path) -> list[Path]:
    found = sorted(path for path in (run / CHECKPOINTS).glob("epoch_*") if path.is_dir())
    if not found:
        raise UserError(f"{run} holds no checkpoints.", "Give a run folder with --every-checkpoint.")
    return found


def name_of(one: Variant, among: Sequence[Variant]) -> str:
    """Name a variant by its differences from the others."""
    parts = []
    if len({other.adapter for other in among}) > 1:
        runs = {_run_of(other.adapter) for other in among}
        parts += [one.adapter.name] if _is_checkpoint(one.adapter) else []
        parts = [_run_of(one.adapter), *parts] if len(runs) > 1 or not parts else parts
    for key, text in (("weights", "{}"), ("guidance", "guidance {:g}"), ("steps", "{} steps")):
        if len({getattr(other, key) for other in among}) > 1:
            parts.append(text.format(getattr(one, key)))
    return ", ".join(parts)


def _is_checkpoint(place: Path) -> bool:
    return place.parent.name == CHECKPOINTS


def _run_of(place: Path) -> str:
    return place.resolve().parents[1].name if _is_checkpoint(place) else place.resolve().name


def sweep_request(request: SweepRequest, *, out: Path) -> Work[list[Path]]:
    """Draw and measure the candidates that a request names; return their folders in OUT/sets, the reference first."""
    check_sweep(request)
    options = request.options
    variants = variants_of(
        request.adapters, options.weights, options.guidance, options.steps, every_checkpoint=options.every_checkpoint
    )

    def photographs(side: int, learned: Preparation | None) -> Photographs:
        margin = choose_learned_margin(learned, asked=options.margin)
        return photographs_from(run=request.run, real=request.real, phase=request.phase, size=side, margin=margin)

    networks = load_extractors(list(options.features), device="auto")
    return (
        yield from sweep(variants, real=photographs, networks=networks, phase=request.phase, options=options, out=out)
    )


def sweep(
    variants: Sequence[Variant],
    *,
    real: Callable[[int, Preparation | None], Photographs],
    networks: Sequence[Extractor],
    phase: str,
    options: SweepOptions,
    out: Path,
) -> Work[list[Path]]:
    """Folders of the sets, each with metrics.json; all but the first with paired differences to the first.

    real: photographs prepared at a size, framed as those that the reference was trained on.
    Nothing is screened: screening would choose other seeds for each. So the sets are private.
    """
    requests = [_request(variant, phase, options) for variant in variants]
    for request in requests:
        check_named(request)
    learned = saved_preparation(adapter_of(variants[0].adapter, weights=variants[0].weights).file)
    photographs, cache = real(options.size, learned), Cache()
    make_private(private_folder(out))
    folders: list[Path] = []
    drawn: list[ImageSet] = []
    for variant, request in zip(variants, requests, strict=True):
        name = name_of(variant, variants)
        folder = private_folder(out) / SETS / _slug(name)
        yield Info(f"{name}:")
        yield from only_progress(generate_set(request, out=folder))
        images = read_set(folder, phase=phase, size=None, margin=0)
        measuring = _measure(images, photographs, folder, networks=networks, base=options.base, label=name, cache=cache)
        yield from only_progress(measuring) if folders else measuring  # warnings of the photographs are printed once
        folders.append(folder)
        drawn.append(images)
        if len(drawn) > 1:
            _add_paired(folder / METRICS_JSON, drawn[-1], drawn[0], photographs, networks, cache)
    return folders


def _measure(
    images: ImageSet,
    photographs: Photographs,
    folder: Path,
    *,
    networks: Sequence[Extractor],
    base: str | None,
    label: str,
    cache: Cache,
) -> Work[None]:
    """Measure the set in `folder`, with the base's autoencoder for the ceiling where the base is named or known."""
    base = base or (yield from base_of_set(folder))
    yield from evaluate_set(
        images, photographs, networks=networks, base=base, out=folder / METRICS_JSON, label=label, cache=cache
    )


def _request(variant: Variant, phase: str, options: SweepOptions) -> GenerateRequest:
    """The base that is asked for serves adapters that name none; others are drawn with theirs."""
    names_base = adapter_of(variant.adapter, weights=variant.weights).base_digest is not None
    return GenerateRequest(
        adapters=((variant.adapter, 1.0),),
        count=options.count,
        options=GenerateOptions(
            base=None if names_base else options.base,
            weights=variant.weights,
            label=phase,
            prompt=options.prompt,
            negative_prompt=options.negative_prompt,
            budget=options.count,
            seed=options.seed,
            steps=variant.steps,
            guidance_scale=variant.guidance,
            size=options.size,
            block=min(16, options.count),
        ),
    )


def _add_paired(
    path: Path, candidate: ImageSet, reference: ImageSet, real: Photographs, networks: Sequence[Extractor], cache: Cache
) -> None:
    rows = paired_rows(candidate.images, reference.images, real, networks, cache)
    paired = {"reference": content_digest(reference.images), "rows": [row.to_json() for row in rows]}
    write_json(path, read_json(path) | {"paired": paired})


def paired_rows(
    candidate: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    real: Photographs,
    networks: Sequence[Extractor],
    cache: Cache,
) -> list[PairedValue]:
    """Candidate less reference, in every metric that can be paired."""
    photographs = real.held_out
    rows: list[PairedValue] = []
    pairwise: list[tuple[str, Extractor | None, Pairwise]] = [("ssim", None, ssim_between_sets)]
    for one in networks:
        if "pooled" in one.gives:
            sets = [
                cache.array("pooled", one.cache_key, [images], lambda one=one, images=images: one.pooled(images))  # type: ignore[misc]
                for images in (candidate, reference, photographs.images)
            ]
            rows += pair_sets(*sets, network=Network(one.name, one.digest), real_groups=photographs.groups)
        if one.name in PERCEPTUAL:
            pairwise.append((PERCEPTUAL[one.name], one, perceptual_between(one)))
    for metric, network, between in pairwise:
        scores = [
            cache.array(
                metric, network.cache_key if network else "", [images, photographs.images],
                lambda between=between, images=images: between(images, photographs.images),  # type: ignore[misc]
            )
            for images in (candidate, reference)
        ]  # fmt: skip
        named = Network(network.name, network.digest) if network else None
        rows.append(pair_scores(metric, *scores, network=named, real_groups=photographs.groups))
    return rows


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() or c in ".-" else "_" for c in name).replace("__", "_")
