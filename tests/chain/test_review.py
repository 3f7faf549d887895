"""A review is honoured: what reviewers reject leaves the set, others are drawn for it, and the card says so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from woundgen.cli import run
from woundgen.errors import UserError
from woundgen.events import complete
from woundgen.review.decisions import journal_of, read_decisions
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
    line = (
        "| reviewed | 1 reviewer decided on 3 of 6 images: 2 accepted, 1 rejected (blurred 1); 1 of the rejected still"
    )
    assert card.count(line) == 1
    assert run([*LINE.split(), str(generated), "--reviewed"]) == 0
    assert "still in this set" not in (generated / "README.md").read_text()


def test_what_was_taken_out_does_not_come_back_when_the_set_grows(generated: Path) -> None:
    write_journal(generated, rejection([5], "copy of a photograph"))
    assert run([*LINE.split(), str(generated), "--reviewed"]) == 0
    assert run([*LINE.replace("--count 6", "--count 9").split(), str(generated)]) == 0
    assert [row["index"] for row in read_released_rows(generated)] == [0, 1, 2, 3, 4, 6, 7, 8, 9]


def test_without_a_review_nothing_is_taken_out_and_that_is_said(generated: Path, capsys) -> None:
    assert run([*LINE.split(), str(generated), "--reviewed"]) == 0
    assert "nobody has reviewed" in capsys.readouterr().out


BROKEN = (
    '{"images": [1], "verdict": "reject"}',
    '{"images": "1", "verdict": "reject", "reason": "blurred", "reviewer": "A"}',
    '{"images": [true], "verdict": "reject", "reason": "blurred", "reviewer": "A"}',
    '{"images": [1], "verdict": "reject", "reason": "Hans Meier 1950", "reviewer": "A"}',
    '{"images": [1], "verdict": "accept", "reason": "Hans Meier 1950", "reviewer": "A"}',
    '{"images": [1], "verdict": "delete", "reason": "", "reviewer": "A"}',
    '{"undo": "0", "reviewer": "A"}',
    'broken\n{"images": [1], "verdict": "accept", "reason": "", "reviewer": "A"}',
)


def test_a_journal_that_is_none_is_named_and_nothing_is_changed(generated: Path, capsys) -> None:
    """A reason goes into the card: nothing but the reasons that the page offers can get there."""
    before = {path: path.read_bytes() for path in generated.rglob("*.*") if path.is_file()}
    for text in BROKEN:
        journal_of(generated).write_text(text + "\n")
        with pytest.raises(UserError, match=r"review\.jsonl"):
            read_decisions(generated)
    assert run([*LINE.split(), str(generated), "--reviewed"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert {path: path.read_bytes() for path in generated.rglob("*.*") if path.is_file()} == before


def test_a_review_does_not_pass_to_another_set_at_its_place(generated: Path, capsys) -> None:
    write_journal(generated, rejection([1]))
    shutil.rmtree(generated)
    assert run([*LINE.split(), str(generated), "--seed", "9", "--reviewed"]) == 2
    assert "belongs to another set" in capsys.readouterr().err


def test_a_set_without_its_private_folder_cannot_be_drawn_anew(generated: Path, tmp_path: Path, capsys) -> None:
    alone = tmp_path / "passed_on"
    shutil.copytree(generated, alone)
    journal_of(alone).parent.mkdir()
    write_journal(alone, rejection([1]))
    assert run([*LINE.split(), str(alone), "--reviewed"]) == 2
    assert "Put the private folder back" in capsys.readouterr().err
    assert [row["index"] for row in read_released_rows(alone)] == [0, 1, 2, 3, 4, 5]
