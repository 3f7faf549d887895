"""The job of `woundgen study new`: draw a blinded study from held-out photographs and generated sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from woundgen.data.layouts.find_photos import find_photos, phases_below
from woundgen.data.layouts.manifest import photograph_root
from woundgen.data.pixels.preparation_file import read_preparation
from woundgen.data.pixels.prepare import MARGIN, describe_preparation, prepare_all
from woundgen.data.splits.split import with_cluster_groups
from woundgen.errors import UserError
from woundgen.metrics.checks import check_preparations
from woundgen.privacy.exposure import find_keys, read_seen, seen_groups
from woundgen.records import Photo
from woundgen.storage.files import sha256_json
from woundgen.storage.ownership import claim_output, make_private
from woundgen.study.checks import Check, draw_check
from woundgen.study.design import CHECK, REAL, SYNTHETIC, Candidate, Wanted, choose, order_for_reader
from woundgen.study.files import STUDY_JSON, Study, Truth, draw_ids, write_pictures, write_study
from woundgen.study.readers import number_groups

Say = Callable[[str], None]
TITLE = "Reader study"


@dataclass(frozen=True, slots=True)
class NewStudy:
    """items: distinct pictures, half of them real. repeats: of these shown twice to a reader. checks: attention checks.

    per_patient: photographs of one patient at most. side: of the photographs' split; None: holdout where there is one,
    else validation. held_out: photographs without a split are taken on the user's word. size: pixels a side.
    margin: around the wound's box; None: that of the photographs that the sets' generators were trained on.
    """

    items: int
    readers: int
    repeats: int
    checks: int
    per_patient: int
    phases: tuple[str, ...]
    side: str | None = None
    held_out: bool = False
    size: int = 128
    margin: float | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """real: held-out photographs with groups. sets: the images of each generated set, in the order given."""

    real_dir: Path
    real: Sequence[Photo]
    set_dirs: tuple[Path, ...]
    sets: tuple[Sequence[Photo], ...]


def draw_study(request: NewStudy, *, real: Path, synthetic: Sequence[Path], runs: Path, out: Path, say: Say) -> None:
    """Choose, prepare and write the pictures and the readers' orders. Raises UserError with nothing half-written."""
    _check_counts(request)
    sources = _find_sources(request, real=real, synthetic=synthetic, runs=runs, say=say)
    rng = np.random.default_rng(request.seed)
    wanted = Wanted(request.items, request.per_patient, _phases(request, synthetic), len(synthetic))
    chosen = choose(_candidates(sources), wanted, rng)
    pictures = _prepare(chosen, sources, request, margin=_choose_margin(request, sources, chosen, say))
    _refuse_same_pictures(chosen, pictures)
    checks = [draw_check(number, request.size, rng) for number in range(request.checks)]
    names = draw_ids(len(chosen) + len(checks))
    truth = _truth(chosen, checks, names, sources)
    kinds = [one.kind for one in chosen]
    orders = {
        f"reader-{number + 1}": tuple(
            order_for_reader(
                names[: len(chosen)], kinds, names[len(chosen) :], repeats=request.repeats,
                rng=np.random.default_rng([request.seed, number + 1]),
            )
        )
        for number in range(request.readers)
    }  # fmt: skip
    design = {
        "items": request.items, "repeats": request.repeats, "checks": request.checks, "seed": request.seed,
        "per_patient": request.per_patient, "sets": len(synthetic),
    }  # fmt: skip
    study = Study(TITLE, request.size, wanted.phases, orders, design)
    _claim(out, request, real=real, synthetic=synthetic)
    write_pictures(out, [*pictures, *(check.pixels for check in checks)], names)
    facts = {"real_dir": str(real.resolve()), "set_dirs": [str(path.resolve()) for path in synthetic]}
    write_study(out, study, truth, facts=facts)
    _tell(study, chosen, out, say)


def _check_counts(request: NewStudy) -> None:
    if request.items < 8 or request.items % 2:
        raise UserError(f"--items {request.items}: an even number of 8 or more is needed.", "Half of them are real.")
    if request.repeats > request.items // 2:
        raise UserError(
            f"--repeats {request.repeats} of {request.items} items are too many.",
            f"Show at most {request.items // 2} of them twice.",
        )


