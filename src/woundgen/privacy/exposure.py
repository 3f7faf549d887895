"""Training exposure: recorded with runs and generated sets, compared with test patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from woundgen.data.layouts.manifest import photograph_root
from woundgen.errors import UserError
from woundgen.privacy.marks import fingerprint, marks_of, new_key
from woundgen.records import Photo
from woundgen.storage.content_digest import add_digest
from woundgen.storage.files import read_json, write_json
from woundgen.storage.names import EXPOSURE_JSON, OLD_EXPOSURE_JSON, RUN_JSON
from woundgen.storage.ownership import run_of
from woundgen.storage.provenance import adapter_digests, find_trained_file

KEY, MARKS = "group_key", "training_groups"


@dataclass(frozen=True, slots=True)
class Seen:
    """ids: marks made with the key of this fingerprint, or plain group ids where there is no fingerprint."""

    key: str | None
    ids: frozenset[str]


def run_record(photos: Sequence[Photo], *, folder: Path, before: Mapping[str, Any]) -> dict[str, Any]:
    """For run.json: the key, and the marks of all that training or the choice of a checkpoint looks at.

    before: what the run's record said at an earlier start; the key stays the same.
    """
    key = before.get(KEY) or new_key()
    looked_at = [photo for photo in photos if photo.split != "holdout"]
    return {KEY: key, MARKS: _flat(marks_of(looked_at, key=key, roots=[photograph_root(folder)]))}


def record_of_set(files: Sequence[Path], *, screened: Sequence[Photo], roots: Sequence[Path]) -> dict[str, Any] | None:
    """Return the exposure record of a set drawn with the adapters `files` and screened against `screened`.

    None where that cannot be said: an adapter without its run, or photographs screened against without a key.
    """
    runs = [_run_of(file) for file in files]
    if any(run is None for run in runs) or (screened and not runs):
        return None
    rows = []
    for run in runs:
        assert run is not None
        more = _flat(marks_of(screened, key=run[KEY], roots=roots))
        rows.append({"key": fingerprint(run[KEY]), "groups": sorted({*run[MARKS], *more})})
    return {"trained_on": rows}


def write_set_record(folder: Path, record: Mapping[str, Any] | None) -> None:
    """Write exposure.json; it replaces the file under its older name. None writes nothing."""
    if record is not None:
        write_json(folder / EXPOSURE_JSON, add_digest(record))
        (folder / OLD_EXPOSURE_JSON).unlink(missing_ok=True)


def read_seen(folder: Path) -> list[Seen]:
    """Read the exposure record of the set in `folder`. UserError where there is none."""
    paths = [folder / name for name in (EXPOSURE_JSON, OLD_EXPOSURE_JSON) if (folder / name).exists()]
    if not paths:
        raise UserError(
            f"{folder} does not say which patients its generator was trained on (no {EXPOSURE_JSON}).",
            "Draw it again with an adapter of this version, or write the file: see docs/howto/utility.md.",
        )
    path = paths[0]
    try:
        rows = [(row["key"], row["groups"]) for row in read_json(path)["trained_on"]]
        if not all(isinstance(ids, list) for _, ids in rows):
            raise TypeError("groups is not a list")
        return [Seen(key, frozenset(map(str, ids))) for key, ids in rows]
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is not a record of training groups ({error}).", "docs/howto/utility.md shows one."
        ) from None


def seen_groups(photos: Sequence[Photo], seen: Sequence[Seen], *, keys: Mapping[str, str], root: Path) -> set[str]:
    """The groups among `photos` that a generator has seen any photograph of.

    keys: fingerprint → key (find_keys). Raises UserError where a key is missing.
    """
    found: set[str] = set()
    for one in seen:
        if one.key is None:
            found |= {photo.group for photo in photos if photo.group is not None and photo.group in one.ids}
            continue
        if one.key not in keys:
            raise UserError(
                f"The key of the run that made the set ({one.key}) is in no run here.",
                "Give --runs FOLDER, the folder that holds the run; without it no overlap can be seen.",
            )
        marks = marks_of(photos, key=keys[one.key], roots=[photograph_root(root)])
        found |= {p.group for p, own in zip(photos, marks, strict=True) if p.group is not None and one.ids & set(own)}
    return found


def refuse_exposure_of_others(folder: Path, records: Sequence[Seen], *, runs: Path) -> None:
    """UserError where a run in `runs` trained an adapter of the set, and the set's record has not that run's key.

    The record was then written for another set, and not of the patients behind this adapter.
    """
    digests = adapter_digests(folder)
    fingerprints = {record.key for record in records}
    if None in fingerprints:
        return  # plain group ids, written by people
    for path in _run_records(runs) if digests else ():
        key = read_json(path).get("data", {}).get(KEY)
        if key is None or fingerprint(key) in fingerprints:
            continue
        if find_trained_file(path.parent, digests) is not None:
            raise UserError(
                f"{folder} was drawn with an adapter of {path.parent}, and its {EXPOSURE_JSON} is that of other runs.",
                f"Put the set's {EXPOSURE_JSON} back, or draw it again.",
            )


def find_keys(runs: Path) -> dict[str, str]:
    """fingerprint → key of the run in `runs` and of those right below it."""
    records = [read_json(path) for path in _run_records(runs)]
    keys = [record["data"][KEY] for record in records if KEY in record.get("data", {})]
    return {fingerprint(key): key for key in keys}


def _run_records(runs: Path) -> list[Path]:
    return [path for path in (runs / RUN_JSON, *sorted(runs.glob(f"*/{RUN_JSON}"))) if path.exists()]


def _run_of(file: Path) -> dict[str, Any] | None:
    """`data` of the run that an adapter's file lies in, where it holds marks."""
    folder = run_of(file)
    data = read_json(folder / RUN_JSON).get("data", {}) if folder is not None else {}
    return data if KEY in data and MARKS in data else None


def _flat(marks: Sequence[Sequence[str]]) -> list[str]:
    return sorted({mark for own in marks for mark in own})
