"""What stands of a review's journal, and what the card says of it."""

from __future__ import annotations

from woundgen.review.decisions import last_row, rejections, standing_decisions, summarise


def row(images: list[int], verdict: str, reason: str = "", reviewer: str = "Anna") -> dict:
    return {"images": images, "verdict": verdict, "reason": reason, "reviewer": reviewer}


ROWS = [
    row([0, 1, 2], "accept"),
    row([1], "reject", "blurred"),
    row([2], "reject", "artefact", "Berta"),
    row([0], "undecided"),
    row([3], "reject", "blurred"),
]


def test_the_last_decision_on_an_image_stands() -> None:
    standing = standing_decisions(ROWS)
    assert {i: (one.verdict, one.reason) for i, one in standing.items()} == {
        1: ("reject", "blurred"), 2: ("reject", "artefact"), 3: ("reject", "blurred"),
    }  # fmt: skip
    assert rejections(standing)[2] == "reviewer: artefact"


def test_an_undo_brings_back_what_stood_before() -> None:
    assert standing_decisions([*ROWS, {"undo": 1, "reviewer": "Anna"}])[1].verdict == "accept"
    assert 0 in standing_decisions([*ROWS, {"undo": 3, "reviewer": "Anna"}])


def test_an_undo_is_of_ones_own_last_row() -> None:
    assert last_row(ROWS, "Anna") == 4
    assert last_row(ROWS, "Berta") == 2
    assert last_row([*ROWS, {"undo": 4, "reviewer": "Anna"}], "Anna") == 3
    assert last_row(ROWS, "Carla") is None


def test_the_card_counts_without_names() -> None:
    line = summarise(standing_decisions(ROWS), range(10))
    assert line == "2 reviewers decided on 3 of 10 images: 0 accepted, 3 rejected (blurred 2, artefact 1)"
    assert summarise({}, range(10)) is None
