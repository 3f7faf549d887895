"""A set's record of patients is that of the runs that drew it, by the adapter's digest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from woundgen.errors import UserError
from woundgen.privacy.exposure import read_seen, refuse_exposure_of_others, write_set_record
from woundgen.privacy.marks import fingerprint, new_key
from woundgen.storage.files import sha256_file
from woundgen.storage.names import ADAPTER_FILE


def make_run(folder: Path, key: str) -> str:
    """A run with one adapter; returns the adapter's digest."""
    place = folder / "checkpoints" / "epoch_0001_step_000002" / "ema"
    place.mkdir(parents=True)
    (place / ADAPTER_FILE).write_text(folder.name)
    record = {"name": folder.name, "phases": ["I"], "config": {}, "data": {"group_key": key, "training_groups": []}}
    (folder / "run.json").write_text(json.dumps(record))
    return sha256_file(place / ADAPTER_FILE)


def make_set(folder: Path, digest: str, key: str | None) -> Path:
    folder.mkdir()
    (folder / "set.json").write_text(json.dumps({"adapters": [[digest, 1.0]]}))
    write_set_record(folder, {"trained_on": [{"key": key and fingerprint(key), "groups": ["x"]}]})
    return folder


def test_a_record_of_another_run_is_refused(tmp_path: Path) -> None:
    """As where a set was copied over another of its phase, and its record stayed."""
    keys = [new_key(), new_key()]
    digests = [make_run(tmp_path / "runs" / name, key) for name, key in zip("ab", keys, strict=True)]
    own, wrong = make_set(tmp_path / "own", digests[0], keys[0]), make_set(tmp_path / "wrong", digests[0], keys[1])
    refuse_exposure_of_others(own, read_seen(own), runs=tmp_path / "runs")
    with pytest.raises(UserError, match=r"drawn with an adapter of .*runs/a, and its exposure\.json is that of other"):
        refuse_exposure_of_others(wrong, read_seen(wrong), runs=tmp_path / "runs")


def test_a_record_that_people_wrote_is_taken(tmp_path: Path) -> None:
    digest = make_run(tmp_path / "runs" / "a", new_key())
    plain = make_set(tmp_path / "plain", digest, None)
    refuse_exposure_of_others(plain, read_seen(plain), runs=tmp_path / "runs")
