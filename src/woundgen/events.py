"""Events of a job. A job is a generator: it yields events, which the console shows, and returns facts.

`result = yield from part(...)` runs a part of a job inside it; `Console.follow(job(...))` runs a whole job.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Info:
    """A message."""

    text: str


@dataclass(frozen=True, slots=True)
class Detail:
    """A message that few readers want: shown in verbose and JSON mode alone."""

    text: str


@dataclass(frozen=True, slots=True)
class Warn:
    """A message that is shown in quiet mode, too, and begins with `warning:`."""

    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the work is: `done` of `total`, and what is being done."""

    done: int
    total: int
    text: str


Event: TypeAlias = Info | Detail | Warn | Progress
Work: TypeAlias = Generator[Event, None, T]
"""Yields events and returns a T. Nothing happens before it is followed: see tests/policy/test_events.py."""


def only_progress(work: Work[T]) -> Work[T]:
    """Run `work` without its messages."""
    try:
        while True:
            event = next(work)
            if isinstance(event, Progress):
                yield event
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        work.close()


def complete(work: Work[T], events: list[Event] | None = None) -> T:
    """Run `work` to its end without a console, and return what it returns. events: gets what it yields."""
    try:
        while True:
            event = next(work)
            if events is not None:
                events.append(event)
    except StopIteration as end:
        result: T = end.value
        return result
