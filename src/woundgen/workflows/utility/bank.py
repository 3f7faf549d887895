"""Material of a study of utility: photographs, synthetic sets, and the folds in which patients are tested."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from woundgen.data.folds import folds_of
from woundgen.data.layouts.find_photos import find_photos, phases_below
from woundgen.data.layouts.manifest import photograph_root
from woundgen.data.photo_set import PhotoSet, gather
from woundgen.data.pixels.augment import variations
from woundgen.data.pixels.preparation_file import read_preparation
from woundgen.data.pixels.prepare import MARGIN, describe_preparation, prepare_all
from woundgen.data.splits.fixed_split import joined_groups
from woundgen.data.splits.split import with_cluster_groups
from woundgen.downstream.arms import Material, synthetic_count
from woundgen.downstream.run import Fold
from woundgen.errors import UserError
from woundgen.metrics.checks import check_preparations
from woundgen.privacy.exposure import find_keys, read_seen, refuse_exposure_of_others, seen_groups
from woundgen.records import PHASES
from woundgen.storage.provenance import adapter_digests

Images = NDArray[np.uint8]
Rows = NDArray[np.intp]
VARIATIONS = 8  # of each photograph in the augmented arm; training's default
TRAIN_SHARE = 0.85  # of a split nobody looks at: only the hold-out and the groups of it are used
BAND = (0.01, 0.99)


@dataclass(frozen=True, slots=True)
class SyntheticSet:
    """images: uint8 [N, S, S, 3]; phases: of each. seen: groups of the photographs that its generator has seen.

    adapters: digests of the files that it was drawn with; none of a base alone, or where the set has no recipe.
    """

    name: str
    images: Images
    phases: tuple[str, ...]
    seen: frozenset[str]
    adapters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bank:
    """All images in one array: photographs, VARIATIONS of each that is trained on, the sets. digests: of each image."""

    images: Images
    digests: tuple[str, ...]
    folds: tuple[Fold, ...]
    sealed: bool


def read_photographs(root: Path, *, classes: Sequence[str], size: int, margin: float, clusters: bool) -> PhotoSet:
    """Photographs with their patients. clusters: near duplicates may stand for patients."""
    if len(set(classes)) < 2:
        raise UserError(
            "One class only: there is nothing to tell apart.", "Name two or three, such as --classes I,P,R."
        )
    unknown = [phase for phase in classes if phase not in PHASES]
    if unknown:
        raise UserError(f"--classes: unknown phase {unknown[0]!r}.", f"Use {', '.join(PHASES)}.")
    there = phases_below(root)
    if missing := [phase for phase in classes if phase not in there]:
        raise UserError(
            f"{root} has no photograph of phase {missing[0]}.",
            f"Add some, or tell the others apart: --classes {','.join(there)}."
            if len(there) > 1
            else "Add some: a classifier needs two phases.",
        )
    if not clusters and any(photo.group is None for photo in find_photos(root, phases=classes)):
        raise UserError(
            f"{root} does not name the patient of every photograph: one of them could be trained on and tested on.",
            "Add a column group_id, or give --clusters: then near duplicates stand for patients, and the page says so.",
        )
    return gather(root, phases=classes, resolution=size, margin=margin, train_share=TRAIN_SHARE, seed=0)


def read_sets(
    folders: Sequence[Path], photos: PhotoSet, *, root: Path, classes: Sequence[str], size: int, runs: Path
) -> list[SyntheticSet]:
    """Every set with what its generator has seen. UserError for one without labels or of another value range."""
    keys, sets = find_keys(runs), []
    for folder in folders:
        if folder.resolve() == root.resolve():
            raise UserError(f"--synthetic and --real are the same folder, {folder}.", "Name generated images.")
        known = [phase for phase in phases_below(folder) if phase in classes]
        if not known:
            raise UserError(f"{folder} has no image of phase {' or '.join(classes)}.", "Name another set.")
        found = find_photos(folder, phases=known)
        margin, roots = photos.preparation.margin or 0, [photograph_root(folder)]
        own = describe_preparation(found, resolution=size, margin=margin, roots=roots)
        recorded = read_preparation(folder)
        # Without a record, boxes tell that these are photographs, or pictures of limbs as photographs are.
        framed = recorded.at(size) if recorded is not None else own if own.margin is not None else None
        check_preparations({"real": photos.preparation, "generated": framed})
        images = prepare_all(found, resolution=size, margin=margin, roots=roots, cache_dir=None)
        refuse_other_values(images, photos.images, name=str(folder))
        records = read_seen(folder)
        refuse_exposure_of_others(folder, records, runs=runs)
        seen = frozenset(seen_groups(photos.photos, records, keys=keys, root=root))
        labels = tuple(photo.phase for photo in found)
        sets.append(SyntheticSet(folder.name, images, labels, seen, adapter_digests(folder)))
    return sets


def choose_margin(folders: Sequence[Path], *, asked: float | None) -> float:
    """That asked for, or that of the photographs which the sets' generators were trained on, or MARGIN."""
    if asked is not None:
        return asked
    recorded = [one for folder in folders if (one := read_preparation(folder)) is not None]
    margins = {one.margin for one in recorded if one.margin is not None}
    if len(margins) > 1:
        told = " and ".join(f"{margin:g}" for margin in sorted(margins))
        raise UserError(
            f"The generators of the sets were trained with different margins around the box: {told}.",
            "Study sets of one margin at a time.",
        )
    return margins.pop() if margins else MARGIN


