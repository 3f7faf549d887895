"""Many mistakes of one input: reported together, or counted by reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from woundgen.errors import UserError
from woundgen.storage.display import escape_controls

SHOWN = 10


class Dropped(Exception):
    """Why a row is left out: reason for counting, detail for reading."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")


@contextmanager
def counted_as(reason: str) -> Iterator[None]:
    """A UserError of what is inside drops the row for this reason."""
    try:
        yield
    except UserError as error:
        raise Dropped(reason, error.what) from None


def raise_together(problems: Sequence[str], *, heading: str, fix: str) -> None:
    """Raise one UserError for all `problems`: the first ten, and how many more. Return where there are none.

    A single problem stays a single line; several follow the heading, one a line.
    """
    if not problems:
        return
    if len(problems) == 1:
        raise UserError(problems[0], fix)
    shown = [escape_controls(problem) for problem in problems[:SHOWN]]
    lines = [f"{escape_controls(heading)}: {len(problems)} problems.", *(f"  {problem}" for problem in shown)]
    if len(problems) > SHOWN:
        lines.append(f"  … and {len(problems) - SHOWN} more.")
    raise UserError("\n".join(lines) + "\n", fix, listed=True)
