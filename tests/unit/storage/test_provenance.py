"""Sets and runs are joined by what drew them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from woundgen.errors import UserError
from woundgen.storage.files import sha256_file
from woundgen.storage.names import ADAPTER_FILE
from woundgen.storage.provenance import drawn_elsewhere, find_trained_file, join_sets


def make_run(folder: Path, content: str, *, below: str = "checkpoints/epoch_0001_step_000002/ema") -> Path:
    place = folder / below
    place.mkdir(parents=True)
    (place / ADAPTER_FILE).write_text(content)
    return folder


def make_set(folder: Path, *digests: str) -> Path:
    """All of phase I: a phase's letter must not join them."""
    folder.mkdir()
    (folder / "set.json").write_text(json.dumps({"label": "I", "adapters": [[digest, 1.0] for digest in digests]}))
    return folder


def digest_of(run: Path) -> str:
    return sha256_file(next(run.rglob(ADAPTER_FILE)))


def test_each_set_goes_with_the_run_that_drew_it(tmp_path: Path) -> None:
    first, second = make_run(tmp_path / "a", "one"), make_run(tmp_path / "b", "two")
    sets = [make_set(tmp_path / f"set_{run.name}", digest_of(run)) for run in (first, second)]
    assert join_sets([second, first], sets) == {second: [sets[1]], first: [sets[0]]}
    stacked = make_set(tmp_path / "stacked", "0" * 64, digest_of(second))
    assert join_sets([first, second], [stacked]) == {first: [], second: [stacked]}


def test_a_set_of_another_run_is_refused(tmp_path: Path) -> None:
    """Two trainings of one phase: the pictures of one are not shown as those of the other."""
    run, other = make_run(tmp_path / "a", "one"), make_run(tmp_path / "b", "two")
    drawn = make_set(tmp_path / "set", digest_of(other))
    with pytest.raises(UserError, match=f"adapter {digest_of(other)[:12]}, which no run named here holds"):
        join_sets([run], [drawn])
    with pytest.raises(UserError, match="no adapter of a run"):
        join_sets([run], [make_set(tmp_path / "bare")])
    assert drawn_elsewhere(drawn, run)
    assert not drawn_elsewhere(drawn, other)


def test_an_average_is_the_runs_own(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", "mean", below="averages/epoch_0001_step_000002_ema@0.100")
    assert find_trained_file(run, [digest_of(run)]) == next(run.rglob(ADAPTER_FILE))
    assert find_trained_file(run, []) is None
