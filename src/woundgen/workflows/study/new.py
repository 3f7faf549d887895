"""The job of `woundgen study new`: draw a blinded study from held-out photographs and generated sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from woundgen.data.layouts.manifest import photograph_root
from woundgen.data.pixels.preparation_file import read_preparation
from woundgen.data.pixels.prepare import MARGIN, describe_preparation, prepare_all
from woundgen.errors import UserError
from woundgen.events import Info, Warn, Work
from woundgen.metrics.checks import check_preparations
from woundgen.storage.files import sha256_json
from woundgen.storage.names import STUDY_JSON
from woundgen.storage.ownership import claim_output, make_private
from woundgen.study.checks import Check, draw_check
from woundgen.study.design import CHECK, REAL, SYNTHETIC, EligiblePicture, Wanted, choose, order_for_reader
from woundgen.study.files import ReaderStudy, Truth, draw_ids, write_pictures, write_study
from woundgen.study.readers import number_groups
from woundgen.workflows.study.sources import NewStudy, Sources, find_sources, shared_phases

TITLE = "Reader study"


@dataclass(frozen=True, slots=True)
class DrawnStudy:
    """A study in its private folder. showings: of each reader. pictures: phase -> kind -> distinct pictures."""

    folder: Path
    readers: tuple[str, ...]
    showings: int
    pictures: dict[str, dict[str, int]]

    def to_json(self) -> dict[str, Any]:
        """Return folder, readers, showings and pictures; nothing says which picture is which."""
        return {
            "folder": str(self.folder), "readers": list(self.readers), "showings": self.showings,
            "pictures": self.pictures,
        }  # fmt: skip


def draw_study(request: NewStudy, *, real: Path, synthetic: Sequence[Path], runs: Path, out: Path) -> Work[DrawnStudy]:
    """Choose, prepare and write the pictures and the readers' orders. Raises UserError with nothing half-written."""
    _check_counts(request)
    sources = yield from find_sources(request, real=real, synthetic=synthetic, runs=runs)
    rng = np.random.default_rng(request.seed)
    wanted = Wanted(request.items, request.per_patient, shared_phases(request, synthetic), len(synthetic))
    chosen = choose(_candidates(sources), wanted, rng)
    pictures = _prepare(chosen, sources, request, margin=(yield from _choose_margin(request, sources, chosen)))
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
    study = ReaderStudy(TITLE, request.size, wanted.phases, orders, design)
    _claim(out, request, real=real, synthetic=synthetic)
    write_pictures(out, [*pictures, *(check.pixels for check in checks)], names)
    facts = {"real_dir": str(real.resolve()), "set_dirs": [str(path.resolve()) for path in synthetic]}
    write_study(out, study, truth, facts=facts)
    drawn = _describe(study, chosen, out)
    yield from _announce(drawn)
    return drawn


def _check_counts(request: NewStudy) -> None:
    if request.items < 8 or request.items % 2:
        raise UserError(f"--items {request.items}: an even number of 8 or more is needed.", "Half of them are real.")
    if request.repeats > request.items // 2:
        raise UserError(
            f"--repeats {request.repeats} of {request.items} items are too many.",
            f"Show at most {request.items // 2} of them twice.",
        )


def _candidates(sources: Sources) -> list[EligiblePicture]:
    real = [EligiblePicture(REAL, photo.phase, str(photo.group), row) for row, photo in enumerate(sources.real)]
    synthetic = [
        EligiblePicture(SYNTHETIC, photo.phase, f"set {number} image {row}", row, number)
        for number, photos in enumerate(sources.sets)
        for row, photo in enumerate(photos)
    ]
    return real + synthetic


def _choose_margin(request: NewStudy, sources: Sources, chosen: Sequence[EligiblePicture]) -> Work[float]:
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
            yield Warn(f"{name} does not say how photographs were framed; another framing than here would tell")
    photos = [sources.real[one.row] for one in chosen if one.kind == REAL]
    roots = [photograph_root(sources.real_dir)]
    described = describe_preparation(photos, resolution=request.size, margin=margin, roots=roots)
    known = {name: None if one is None else one.at(request.size) for name, one in recorded.items()}
    check_preparations({"real": described, **known}, hint="See --box-margin.")
    return margin


def _prepare(
    chosen: Sequence[EligiblePicture], sources: Sources, request: NewStudy, *, margin: float
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
            cache_dir=None,
        )  # fmt: skip
        for place, pixels in zip(places, images, strict=True):
            result[place] = pixels
    return [pixels for pixels in result if pixels is not None]


def _refuse_same_pictures(chosen: Sequence[EligiblePicture], pictures: Sequence[NDArray[np.uint8]]) -> None:
    """A picture that is both real and synthetic has no truth."""
    first: dict[bytes, str] = {}
    for one, pixels in zip(chosen, pictures, strict=True):
        kind = first.setdefault(pixels.tobytes(), one.kind)
        if kind != one.kind:
            raise UserError(
                "A synthetic image is, pixel by pixel, one of the photographs.", "Audit the set: woundgen audit."
            )


def _truth(
    chosen: Sequence[EligiblePicture], checks: Sequence[Check], names: Sequence[str], sources: Sources
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


def _describe(study: ReaderStudy, chosen: Sequence[EligiblePicture], out: Path) -> DrawnStudy:
    counts = {
        phase: {kind: sum(one.kind == kind and one.phase == phase for one in chosen) for kind in (REAL, SYNTHETIC)}
        for phase in study.phases
    }
    return DrawnStudy(out, tuple(study.orders), len(next(iter(study.orders.values()))), counts)


def _announce(drawn: DrawnStudy) -> Work[None]:
    for phase, counts in drawn.pictures.items():
        yield Info(f"phase {phase}: {counts[REAL]} photographs, {counts[SYNTHETIC]} synthetic images")
    yield Info(
        f"{len(drawn.readers)} readers, {drawn.showings} showings each; the folder holds photographs of patients "
        "(mode 0700)"
    )
    yield Info(f"drawn into {drawn.folder}. Next: woundgen study serve {drawn.folder}")
