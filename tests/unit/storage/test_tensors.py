"""Files of tensors: whole or not at all, equal for equal tensors, and errors of the disk as such."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from woundgen.storage.tensors import save_tensors


def test_metadata_is_in_order_and_tensors_are_read_back(tmp_path: Path) -> None:
    path, metadata = tmp_path / "a.safetensors", dict.fromkeys("dbace", "ü")
    save_tensors({"w": torch.arange(6.0)}, path, metadata=metadata)
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert list(header["__metadata__"]) == sorted(metadata)
    with safe_open(path, "pt") as file:
        assert file.metadata() == metadata
        assert torch.equal(file.get_tensor("w"), torch.arange(6.0))


def test_what_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.safetensors"
    save_tensors({"w": torch.zeros(2)}, path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        save_tensors({"w": torch.ones(2)}, path)
    assert (path.read_bytes(), [file.name for file in tmp_path.iterdir()]) == (before, [path.name])


def test_errors_of_the_library_are_those_of_the_disk(tmp_path: Path) -> None:
    """A folder that is not there stands for a full disk, which safetensors reports in the same way."""
    with pytest.raises(OSError, match="none"):
        save_tensors({"w": torch.zeros(2)}, tmp_path / "none" / "a.safetensors")