def refuse_other_values(images: Images, real: Images, *, name: str) -> None:
    """The set's mean of each channel must lie where 98 % of photographs have theirs."""
    means = real.mean(axis=(1, 2))
    low, high = np.quantile(means, BAND, axis=0)
    own = images.mean(axis=(0, 1, 2))
    for channel, value, least, most in zip(("red", "green", "blue"), own, low, high, strict=True):
        if not least <= value <= most:
            raise UserError(
                f"{name}: its mean {channel} is {value:.1f} of 255, and 98 % of the photographs have {least:.1f} to "
                f"{most:.1f}.",
                "Were values of 0..1 written as 0..255, or channels exchanged? Write uint8 PNG in RGB.",
            )


def build_bank(
    photos: PhotoSet,
    sets: Sequence[SyntheticSet],
    *,
    root: Path,
    classes: Sequence[str],
    phases: Sequence[str],
    doses: Sequence[float],
    folds: int,
    seed: int,
) -> Bank:
    """Rows for every fold, checked: no generator has seen a patient that it is tested with; doses can be had."""
    labels = np.array([classes.index(photo.phase) for photo in photos.photos])
    groups = np.array(photos.groups(range(len(photos.photos))))
    sealed = np.array(photos.rows("holdout"), np.intp)
    tests = [sealed] if len(sealed) else _folds(photos, root, folds=folds, seed=seed)
    usable = [[not one.seen & set(groups[test]) for one in sets] for test in tests]
    _refuse_touched(sets, usable, tests, groups)
    trained = np.flatnonzero(np.any([~np.isin(groups, groups[test]) for test in tests], axis=0))
    place = {row: number for number, row in enumerate(trained.tolist())}
    firsts = np.cumsum([len(labels) + len(trained) * VARIATIONS, *[len(one.images) for one in sets]])
    made = []
    for test, clean in zip(tests, usable, strict=True):
        rest = np.flatnonzero(~np.isin(groups, groups[test]))
        real = {phase: rest[labels[rest] == k] for k, phase in enumerate(classes)}
        varied = {phase: _varied(rows, place, first=len(labels)) for phase, rows in real.items()}
        synthetic = {phase: _rows_of(sets, clean, firsts, phase) for phase in phases}
        material = Material(real, varied, synthetic)
        refuse_what_cannot_be(material, test, labels, classes=classes, doses=doses)
        made.append(Fold(material, test))
    size = photos.images.shape[1]
    flat = variations(photos.images[trained], count=VARIATIONS, seed=seed).reshape(-1, size, size, 3)
    images = np.concatenate([photos.images, flat, *[one.images for one in sets]])
    digests = tuple(hashlib.sha256(image.tobytes()).hexdigest() for image in images)
    return Bank(images, digests, tuple(made), bool(len(sealed)))


