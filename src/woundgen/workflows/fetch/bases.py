"""The job of `woundgen fetch` for base models: a pinned commit, file by file, into the hub's own cache.

Mirrors are asked in their order, the next where one is gone. JSON, text and safetensors only. Digests are recorded
at the first fetch and held from then on, those of weights across all mirrors. Files lie in a hidden folder until all
are there; one that was cut off goes on with the file it was at.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from woundgen.errors import Code, UserError
from woundgen.events import Info, Work
from woundgen.models.sources import (
    ALIASES,
    FETCHED_JSON,
    LICENCES,
    MEGABYTES,
    PINNED,
    WITHDRAWN,
    files_of,
    snapshot,
)
from woundgen.storage.files import sha256_file, write_json
from woundgen.workflows.fetch.check_file import check_file, is_whole
from woundgen.workflows.fetch.download import download
from woundgen.workflows.fetch.listing import Fetchable
from woundgen.workflows.fetch.networks import forget_digests, held_digests, hold_digests

HUB = "https://huggingface.co"


def fetch_base(
    name: str,
    *,
    home: Path,
    mirror: str | None,
    folder: Path | None,
    pinned: Mapping[str, Sequence[tuple[str, str]]] = PINNED,
) -> Work[Path]:
    """Base model `name` (or an id that stands for one) into the hub's cache; nothing where it is there.

    home: folder of the digests. mirror: another hub's address, with the same paths below it. folder: already
    downloaded, in diffusers' layout, only read. UserError where it cannot be had, or is not what was first fetched.
    """
    known = ALIASES.get(name, name)
    mirrors = [one for one in pinned[known] if one[0] not in WITHDRAWN]
    for repository, revision in pinned[known]:
        place = snapshot(repository, revision)
        if place.is_dir() and not (yield from _drop_if_unsound(place, known, f"{repository}@{revision}", home)):
            yield Info(f"{known} is already in {place}")
            return place
    if mirror is None and folder is None and os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0"):
        raise UserError("HF_HUB_OFFLINE is set, so nothing is downloaded.", "Unset it, or give --from FOLDER.")
    yield Info(f"{known}: {LICENCES[known]}; about {MEGABYTES[known]} MB to read")
    hub = (mirror or os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
    for number, (repository, revision) in enumerate(mirrors):
        try:
            return (yield from _fetch_one(known, repository, revision, hub, home, folder))
        except UserError as error:
            _drop_if_empty(_staging(repository, revision))
            if error.code is not Code.NOT_ON_SERVER or number + 1 == len(mirrors):
                raise
            yield Info(f"{repository} is gone ({error.what}); {mirrors[number + 1][0]} is asked")
    raise AssertionError("every pinned base has a mirror")


def _fetch_one(name: str, repository: str, revision: str, hub: str, home: Path, folder: Path | None) -> Work[Path]:
    target, staging = snapshot(repository, revision), _staging(repository, revision)
    files = files_of(name)
    held = held_digests(home)
    try:
        for file in files:
            (staging / file).parent.mkdir(parents=True, exist_ok=True)
        digests = {}
        for file in files:
            address = f"{hub}/{repository}/resolve/{revision}/{file}"
            digests[file] = yield from _get(file, address, staging, folder)
        _check(name, f"{repository}@{revision}", digests, held, staging)
        write_json(
            staging / FETCHED_JSON,
            {
                "name": name,
                "repository": repository,
                "revision": revision,
                "licence": LICENCES[name],
                "sha256": digests,
                "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
            },
        )
        home.mkdir(parents=True, exist_ok=True)
        hold_digests(home, _key(name, f"{repository}@{revision}"), digests)
        staging.rename(target)
    except OSError as error:
        raise UserError(f"{target} cannot be written ({error.strerror or error}).", "Set HF_HUB_CACHE.") from None
    yield Info(f"written to {target}")
    return target


def _staging(repository: str, revision: str) -> Path:
    return snapshot(repository, revision).with_name(f".{revision}.fetching")


def _drop_if_unsound(place: Path, name: str, key: str, home: Path) -> Work[bool]:
    """Remove what an earlier version of this command took for the model and is not; its digests are forgotten.

    Only what we fetched, which says so: another program's snapshot stays as it is.
    """
    if not (place / FETCHED_JSON).is_file():
        return False
    files = [place / file for file in files_of(name)]
    if all(path.is_file() and is_whole(path) for path in files):
        return False
    yield Info(f"{place} is not whole: it is fetched again")
    shutil.rmtree(place)
    forget_digests(home, _key(name, key))
    return True


def _drop_if_empty(staging: Path) -> None:
    if staging.is_dir() and not any(path.is_file() for path in staging.rglob("*")):
        shutil.rmtree(staging)


def _get(file: str, address: str, staging: Path, folder: Path | None) -> Work[str]:
    """SHA-256 of the file, which then lies in `staging`; one that an earlier call left whole is not read again."""
    target = staging / file
    if target.is_file() and is_whole(target):
        return sha256_file(target)
    if folder is not None:
        if not (folder / file).is_file():
            raise UserError(f"{folder / file} does not exist.", "Give the folder of a whole model.")
        check_file(folder / file, name=file, source=str(folder))
        shutil.copyfile(folder / file, target)
        return sha256_file(target)
    part = target.with_name(f".{target.name}.part")
    try:
        digest = yield from download(address, part)
        check_file(part, name=file, source=address)
    except UserError:
        part.unlink(missing_ok=True)
        raise
    part.rename(target)
    return digest


def _check(
    name: str, place: str, digests: Mapping[str, str], held: Mapping[str, Mapping[str, str]], staging: Path
) -> None:
    """Weights as any mirror of this base had them, everything as this commit had it. Others are deleted."""
    expected: dict[str, str] = {}
    for key, recorded in held.items():
        if key.startswith(f"{name} "):
            own = key == _key(name, place)
            expected |= {file: one for file, one in recorded.items() if own or file.endswith(".safetensors")}
    for file, digest in digests.items():
        if expected.get(file, digest) != digest:
            shutil.rmtree(staging)
            raise UserError(
                f"{place}: {file} has digest {digest[:16]}, not {expected[file][:16]} as at the first fetch.",
                "Nothing was stored. Fetch it from the address that is pinned, without --mirror or --from.",
            )


def _key(name: str, place: str) -> str:
    return f"{name} {place}"


def list_bases() -> list[Fetchable]:
    """Return each base model that can be fetched."""
    return [
        Fetchable(name, "base", MEGABYTES[name], any(snapshot(*one).is_dir() for one in mirrors), LICENCES[name])
        for name, mirrors in PINNED.items()
    ]