def _phases(request: NewStudy, synthetic: Sequence[Path]) -> tuple[str, ...]:
    """Those asked for, or those that every set has."""
    if request.phases:
        return request.phases
    of_sets = [phases_below(folder) for folder in synthetic]
    shared = tuple(phase for phase in of_sets[0] if all(phase in others for others in of_sets[1:]))
    if not shared:
        raise UserError("The synthetic sets have no phase in common.", "Make a study of each, or name --phases.")
    return shared


def _find_sources(request: NewStudy, *, real: Path, synthetic: Sequence[Path], runs: Path, say: Say) -> Sources:
    phases = _phases(request, synthetic)
    if len({path.resolve() for path in (real, *synthetic)}) < 1 + len(synthetic):
        raise UserError("A folder is named twice in --real and --synthetic.", "Name each once.")
    sets = tuple(find_photos(folder, phases=phases) for folder in synthetic)
    photos = find_photos(real, phases=phases)
    photos = _held_out(photos, request, real=real, synthetic=synthetic, runs=runs, say=say)
    return Sources(real, photos, tuple(synthetic), sets)


def _held_out(
    photos: list[Photo], request: NewStudy, *, real: Path, synthetic: Sequence[Path], runs: Path, say: Say
) -> list[Photo]:
    """The photographs that no generator was trained on, each with a group. UserError where that is not known."""
    roots = [photograph_root(real)]
    sides = {photo.split for photo in photos}
    if sides != {None}:
        side = request.side or ("holdout" if "holdout" in sides else "validation")
        photos = [photo for photo in photos if photo.split == side]
        if not photos:
            raise UserError(f"{real} has no photograph with split = {side}.", "Give another --side.")
        say(f"photographs: {len(photos)} of the {side} side of {real}")
        photos = _with_groups(photos, roots)
        if side == "holdout":
            _refuse_seen(photos, real=real, synthetic=synthetic, runs=runs, say=say)
        return photos
    if request.side is not None:
        raise UserError(
            f"{real} has no split, and --side {request.side} is asked for.", "Freeze one: woundgen data split."
        )
    photos = _with_groups(photos, roots)
    if request.held_out:
        say(f"photographs: {len(photos)}, held out from every generator on your word (--held-out)")
        return photos
    seen = _seen(photos, real=real, synthetic=synthetic, runs=runs)
    kept = [photo for photo in photos if photo.group not in seen]
    if not kept:
        raise UserError(f"The generators have seen every photograph of {real}.", "Give photographs that were held out.")
    say(f"photographs: {len(kept)} whose patients no generator has seen, of {len(photos)}")
    return kept


def _with_groups(photos: list[Photo], roots: Sequence[Path]) -> list[Photo]:
    return photos if all(photo.group for photo in photos) else with_cluster_groups(photos, roots=roots)[0]


def _seen(photos: Sequence[Photo], *, real: Path, synthetic: Sequence[Path], runs: Path) -> set[str]:
    keys, seen = find_keys(runs), set()
    for folder in synthetic:
        try:
            seen |= seen_groups(photos, read_seen(folder), keys=keys, root=real)
        except UserError as error:
            raise UserError(
                f"Whether the generator of {folder} has seen these photographs is not known ({error.what})",
                "Give a folder with a frozen split, --runs, or --held-out if you know that it has not.",
            ) from None
    return seen


def _refuse_seen(photos: Sequence[Photo], *, real: Path, synthetic: Sequence[Path], runs: Path, say: Say) -> None:
    try:
        seen = _seen(photos, real=real, synthetic=synthetic, runs=runs)
    except UserError as error:
        say(f"warning: {error.what}")
        return
    if seen:
        raise UserError(
            f"A generator has seen {len(seen)} of the patients on the sealed side of {real}.",
            "Freeze the split before training and give it to --data: woundgen data split.",
        )


def _candidates(sources: Sources) -> list[Candidate]:
    real = [Candidate(REAL, photo.phase, str(photo.group), row) for row, photo in enumerate(sources.real)]
    synthetic = [
        Candidate(SYNTHETIC, photo.phase, f"set {number} image {row}", row, number)
        for number, photos in enumerate(sources.sets)
        for row, photo in enumerate(photos)
    ]
    return real + synthetic


