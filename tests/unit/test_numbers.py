"""Numbers as text: digits by hand, and the minus sign."""

from __future__ import annotations

import pytest

from woundgen.numbers import write_compact, write_interval, write_number, write_signed


@pytest.mark.parametrize(
    ("value", "like", "text"),
    [(12.34, None, "12.3"), (0.04096, None, "0.0410"), (1234.4, None, "1234"), (0, None, "0"), (-1.5, None, "−1.50"),
     (0.123, 12.3, "0.1")],
)  # fmt: skip
def test_three_digits(value: float, like: float | None, text: str) -> None:
    assert write_number(value, like=like) == text


def test_signs() -> None:
    assert [write_signed(x, ".2f") for x in (0.5, -0.5, 0)] == ["+0.50", "−0.50", "0.00"]
    assert write_signed(-1e-7, ".1g") == "−1e-07"
    assert write_interval(-0.331, 0.364, ".2f") == "−0.33 to +0.36"


@pytest.mark.parametrize(("x", "text"), [(593.71, "593.7"), (-0.030441, "−0.03044"), (1e-5, "1e-05"), (2.0, "2")])
def test_compact_numbers(x: float, text: str) -> None:
    assert write_compact(x) == text
