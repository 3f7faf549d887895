"""A review is honoured: what reviewers reject leaves the set, others are drawn for it, and the card says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from woundgen.cli import run
from woundgen.events import complete
from woundgen.review.decisions import journal_of
from woundgen.storage.set_rows import read_drawn_rows, read_released_rows
from woundgen.workflows.review.job import tell_card

LINE = "generate --base embedded --label I --count 6 --block 4 --steps 2 --guidance 1 --size 32 --out"


@pytest.fixture
def generated(tmp_path: Path) -> Path:
    out = tmp_path / "set"
    assert run([*LINE.split(), str(out)]) == 0
    return out


def write_journal(out: Path, *rows: dict) -> None:
    journal_of(out).write_text("".join(json.dumps(row) + "\n" for row in rows))


def rejection(images: list[int], reason: str = "blurred", reviewer: str = "Anna Secret") -> dict:
    return {"images": images, "verdict": "reject", "reason": reason, "reviewer": reviewer}


def test_rejected_images_are_replaced_and_the_others_stay(generated: Path) -> None:
    before = {row["index"]: row["sha256"] for row in read_released_rows(generated)}
    assert list(before) == [0, 1, 2, 3, 4, 5]
    write_journal(generated, rejection([1]), rejection([4], "artefact", "Berta Secret"))
    assert run([*LINE.split(), str(generated), "--reviewed"]) == 0
    after = {row["index"]: row["sha256"] for row in read_released_rows(generated)}
    assert list(after) == [0, 2, 3, 5, 6, 7]  # 6 and 7 had passed and were not needed
    assert all(after[index] == before[index] for index in (0, 2, 3, 5))
    assert not (generated / "images" / "000001.png").exists()
    kept = generated.with_name("set.private") / "rejected"
    assert sorted(path.name for path in kept.iterdir()) == ["000001.png", "000004.png"]
    reasons = {row["index"]: row["reason"] for row in read_drawn_rows(generated) or []}
    assert (reasons[1], reasons[4]) == ("reviewer: blurred", "reviewer: artefact")
    card = (generated / "README.md").read_text()
    assert "2 reviewers decided on 2 of 8 images: 0 accepted, 2 rejected (blurred 1, artefact 1)" in card
    assert "Secret" not in card
    files = [path for path in generated.rglob("*") if path.is_file() and path.suffix != ".png"]
    assert not [path for path in files if "Secret" in path.read_text()]


def test_the_same_command_again_changes_nothing(generated: Path) -> None:
    write_journal(generated, rejection([0]))
    for _ in range(2):
        assert run([*LINE.split(), str(generated), "--reviewed"]) == 0
    assert [row["index"] for row in read_released_rows(generated)] == [1, 2, 3, 4, 5, 6]


def test_without_reviewed_the_decisions_wait(generated: Path) -> None:
    write_journal(generated, rejection([0]))
    assert run([*LINE.split(), str(generated)]) == 0
    assert [row["index"] for row in read_released_rows(generated)] == [0, 1, 2, 3, 4, 5]


def test_the_card_is_told_when_a_review_ends(generated: Path) -> None:
    write_journal(generated, rejection([0]), {**rejection([1, 2]), "verdict": "accept", "reason": ""})
    for _ in range(2):
        complete(tell_card(generated))
    card = (generated / "README.md").read_text()
    assert card.count("| reviewed | 1 reviewer decided on 3 of 6 images: 2 accepted, 1 rejected (blurred 1) |") == 1
