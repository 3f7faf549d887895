"""Drawing until enough are accepted: with a false sampler and a false screen, so every answer is known."""

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from woundgen.errors import UserError
from woundgen.generation import growth
from woundgen.generation.draw_until import draw_until
from woundgen.generation.growth import let_grow
from woundgen.generation.image_set import Recipe, open_set
from woundgen.generation.sampler import SamplerSettings
from woundgen.storage.set_rows import Tally, journal_path
from woundgen.verdicts import RejectionKind, Verdict

BLOCK = 4
KINDS = {"copy": RejectionKind.COPY, "blurred": RejectionKind.RULE}
SAMPLER = SamplerSettings(sampler="ddim", steps=5, guidance_scale=2.0, seed=3, block=BLOCK, height=8, width=8)


def recipe(count: int = 7) -> Recipe:
    return Recipe(
        label="I",
        prompt="a wound, red",
        negative_prompt='"blurry"',
        base="b" * 8,
        adapters=(("a" * 8, 0.5),),
        precision="float32",
        sampler=SAMPLER,
        count=count,
        screening={"policy": "false"},
    )


def picture(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 256, (8, 8, 3), dtype=np.uint8)


def draw(indices: Sequence[int]) -> np.ndarray:
    return np.stack([picture(index) for index in indices])


def accept_odd(images: np.ndarray, indices: Sequence[int]) -> list[Verdict]:
    """Odd indices pass; 0, 6, 12 ... are copies, other even ones blurred."""
    np.testing.assert_array_equal(images, draw(indices))
    reasons = {index: "" if index % 2 else ("copy" if index % 6 == 0 else "blurred") for index in indices}
    return [
        Verdict(
            not reasons[index],
            reasons[index],
            {"z": index / 2},
            nearest=99,
            copy=reasons[index] == "copy",
            kind=KINDS.get(reasons[index]),
            category=reasons[index],
        )
        for index in indices
    ]


def fill(folder: Path, count: int = 7, *, budget: int = 100, draw=draw, judge=accept_odd, seen=None) -> Tally:
    """The last tally; all of them are appended to `seen`."""
    seen = [] if seen is None else seen
    seen += draw_until(
        count,
        budget=budget,
        block=BLOCK,
        draw=draw,
        judge=judge,
        writer=open_set(folder, recipe(count)),
    )
    return seen[-1]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in journal_path(folder).read_text().splitlines()]


def test_the_first_accepted_by_index_are_kept(tmp_path: Path):
    tally = fill(tmp_path / "set")
    assert [row["index"] for row in rows(tmp_path / "set")] == list(range(16))  # 7 odd ones end within 12-15
    assert [row["index"] for row in rows(tmp_path / "set") if row["accepted"]] == [1, 3, 5, 7, 9, 11, 13]
    assert tally == Tally(drawn=16, accepted=7, reasons={"blurred": 5, "copy": 3, "surplus": 1}, copies=3)
    assert tally.rejected == 8
    assert tally.short_of(7) == 0


def test_no_image_is_drawn_without_a_row(tmp_path: Path):
    drawn: list[int] = []
    fill(tmp_path / "set", draw=lambda indices: (drawn.extend(indices), draw(indices))[1])
    assert drawn == [row["index"] for row in rows(tmp_path / "set")]


def test_without_a_judge_all_are_kept(tmp_path: Path):
    assert fill(tmp_path / "set", 5, judge=None) == Tally(8, 5, {"surplus": 3})


def test_a_spent_budget_keeps_what_was_accepted(tmp_path: Path):
    tally = fill(tmp_path / "set", 100, budget=10)
    assert tally == Tally(12, 6, {"blurred": 4, "copy": 2}, copies=2)  # whole blocks
    assert tally.short_of(100) == 94
    assert len(list((tmp_path / "set" / "images").iterdir())) == 6


def test_drawing_that_gives_up_keeps_the_block_being_screened(tmp_path: Path):
    """It knows of one block when it would draw the third; a call that does not give up goes on from there."""
    rejects = lambda images, indices: [Verdict(False, "blurred", category="blurred") for _ in indices]  # noqa: E731
    writer = open_set(tmp_path / "set", recipe(100))
    hopeless = draw_until(
        100, budget=100, block=BLOCK, draw=draw, judge=rejects, writer=writer, gives_up=lambda tally: tally.drawn >= 4
    )
    assert list(hopeless)[-1] == Tally(8, 0, {"blurred": 8})
    assert fill(tmp_path / "set", 100, budget=12, judge=rejects).drawn == 12


def test_a_larger_budget_goes_on(tmp_path: Path):
    fill(tmp_path / "set", budget=8)
    assert fill(tmp_path / "set").accepted == 7
    fill(tmp_path / "whole")
    assert contents(tmp_path / "set") == contents(tmp_path / "whole")


