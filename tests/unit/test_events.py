"""Events of jobs: what a job returns, in which order it is shown, and who sees an error."""

from __future__ import annotations

import json

import pytest

from woundgen.events import Event, Info, Progress, Warn, Work, complete, only_progress
from woundgen.runtime.console import Console


def part(closed: list[str]) -> Work[int]:
    try:
        yield Info("begun")
        yield Progress(1, 2, "half")
        yield Warn("odd")
    finally:
        closed.append("part")
    return 3


def job(closed: list[str]) -> Work[int]:
    number = yield from part(closed)
    yield Info(f"got {number}")
    return 2 * number


def test_events_come_in_order_and_the_result_is_returned() -> None:
    events: list[Event] = []
    assert complete(job([]), events) == 6
    assert events == [Info("begun"), Progress(1, 2, "half"), Warn("odd"), Info("got 3")]


def test_an_error_of_the_console_is_raised_inside_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the job itself had printed: its folders are closed, its locks released, before anyone else acts."""
    closed: list[str] = []

    def fail(*words: object, **named: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("builtins.print", fail)
    with pytest.raises(BrokenPipeError):
        Console().follow(job(closed))
    assert closed == ["part"]


def test_an_error_of_the_job_passes_through() -> None:
    def fails() -> Work[None]:
        yield Info("begun")
        raise ValueError("why")

    with pytest.raises(ValueError, match="why"):
        complete(fails())


def test_only_progress() -> None:
    events: list[Event] = []
    assert complete(only_progress(job([])), events) == 6
    assert events == [Progress(1, 2, "half")]


def test_only_progress_closes_the_job() -> None:
    closed: list[str] = []
    work = only_progress(job(closed))
    next(work)
    work.close()
    assert closed == ["part"]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("lines", ["begun", "warning: odd", "got 3"]), ("quiet", ["warning: odd"]), ("silent", [])],
)
def test_the_console_follows_in_its_mode(mode: str, expected: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(mode)  # type: ignore[arg-type]
    console.printed_at = float("inf")  # no line of progress is due
    assert console.follow(job([])) == 6
    assert capsys.readouterr().out.splitlines() == expected


def test_json_tells_kinds_apart(capsys: pytest.CaptureFixture[str]) -> None:
    Console("json").follow(job([]))
    levels = [json.loads(line)["level"] for line in capsys.readouterr().out.splitlines()]
    assert [level for level in levels if level != "progress"] == ["info", "warning", "info"]
