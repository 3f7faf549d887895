"""What several verbs ask of a value that they were given."""

from __future__ import annotations

from woundgen.errors import UserError


def one_of(option: str, value: str, allowed: tuple[str, ...]) -> None:
    """UserError where `value` is none of `allowed`, naming them."""
    if value not in allowed:
        raise UserError(f"{option} {value!r} is unknown.", f"Use {' | '.join(allowed)}.")