def _varied(rows: Rows, place: Mapping[int, int], *, first: int) -> NDArray[np.intp]:
    """[n, VARIATIONS] rows of the variations of photographs. place: of a photograph among those that have any."""
    return first + np.array([[place[row]] for row in rows.tolist()], np.intp) * VARIATIONS + np.arange(VARIATIONS)


def refuse_what_cannot_be(
    material: Material, test: Rows, labels: NDArray, *, classes: Sequence[str], doses: Sequence[float]
) -> None:
    for k, phase in enumerate(classes):
        if not len(material.real[phase]) or not (labels[test] == k).any():
            side = "train on" if not len(material.real[phase]) else "test on"
            raise UserError(f"Phase {phase} has no photograph to {side}.", "Give photographs of more patients.")
    for phase, pool in material.synthetic.items():
        if not len(pool):
            raise UserError(
                f"Phase {phase}: every set comes from a generator that has seen a patient of one of the folds.",
                "Give a set for each fold, drawn with an adapter that has not seen that fold's patients "
                "(`woundgen train --folds` makes them, with as many folds as here and --seed 0).",
            )
        needed = synthetic_count(max(doses), len(material.real[phase]))
        if needed > len(pool):
            raise UserError(
                f"Dose {max(doses):g} needs {needed} images of phase {phase}, and the sets hold {len(pool)}.",
                f"Draw more, or give --doses up to {len(pool) / len(material.real[phase]):.2g}.",
            )


def _folds(photos: PhotoSet, root: Path, *, folds: int, seed: int) -> list[Rows]:
    """Patients who share a photograph, or nearly equal ones, are tested together."""
    filled, clusters = with_cluster_groups(photos.photos, roots=[photograph_root(root)])
    return folds_of(filled, joined_groups(filled, clusters), folds=folds, seed=seed)


def _refuse_touched(
    sets: Sequence[SyntheticSet], usable: Sequence[Sequence[bool]], tests: Sequence[Rows], groups: NDArray
) -> None:
    """Every set must be clean in a fold; that every fold has a clean set is looked at fold by fold."""
    for number, one in enumerate(sets):
        if not any(clean[number] for clean in usable):
            tested = set(groups[np.concatenate(tests)])
            raise UserError(
                f"{one.name}: its generator has seen {len(one.seen & tested)} of the {len(tested)} test groups"
                + (f", some in each of the {len(tests)} folds." if len(tests) > 1 else "."),
                "Seal a hold-out before training (`split` = holdout), or train one generator a fold (train --folds).",
            )


def _rows_of(sets: Sequence[SyntheticSet], clean: Sequence[bool], firsts: NDArray, phase: str) -> Rows:
    parts = [
        first + np.flatnonzero(np.array(one.phases) == phase)
        for one, is_clean, first in zip(sets, clean, firsts[:-1], strict=True)
        if is_clean
    ]
    return np.concatenate([np.empty(0, np.intp), *parts])


def receiving(sets: Sequence[SyntheticSet], *, asked: Sequence[str] | None, classes: Sequence[str]) -> tuple[str, ...]:
    """The phases that get synthetic images: those asked for, or all that the sets have."""
    there = [phase for phase in classes if any(phase in one.phases for one in sets)]
    if missing := [phase for phase in asked or () if phase not in there]:
        raise UserError(f"--phases {missing[0]}: no set has images of it.", f"The sets have {', '.join(there)}.")
    return tuple(phase for phase in there if not asked or phase in asked)


def counts(photos: PhotoSet, rows: Sequence[int] | Rows) -> Mapping[str, dict[str, int]]:
    """Phase → images and groups among `rows`."""
    table: dict[str, dict[str, int]] = {}
    for phase in dict.fromkeys(photos.photos[row].phase for row in rows):
        own = [photos.photos[row].group for row in rows if photos.photos[row].phase == phase]
        table[phase] = {"images": len(own), "groups": len(set(own))}
    return dict(sorted(table.items()))