def _choose_margin(request: NewStudy, sources: Sources, chosen: Sequence[Candidate], say: Say) -> float:
    """The margin asked for, else the generators'. UserError where the framing would tell photographs from a set."""
    recorded = {folder.name: read_preparation(folder) for folder in sources.set_dirs}
    margins = {one.margin for one in recorded.values() if one is not None and one.margin is not None}
    if request.margin is None and len(margins) > 1:
        raise UserError(
            f"The sets' generators were trained with margins {sorted(margins)} around the wound's box.",
            "Make a study of each, or give --box-margin.",
        )
    margin = request.margin if request.margin is not None else next(iter(margins), MARGIN)
    for name, one in recorded.items():
        if one is None:
            say(f"warning: {name} does not say how photographs were framed; another framing than here would tell")
    photos = [sources.real[one.row] for one in chosen if one.kind == REAL]
    roots = [photograph_root(sources.real_dir)]
    described = describe_preparation(photos, resolution=request.size, margin=margin, roots=roots)
    known = {name: None if one is None else one.at(request.size) for name, one in recorded.items()}
    check_preparations({"real": described, **known}, hint="See --box-margin.")
    return margin


def _prepare(
    chosen: Sequence[Candidate], sources: Sources, request: NewStudy, *, margin: float
) -> list[NDArray[np.uint8]]:
    """Pixels of the chosen ones, both kinds through `prepare_all` at one size."""
    result: list[NDArray[np.uint8] | None] = [None] * len(chosen)
    for number in (None, *range(len(sources.sets))):
        places = [place for place, one in enumerate(chosen) if one.set == number]
        folder = sources.real_dir if number is None else sources.set_dirs[number]
        listed = sources.real if number is None else sources.sets[number]
        photos = [replace(listed[chosen[place].row], split=None) for place in places]
        images = prepare_all(
            photos, resolution=request.size, margin=margin, roots=[photograph_root(folder)],
            cache_dir=None, progress=None,
        )  # fmt: skip
        for place, pixels in zip(places, images, strict=True):
            result[place] = pixels
    return [pixels for pixels in result if pixels is not None]


def _refuse_same_pictures(chosen: Sequence[Candidate], pictures: Sequence[NDArray[np.uint8]]) -> None:
    """A picture that is both real and synthetic has no truth."""
    first: dict[bytes, str] = {}
    for one, pixels in zip(chosen, pictures, strict=True):
        kind = first.setdefault(pixels.tobytes(), one.kind)
        if kind != one.kind:
            raise UserError(
                "A synthetic image is, pixel by pixel, one of the photographs.", "Audit the set: woundgen audit."
            )


def _truth(
    chosen: Sequence[Candidate], checks: Sequence[Check], names: Sequence[str], sources: Sources
) -> dict[str, Truth]:
    groups = number_groups([f"{one.kind} {one.group}" for one in chosen]).tolist()
    truth = {}
    for name, one, group in zip(names, chosen, groups, strict=False):
        file = None
        if one.set is not None:
            file = str(Path(sources.sets[one.set][one.row].path).relative_to(sources.set_dirs[one.set].resolve()))
        truth[name] = Truth(one.kind, one.phase, group, one.set, file)
    for name, check in zip(names[len(chosen) :], checks, strict=True):
        truth[name] = Truth(CHECK, "", -1, answer=check.answer)
    return truth


def _claim(out: Path, request: NewStudy, *, real: Path, synthetic: Sequence[Path]) -> None:
    facts: dict[str, Any] = {name: getattr(request, name) for name in request.__slots__}
    facts |= {"phases": list(request.phases), "real": str(real), "synthetic": [str(path) for path in synthetic]}
    again = claim_output(out, identity=sha256_json(facts), what="study")
    make_private(out)
    if again and (out / STUDY_JSON).exists():
        raise UserError(f"{out} holds this study already.", "Serve it: woundgen study serve; or choose another --out.")
    for left_over in out.glob("images/*"):  # of a run that was killed before study.json was written
        left_over.unlink()


def _tell(study: Study, chosen: Sequence[Candidate], out: Path, say: Say) -> None:
    for phase in study.phases:
        counts = [sum(one.kind == kind and one.phase == phase for one in chosen) for kind in (REAL, SYNTHETIC)]
        say(f"phase {phase}: {counts[0]} photographs, {counts[1]} synthetic images")
    shown = len(next(iter(study.orders.values())))
    say(f"{len(study.orders)} readers, {shown} showings each; the folder holds photographs of patients (mode 0700)")
    say(f"drawn into {out}. Next: woundgen study serve {out}")
