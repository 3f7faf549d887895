"""A split of some phases leaves the others out, and one of all is identified as before."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import woundgen

QUIET = woundgen.Console("silent")


def test_a_phase_with_too_few_photographs_does_not_stand_in_the_way(tmp_path: Path) -> None:
    many, few = tmp_path / "photographs" / "I", tmp_path / "photographs" / "R"
    for folder, phase, count in ((many, "I", 24), (few, "R", 1)):
        woundgen.render_phantoms(folder, count=count, phases=phase, size=48, seed=len(phase), console=QUIET)
    for folder in (many, few):  # class folders of pictures alone
        for picture in (folder / "images").iterdir():
            picture.rename(folder / f"{folder.name}{picture.name}")
        for file in [*folder.glob("*.csv"), *folder.glob("*.json")]:
            file.unlink()
    source = tmp_path / "photographs"
    with pytest.raises(woundgen.UserError):
        woundgen.split_photographs(source, out=tmp_path / "all", console=QUIET)
    options = woundgen.SplitOptions(phases=("I",))
    out = woundgen.split_photographs(source, out=tmp_path / "I", options=options, console=QUIET)
    with (out / "manifest.csv").open(newline="") as handle:
        assert {row["label"] for row in csv.DictReader(handle)} == {"I"}
    with pytest.raises(woundgen.UserError, match="no photograph of phase P"):
        woundgen.split_photographs(
            source, out=tmp_path / "P", options=woundgen.SplitOptions(phases=("P",)), console=QUIET
        )


def test_the_record_of_a_split_of_all_phases_names_none() -> None:
    assert "phases" not in woundgen.SplitOptions().to_json()
    assert woundgen.SplitOptions(phases=("I",)).to_json()["phases"] == ("I",)
