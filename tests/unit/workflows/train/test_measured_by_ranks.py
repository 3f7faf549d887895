"""Sets of images are measured by one rank each, and all know what each measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from woundgen.records import MetricValue
from woundgen.runtime.ranks import ALONE, Ranks
from woundgen.workflows.train.image_metrics import measure_by_ranks

from ....forks import in_two_processes

DRAWN = {name: np.full((2, 4, 4, 3), level, np.uint8) for name, level in (("raw", 3), ("ema", 7), ("third", 9))}


def measured(ranks: Ranks, calls: list[int]) -> dict[str, list[MetricValue]]:
    """A stand-in metric: a third of the first grey level, with all that a row may carry."""

    def measure(images: NDArray[np.uint8]) -> list[MetricValue]:
        level = int(images[0, 0, 0, 0])
        calls.append(level)
        row = MetricValue("fd", level / 3, None, 0.1, "spread", (2, 5), "embedded", "abc", "floor", (0.1, level / 7))
        return [row, MetricValue("ssim", 0.5, None, None, "none", (2, 2))]

    return measure_by_ranks(DRAWN, measure=measure, ranks=ranks)


def test_two_measure_what_one_measures(tmp_path: Path) -> None:
    calls: list[int] = []
    alone = measured(ALONE, calls)
    assert calls == [3, 7, 9]
    assert alone["ema"][0] == MetricValue(
        "fd", 7 / 3, None, 0.1, "spread", (2, 5), "embedded", "abc", "floor", (0.1, 1.0)
    )

    def work(ranks: Ranks) -> dict[str, Tensor]:
        mine: list[int] = []
        assert measured(ranks, mine) == alone
        return {"mine": torch.tensor(mine)}

    assert [found["mine"].tolist() for found in in_two_processes(work, tmp_path)] == [[3, 9], [7]]


def test_nothing_to_measure() -> None:
    assert measure_by_ranks(DRAWN, measure=None, ranks=ALONE) == {}
