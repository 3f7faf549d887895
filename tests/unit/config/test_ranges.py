"""Numbers within a range."""

from __future__ import annotations

import math

import numpy as np
import pytest

from woundgen.config.ranges import LARGEST_SEED, check_real, check_seed, check_whole
from woundgen.errors import UserError


def test_what_lies_in_the_range_passes() -> None:
    for value in (None, 1, 5, np.int64(3)):
        check_whole("--count", value, 1, 5)
    for value in (None, 0, 0.5, 1.0, np.float32(0.25)):
        check_real("--share", value, 0, 1)
    check_whole("--count", 10**9, 1)
    check_seed("--seed", LARGEST_SEED)


@pytest.mark.parametrize("value", [0, 6, 2.5, math.nan, "3", True])
def test_whole_numbers(value: object) -> None:
    with pytest.raises(UserError, match=r"^--count .*Give 1 to 5"):
        check_whole("--count", value, 1, 5)


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf, "0.5", False, [0.5]])
def test_real_numbers(value: object) -> None:
    with pytest.raises(UserError, match=r"^--share .*Give 0 to 1"):
        check_real("--share", value, 0, 1)


def test_the_largest_seed() -> None:
    with pytest.raises(UserError, match="--seed"):
        check_seed("--seed", LARGEST_SEED + 1)
