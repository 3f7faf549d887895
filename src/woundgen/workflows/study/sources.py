"""Find the sources of a study: photographs held out from every generator, and the images of generated sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from woundgen.data.layouts.find_photos import find_photos, phases_below
from woundgen.data.layouts.manifest import photograph_root
from woundgen.data.splits.split import with_cluster_groups
from woundgen.errors import UserError
from woundgen.events import Info, Warn, Work
from woundgen.privacy.exposure import find_keys, read_seen, seen_groups
from woundgen.records import Photo


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


def shared_phases(request: NewStudy, synthetic: Sequence[Path]) -> tuple[str, ...]:
    """Those asked for, or those that every set has."""
    if request.phases:
        return request.phases
    of_sets = [phases_below(folder) for folder in synthetic]
    shared = tuple(phase for phase in of_sets[0] if all(phase in others for others in of_sets[1:]))
    if not shared:
        raise UserError("The synthetic sets have no phase in common.", "Make a study of each, or name --phases.")
    return shared


def find_sources(request: NewStudy, *, real: Path, synthetic: Sequence[Path], runs: Path) -> Work[Sources]:
    phases = shared_phases(request, synthetic)
    if len({path.resolve() for path in (real, *synthetic)}) < 1 + len(synthetic):
        raise UserError("A folder is named twice in --real and --synthetic.", "Name each once.")
    sets = tuple(find_photos(folder, phases=phases) for folder in synthetic)
    photos = find_photos(real, phases=phases)
    photos = yield from _held_out(photos, request, real=real, synthetic=synthetic, runs=runs)
    return Sources(real, photos, tuple(synthetic), sets)


def _held_out(
    photos: list[Photo], request: NewStudy, *, real: Path, synthetic: Sequence[Path], runs: Path
) -> Work[list[Photo]]:
    """The photographs that no generator was trained on, each with a group. UserError where that is not known."""
    roots = [photograph_root(real)]
    sides = {photo.split for photo in photos}
    if sides != {None}:
        side = request.side or ("holdout" if "holdout" in sides else "validation")
        photos = [photo for photo in photos if photo.split == side]
        if not photos:
            raise UserError(f"{real} has no photograph with split = {side}.", "Give another --side.")
        yield Info(f"photographs: {len(photos)} of the {side} side of {real}")
        photos = _with_groups(photos, roots)
        if side == "holdout":
            yield from _refuse_seen(photos, real=real, synthetic=synthetic, runs=runs)
        return photos
    if request.side is not None:
        raise UserError(
            f"{real} has no split, and --side {request.side} is asked for.", "Freeze one: woundgen data split."
        )
    photos = _with_groups(photos, roots)
    if request.held_out:
        yield Info(f"photographs: {len(photos)}, held out from every generator on your word (--held-out)")
        return photos
    seen = _seen(photos, real=real, synthetic=synthetic, runs=runs)
    kept = [photo for photo in photos if photo.group not in seen]
    if not kept:
        raise UserError(f"The generators have seen every photograph of {real}.", "Give photographs that were held out.")
    yield Info(f"photographs: {len(kept)} whose patients no generator has seen, of {len(photos)}")
    return kept


def _with_groups(photos: list[Photo], roots: Sequence[Path]) -> list[Photo]:
    return photos if all(photo.group for photo in photos) else with_cluster_groups(photos, roots=roots)[0]


def _seen(photos: Sequence[Photo], *, real: Path, synthetic: Sequence[Path], runs: Path) -> set[str]:
    keys, groups = find_keys(runs), set()
    for folder in synthetic:
        try:
            groups |= seen_groups(photos, read_seen(folder), keys=keys, root=real)
        except UserError as error:
            raise UserError(
                f"Whether the generator of {folder} has seen these photographs is not known ({error.what})",
                "Give a folder with a frozen split, --runs, or --held-out if you know that it has not.",
            ) from None
    return groups


def _refuse_seen(photos: Sequence[Photo], *, real: Path, synthetic: Sequence[Path], runs: Path) -> Work[None]:
    try:
        seen = _seen(photos, real=real, synthetic=synthetic, runs=runs)
    except UserError as error:
        yield Warn(f"{error.what}")
        return
    if seen:
        raise UserError(
            f"A generator has seen {len(seen)} of the patients on the sealed side of {real}.",
            "Freeze the split before training and give it to --data: woundgen data split.",
        )
