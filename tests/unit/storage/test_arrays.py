"""Arrays that are kept: what is damaged or another program's is computed again."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest

from woundgen.storage.arrays import keep_array, read_array, write_array


def test_computed_once(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> np.ndarray:
        made.append(1)
        return np.arange(6.0).reshape(2, 3)

    path = tmp_path / "a.npy"
    for _ in range(2):
        np.testing.assert_array_equal(keep_array(path, make, private=True), np.arange(6.0).reshape(2, 3))
    assert len(made) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("kept", [0, 5, 100, 140])
def test_a_torn_file_is_no_array(kept: int, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    write_array(path, np.arange(64))
    path.write_bytes(path.read_bytes()[:kept])
    assert read_array(path) is None
    assert keep_array(path, lambda: np.ones(3)).tolist() == [1, 1, 1]


def test_another_kind_of_file_is_no_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", values=np.ones(3))
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    assert read_array(tmp_path / "a.npy") is None
    np.save(tmp_path / "b.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert read_array(tmp_path / "b.npy") is None, "nothing is unpickled"
