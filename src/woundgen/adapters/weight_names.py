"""The kinds of weights that a user can ask for, by name: raw, their EMA, or an average of a length."""

from __future__ import annotations

from woundgen.errors import UserError

MARK = "ema@"
SHORTEST, LONGEST = 0.01, 0.28  # a plain mean of the whole training is 1 / sqrt(12) = 0.289


def check_weights(option: str, weights: str) -> None:
    """UserError for what names no kind of weights."""
    if weights not in ("auto", "ema", "raw"):
        length_of(weights, option=option)


def length_of(weights: str, *, option: str = "--weights") -> float:
    """`ema@0.1` -> 0.1: the average's width as a share of the training."""
    try:
        if not weights.startswith(MARK):
            raise ValueError
        length = float(weights.removeprefix(MARK))
    except ValueError:
        raise UserError(f"{option} {weights!r} is unknown.", "Use auto | ema | raw | ema@0.1 (a length).") from None
    if not SHORTEST <= length <= LONGEST:
        raise UserError(
            f"{option} {weights}: no average of that length can be built.", f"Give {SHORTEST:g} to {LONGEST:g}."
        )
    return length
