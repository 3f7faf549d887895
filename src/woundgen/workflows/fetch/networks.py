"""The job of `woundgen fetch` for feature networks.

Files go to a temporary folder, are held against their digests, become safetensors, and the folder is renamed
into place: a kill leaves the old weights or the new.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from woundgen.errors import UserError
from woundgen.events import Info, Work
from woundgen.features.convert import convert
from woundgen.features.load import load_extractor
from woundgen.features.store import DIGESTS_JSON, SOURCE_JSON, SOURCES, SourceFile, WeightsSource, find_weights
from woundgen.storage.files import read_json, sha256_file, write_json
from woundgen.workflows.fetch.check_file import check_file
from woundgen.workflows.fetch.download import download
from woundgen.workflows.fetch.listing import Fetchable


def fetch_weights(
    name: str,
    *,
    home: Path,
    mirror: str | None,
    folder: Path | None,
    sources: Mapping[str, WeightsSource] = SOURCES,
) -> Work[Path]:
    """Weights of feature network `name` into home/name; nothing where they are there and sound.

    mirror: an address below which the same files lie by name. folder: already downloaded files, by name, only
    read. Digests are held in every case. UserError where a file cannot be had or is another one.
    """
    if name not in sources:
        raise UserError(f"{name!r} is nothing that can be fetched.", f"Use one of {', '.join(sources)}.")
    if _is_sound(name, home):
        yield Info(f"{name} is already in {home / name}, digests as recorded")
        return home / name
    source = sources[name]
    yield Info(f"{name}: {source.licence}; about {source.megabytes} MB to read")
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=home) as temporary:
            downloaded, ready = Path(temporary) / "downloaded", Path(temporary) / "ready"
            downloaded.mkdir()
            ready.mkdir()
            recorded = yield from _get_all(name, source, downloaded, home, mirror, folder)
            stored = convert(name, source, downloaded=downloaded, out=ready)
            write_json(
                ready / SOURCE_JSON, _record(name, source, recorded, {f: sha256_file(ready / f) for f in stored})
            )
            if (home / name).exists():
                shutil.rmtree(home / name)  # unsound: find_weights refused it
            ready.rename(home / name)
    except OSError as error:
        raise UserError(f"{home} cannot be written ({error.strerror or error}).", "Set WOUNDGEN_WEIGHTS.") from None
    hold_digests(home, name, recorded)
    load_extractor(name, home=home)  # what was stored is what the network reads
    yield Info(f"written to {home / name}")
    return home / name


def _is_sound(name: str, home: Path) -> bool:
    try:
        find_weights(name, home=home)
    except UserError:
        return False
    return True


def _get_all(
    name: str,
    source: WeightsSource,
    downloaded: Path,
    home: Path,
    mirror: str | None,
    folder: Path | None,
) -> Work[dict[str, str]]:
    """Digest of each file, held against the digest of its publisher or of an earlier fetch."""
    held = held_digests(home).get(name, {})
    digests = {}
    for file in source.files:
        target = downloaded / file.name
        if folder is not None:
            digest = _copy(folder / file.name, target)
        else:
            digest = yield from download(_address(file, mirror), target)
        if file.sha256 is None:  # nothing else says what it should be
            check_file(target, name=file.name, source=str(folder or _address(file, mirror)))
        expected = file.sha256 or held.get(file.name)
        if expected is None:
            yield Info(f"{file.name}: nobody has published a digest; {digest} is recorded and held from now on")
        elif digest != expected:
            raise UserError(
                f"{file.name} has digest {digest[:16]}, not {expected[:16]}: it is not the file that was pinned.",
                "Nothing was stored. Fetch it from the address that is pinned, without --mirror or --from.",
            )
        digests[file.name] = digest
    return digests


def _address(file: SourceFile, mirror: str | None) -> str:
    return file.url if mirror is None else f"{mirror.rstrip('/')}/{file.name}"


def _copy(path: Path, target: Path) -> str:
    if not path.is_file():
        raise UserError(f"{path} does not exist.", f"Put {path.name} there, or leave --from out.")
    shutil.copyfile(path, target)
    return sha256_file(target)


def _record(
    name: str, source: WeightsSource, downloaded: Mapping[str, str], stored: Mapping[str, str]
) -> dict[str, object]:
    """source.json: pinned addresses (a mirror's copy has the same digests), and the files next to it."""
    return {
        "name": name,
        "licence": source.licence,
        "downloaded": {file.name: {"url": file.url, "sha256": downloaded[file.name]} for file in source.files},
        "stored": dict(stored),
        "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def held_digests(home: Path) -> dict[str, dict[str, str]]:
    path = home / DIGESTS_JSON
    return read_json(path) if path.exists() else {}


def hold_digests(home: Path, name: str, digests: Mapping[str, str]) -> None:
    """Outlives the weights themselves: a later fetch has to give the same files."""
    write_json(home / DIGESTS_JSON, held_digests(home) | {name: dict(digests)})


def forget_digests(home: Path, name: str) -> None:
    """Drop the recorded digests of `name`: they were of a file that was not what it should have been."""
    held = held_digests(home)
    if held.pop(name, None) is not None:
        write_json(home / DIGESTS_JSON, held)


def list_networks(home: Path) -> list[Fetchable]:
    """Return each network that can be fetched."""
    return [
        Fetchable(name, "features", source.megabytes, _is_sound(name, home), source.licence)
        for name, source in SOURCES.items()
    ]
