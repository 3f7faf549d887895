"""Many mistakes of one input, reported together."""

from __future__ import annotations

from collections.abc import Sequence

from woundgen.errors import UserError

SHOWN = 10


def raise_together(problems: Sequence[str], *, heading: str, fix: str) -> None:
    """Raise one UserError for all `problems`: the first ten, and how many more. Return where there are none.

    A single problem stays a single line; several follow the heading, one a line.
    """
    if not problems:
        return
    if len(problems) == 1:
        raise UserError(problems[0], fix)
    lines = [f"{heading}: {len(problems)} problems.", *(f"  {problem}" for problem in problems[:SHOWN])]
    if len(problems) > SHOWN:
        lines.append(f"  … and {len(problems) - SHOWN} more.")
    raise UserError("\n".join(lines) + "\n", fix)
