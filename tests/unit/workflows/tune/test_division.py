"""Patients are divided once, the sealed ones left out, and what was divided before is divided anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from woundgen.data.layouts.find_photos import find_photos
from woundgen.data.layouts.manifest import read_manifest
from woundgen.data.splits.fixed_split import Shares
from woundgen.errors import UserError
from woundgen.events import complete
from woundgen.workflows.dataset.phantoms import write_phantoms
from woundgen.workflows.tune.division import divide_patients, write_division

SHARES = Shares(train=0.5, validation=0.25, holdout=0.25)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 patients with two photographs each; one patient is sealed, three were validation."""
    folder = tmp_path_factory.mktemp("division") / "photographs"
    complete(write_phantoms(folder, count=40, phases="I", seed=1, size=32, views=2))
    table = folder / "metadata.csv"
    head, *rows = table.read_text().splitlines()
    sides = ["holdout"] * 2 + ["validation"] * 6 + ["train"] * 32
    table.write_text("\n".join([f"{head},split", *(f"{row},{side}" for row, side in zip(rows, sides, strict=True))]))
    return folder


def test_three_parts_of_whole_patients(photographs: Path, tmp_path: Path) -> None:
    divided = divide_patients(photographs, phases=["I"], shares=SHARES, seed=0)
    assert divided.division.sealed == 2
    assert abs(divided.division.sides["training"][0] - 19) <= 2
    assert sum(photos for photos, _ in divided.division.sides.values()) == 38
    write_division(divided, tmp_path / "division")
    sides: dict[str, set[str | None]] = {}
    for photo in find_photos(tmp_path / "division", phases=["I"]):
        sides.setdefault(str(photo.group), set()).add(photo.split)
    assert all(len(split) == 1 for split in sides.values())
    assert {split for splits in sides.values() for split in splits} == {"train", "validation", "holdout"}
    sealed = {photo.group for photo in find_photos(photographs, phases=["I"]) if photo.split == "holdout"}
    assert not sealed & set(sides)
    assert (tmp_path / "division").stat().st_mode & 0o077 == 0


def test_a_division_that_is_there_stays(photographs: Path, tmp_path: Path) -> None:
    first, second = (divide_patients(photographs, phases=["I"], shares=SHARES, seed=seed) for seed in (0, 5))
    assert first.rows != second.rows, "another seed divides otherwise"
    write_division(first, tmp_path / "division")
    before = read_manifest(tmp_path / "division")
    assert before == list(first.rows)
    write_division(second, tmp_path / "division")
    assert read_manifest(tmp_path / "division") == before


def test_no_photograph_of_the_phase(photographs: Path) -> None:
    with pytest.raises(UserError, match="no photograph of phase R"):
        divide_patients(photographs, phases=["R"], shares=SHARES, seed=0)