def test_progress_counts(tmp_path: Path):
    seen: list[Tally] = []
    fill(tmp_path / "set", seen=seen)
    counts = [(tally.drawn, tally.accepted, tally.rejected) for tally in seen]
    assert counts == [(0, 0, 0), (4, 2, 2), (8, 4, 4), (12, 6, 6), (16, 7, 8)]


def test_screening_overlaps_drawing(tmp_path: Path):
    """The screen of block 0 waits until block 1 is being drawn; one after the other it would wait in vain."""
    second_block = threading.Event()

    def signalling(indices: Sequence[int]) -> np.ndarray:
        if indices[0] == BLOCK:
            second_block.set()
        return draw(indices)

    def waiting(images: np.ndarray, indices: Sequence[int]) -> list[Verdict]:
        assert second_block.wait(timeout=5), "block 1 was not drawn meanwhile"
        return accept_odd(images, indices)

    assert fill(tmp_path / "set", draw=signalling, judge=waiting).accepted == 7


class Killed(BaseException):
    """Like KeyboardInterrupt: nothing on the way may catch it."""


def failing(function, *, at: int):
    """`function`, raising Killed instead of its call number `at`."""
    calls = iter(range(at + 1))

    def wrapped(*given: object) -> object:
        if next(calls) == at:
            raise Killed
        return function(*given)

    return wrapped


@pytest.mark.parametrize("victim", ["draw", "judge"])
@pytest.mark.parametrize("at", range(4))
def test_resumed_is_byte_equal_to_uninterrupted(tmp_path: Path, victim: str, at: int):
    fill(tmp_path / "whole")
    functions = {"draw": draw, "judge": accept_odd}
    with pytest.raises(Killed):
        fill(tmp_path / "set", **{victim: failing(functions[victim], at=at)})
    redrawn: list[int] = []
    fill(tmp_path / "set", draw=lambda indices: (redrawn.extend(indices), draw(indices))[1])
    assert contents(tmp_path / "set") == contents(tmp_path / "whole")
    assert redrawn == list(range(at * BLOCK, 16)), "finished blocks are not drawn again"


def test_a_finished_set_draws_nothing(tmp_path: Path):
    before = fill(tmp_path / "set")
    assert fill(tmp_path / "set", draw=failing(draw, at=0)) == before


def test_another_recipe_is_refused(tmp_path: Path):
    fill(tmp_path / "set", 7)
    before = contents(tmp_path / "set")
    with pytest.raises(UserError, match="another generated set"):
        fill(tmp_path / "set", 8)
    assert contents(tmp_path / "set") == before


def grow(folder: Path, count: int) -> Tally:
    let_grow(folder, recipe(count))
    return fill(folder, count)


@pytest.mark.parametrize("more", [8, 9, 30])
def test_a_set_grows_to_the_bytes_of_one_asked_for_more_at_once(tmp_path: Path, more: int):
    """Of 7 images the last block held an eighth, for which there was no room; 8, 9 need no, one more block."""
    fill(tmp_path / "set", 7)
    assert grow(tmp_path / "set", more).accepted == more
    fill(tmp_path / "whole", more)
    assert contents(tmp_path / "set") == contents(tmp_path / "whole")


def test_a_set_that_fell_short_grows_too(tmp_path: Path):
    fill(tmp_path / "set", 7, budget=8)
    grow(tmp_path / "set", 9)
    fill(tmp_path / "whole", 9)
    assert contents(tmp_path / "set") == contents(tmp_path / "whole")


@pytest.mark.parametrize("step", ["cut_before_surplus", "reclaim_output"])
def test_growing_goes_on_after_a_kill(tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch):
    """Killed before each step of growing: the command for more goes on, and so does the one for fewer."""
    fill(tmp_path / "set", 7)
    with monkeypatch.context() as patch:
        patch.setattr(growth, step, killed)
        with pytest.raises(Killed):
            let_grow(tmp_path / "set", recipe(12))
    assert fill(tmp_path / "set", 7).accepted == 7
    grow(tmp_path / "set", 12)
    fill(tmp_path / "whole", 12)
    assert contents(tmp_path / "set") == contents(tmp_path / "whole")


def killed(*given: object, **named: object) -> None:
    raise Killed


def test_growing_goes_on_after_a_kill_before_the_set_is_opened(tmp_path: Path):
    fill(tmp_path / "set", 7)
    let_grow(tmp_path / "set", recipe(12))
    grow(tmp_path / "set", 12)
    fill(tmp_path / "whole", 12)
    assert contents(tmp_path / "set") == contents(tmp_path / "whole")


def test_a_set_does_not_shrink_and_grows_by_nothing_else(tmp_path: Path):
    fill(tmp_path / "set", 7)
    before = contents(tmp_path / "set")
    with pytest.raises(UserError, match="7 images, and 6 are asked for"):
        let_grow(tmp_path / "set", recipe(6))
    let_grow(tmp_path / "set", replace(recipe(9), prompt="another"))
    with pytest.raises(UserError, match="another generated set"):
        open_set(tmp_path / "set", replace(recipe(9), prompt="another"))
    assert contents(tmp_path / "set") == before
