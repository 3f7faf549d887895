"""The job of `woundgen data split`: sides dealt once, kept in a file with its digest, read by every other job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from woundgen.config.ranges import check_real, check_seed, check_whole
from woundgen.data.folds import folds_of
from woundgen.data.layouts.manifest import is_manifest, photo_of, write_manifest
from woundgen.data.layouts.source import PhotographSource, read_source
from woundgen.data.photo_set import grouping_of
from woundgen.data.splits.allocate import TOLERANCE
from woundgen.data.splits.fixed_split import SIDES, Division, Shares, divide, one_group_each
from woundgen.data.splits.scenes import SceneGroups, join_scenes
from woundgen.errors import UserError
from woundgen.events import Info, Warn, Work
from woundgen.records import LeftOut, ManifestRow, Photo
from woundgen.storage.files import sha256_json, sweep_unfinished
from woundgen.storage.ownership import claim_output
from woundgen.workflows.dataset.request import CROSS_FITTING, GROUPED, NO_HOLD_OUT, WAYS, SplitOptions

FEWEST_SEALED = 5  # groups of a phase: below, utility can hardly say anything
NO_CLAIM = "no hold-out, no claim: what is drawn with this split cannot be said to help a classifier"


def split_photographs(source: Path, *, out: Path, request: SplitOptions) -> Work[Path]:
    """Write `out`, a manifest whose rows have sides. The source is only read.

    Raises UserError, with nothing written, where whole groups cannot be divided so; it names the other ways.
    """
    _check(request)
    found = _only(read_source(source), request.phases)
    if out.resolve().is_relative_to(found.root):
        raise UserError(f"--out {out} lies among the photographs, which are only read.", "Choose another --out.")
    if found.note:
        yield Info(found.note)
    photos = [photo_of(row, root=found.root) for row in found.rows]
    scenes = yield from join_scenes(photos, roots=[found.root])
    yield from _say_scenes(scenes)
    grouped = one_group_each(scenes.photos, roots=[found.root])
    yield from _say_groups(photos, grouped)
    divisions = _divisions(grouped, request)
    identity = sha256_json([[asdict(row) for row in found.rows], request.to_json()])
    if claim_output(out, identity=identity, what="split") and is_manifest(out):  # written last: with it all is there
        yield Info(f"{out} already holds this split")
        return out
    for folder, division in divisions.items():
        yield from _say_counts(division, folder)
        (out / folder).mkdir(exist_ok=True)
        sweep_unfinished(out / folder)
        facts = {"split": {**request.to_json(), "fold": folder or None, "within_tolerance": division.within}}
        _write(out / folder, found, division.photos, facts | {"grouping": grouping_of(division.photos)})
    if request.way == CROSS_FITTING:
        _write(out, found, grouped, {"folds": list(divisions), "grouping": grouping_of(grouped)})
        yield Info(
            f"one generator a fold: --data {out}/fold_1 and so on; then `woundgen utility --real {out}` with each set,"
        )
        yield Info(f"--folds {request.folds} --seed {request.seed}")
    if request.way == NO_HOLD_OUT:
        yield Info(NO_CLAIM)
    yield Info(f"the split lies in {out}: give that folder to --data and --real")
    return out


def _only(source: PhotographSource, phases: tuple[str, ...] | None) -> PhotographSource:
    """Return the photographs of these phases; all for None. UserError where there are none of a phase."""
    if phases is None:
        return source
    missing = set(phases) - {row.label for row in source.rows}
    if missing:
        raise UserError(f"There is no photograph of phase {min(missing)} to divide.", "Leave it out of the phases.")
    return replace(source, rows=tuple(row for row in source.rows if row.label in phases))


def _check(request: SplitOptions) -> None:
    shares = request.shares
    if request.way not in WAYS:
        raise UserError(f"--way {request.way!r} is unknown.", f"Choose among {', '.join(WAYS)}.")
    check_whole("--folds", request.folds, 2)
    check_seed("--seed", request.seed)
    for name, share in asdict(shares).items():
        check_real(f"--{name}", share, 0, 1)
    if min(shares.train, shares.validation) <= 0 or shares.holdout < 0:
        raise UserError("--train, --validation and --holdout are shares above 0.", "Such as 0.7, 0.15 and 0.15.")
    if abs(sum(asdict(shares).values()) - 1) > 1e-6:
        raise UserError(f"The shares sum to {sum(asdict(shares).values()):g}, not to 1.", "Such as 0.7, 0.15 and 0.15.")
    if request.way == GROUPED and shares.holdout == 0:
        raise UserError("--holdout 0 seals nothing.", f"Say so by name: --way {NO_HOLD_OUT}.")


def _divisions(photos: Sequence[Photo], request: SplitOptions) -> dict[str, Division]:
    """Folder below --out → its sides; "" is --out itself."""
    without = _without_holdout(request.shares)
    if request.way == CROSS_FITTING:
        if any(photo.split is not None for photo in photos):
            raise UserError("Some photographs have a side already; folds need all of them.", "Clear the column split.")
        return {f"fold_{k}": one for k, one in enumerate(_folds(photos, without, request), start=1)}
    if request.way == NO_HOLD_OUT:
        return {"": divide(photos, shares=without, seed=request.seed)}
    try:
        division = divide(photos, shares=request.shares, seed=request.seed)
    except UserError as error:
        raise UserError(error.what, _ways_out()) from None
    if not division.within:
        what = f"Whole groups come no nearer than this: {division.worst} ({_largest(photos)})."
        raise UserError(what, _ways_out())
    return {"": division}


def _folds(photos: Sequence[Photo], shares: Shares, request: SplitOptions) -> list[Division]:
    """Each fold sealed in its turn, the rest divided."""
    made = []
    names = [str(photo.group) for photo in photos]
    for test in folds_of(photos, names, folds=request.folds, seed=request.seed):
        sealed = set(test.tolist())
        rest = [photo for row, photo in enumerate(photos) if row not in sealed]
        division = divide(rest, shares=shares, seed=request.seed)
        sides = iter(division.photos)
        every = [replace(photo, split="holdout") if row in sealed else next(sides) for row, photo in enumerate(photos)]
        made.append(Division(tuple(every), division.within, division.worst))
    return made


def _without_holdout(shares: Shares) -> Shares:
    both = shares.train + shares.validation
    return Shares(train=shares.train / both, validation=shares.validation / both, holdout=0.0)


def _ways_out() -> str:
    return (
        f"Other shares may fit. Or --way {CROSS_FITTING}: one generator a fold, every group tested once. "
        f'Or --way {NO_HOLD_OUT}: "no hold-out, no claim". Nothing was written.'
    )


def _largest(photos: Sequence[Photo]) -> str:
    group, count = Counter(str(photo.group) for photo in photos).most_common(1)[0]
    number = len({photo.group for photo in photos})
    return f"{number} groups; the largest, {group}, has {count} of {len(photos)} photographs"


def _say_groups(before: Sequence[Photo], after: Sequence[Photo]) -> Work[None]:
    yield Info(f"groups are {grouping_of(after)}: {len({photo.group for photo in after})}")
    joined = sorted({str(b.group) for a, b in zip(before, after, strict=True) if a.group and a.group != b.group})
    for name in joined:
        yield Warn(f"{name} share a photograph, or nearly equal ones, and are kept together")


def _say_scenes(scenes: SceneGroups) -> Work[None]:
    if scenes.crowded > 0.5:
        yield Warn(
            f"{scenes.crowded:.0%} of the photographs match many others (a ruler, a label, a date stamp?): those of "
            "a scene are not kept together"
        )
    elif scenes.joined:
        yield Info(f"{scenes.joined} photographs of unknown patients show the scene of another and are kept together")


def _say_counts(division: Division, folder: str) -> Work[None]:
    photos = division.photos
    for phase in sorted({photo.phase for photo in photos}):
        told = []
        for side in SIDES:
            own = [photo for photo in photos if photo.phase == phase and photo.split == side]
            groups = {photo.group for photo in own}
            told += [f"{side} {len(own)} ({len(groups)} groups)"] if own else []
            if own and side == "holdout" and len(groups) < FEWEST_SEALED:
                yield Warn(f"phase {phase} seals {len(groups)} groups; `utility` needs {FEWEST_SEALED} to say much")
        yield Info(f"{folder + '  ' if folder else ''}phase {phase}: {', '.join(told)}")
    if not division.within:
        yield Warn(f"not within {TOLERANCE:.0%}: {division.worst}")


def _write(folder: Path, found: PhotographSource, photos: Sequence[Photo], facts: dict[str, object]) -> None:
    rows: list[ManifestRow] = [
        replace(row, group=photo.group, split=photo.split) for row, photo in zip(found.rows, photos, strict=True)
    ]
    left_out: list[LeftOut] = list(found.left_out)
    write_manifest(folder, rows, left_out=left_out, root=found.root, facts=facts)
