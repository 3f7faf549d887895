"""Charts and grids: the maths behind them, and files that open and repeat."""

from __future__ import annotations

import math
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from woundgen.reporting.figures import (
    Bar,
    Reference,
    Series,
    counts_figure,
    intervals_figure,
    loss_figure,
    metric_figure,
    png_bytes,
    smoothed,
    svg_bytes,
)
from woundgen.reporting.pictures import image_grid


def test_smoothing_is_a_centred_mean_without_the_missing() -> None:
    values = np.array([1.0, 2.0, math.nan, 4.0, 9.0])
    np.testing.assert_allclose(smoothed(values, 3), [1.5, 1.5, 3.0, 6.5, 6.5])


def test_charts_are_whole_files_and_the_same_each_time() -> None:
    series = Series("ema", (0, 10), (8.0, 6.0), (7.0, None), (9.0, None))
    figures = [metric_figure("$x_$", [series], references=[Reference("floor", 2.0, 1.0, 3.0)], best=10) for _ in "ab"]
    first, second = map(svg_bytes, figures)
    assert first == second
    ElementTree.fromstring(first)
    assert png_bytes(figures[0]).startswith(b"\x89PNG")


def test_a_single_evaluation_stands_in_its_run_with_its_interval() -> None:
    series = Series("ema", (250,), (0.44,), (0.40,), (0.47,))
    (axes,) = metric_figure("validation loss", [series], best=250).axes
    assert axes.get_xlim() == (0, 275)
    (bar,) = axes.containers
    (segment,) = bar.lines[2][0].get_segments()
    np.testing.assert_allclose(segment, [(250, 0.40), (250, 0.47)])


@pytest.mark.parametrize("count", [1, 2, 3, 5000])
def test_runs_of_any_length_have_a_loss_chart(count: int) -> None:
    losses = [math.nan if i % 7 == 3 else 0.2 + 0.1 / (i + 1) for i in range(count)]
    svg = svg_bytes(loss_figure(range(1, count + 1), losses, [1e-4] * count))
    assert len(svg) < 300_000


def test_bars_and_intervals_draw() -> None:
    ElementTree.fromstring(svg_bytes(counts_figure("drawn", {"accepted": 0})))
    bars = [Bar("a", 1.0, None, None), Bar("b <c>", 2.0, 1.0, 3.0)]
    ElementTree.fromstring(svg_bytes(intervals_figure("FD", bars, references=[Reference("floor", 0.5)])))


def test_reports_import_neither_pyplot_nor_torch() -> None:
    code = "import sys, woundgen.reporting.write, woundgen.comparison.write; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"matplotlib.pyplot", "torch"} & set(loaded)


def test_grid_places_images_row_by_row() -> None:
    images = [np.full((8, 10, 3), i * 20, np.uint8) for i in range(5)]
    grid = image_grid(images, columns=3)
    assert grid.shape == (2 * 8 + 4, 3 * 10 + 2 * 4, 3)
    assert grid[0, 0, 0] == 0
    assert grid[12, 14, 0] == 80
    assert (grid[:, 10:14] == 255).all()


def test_grid_with_labels_leaves_the_pixels_alone() -> None:
    images = [np.full((16, 40, 3), 7, np.uint8)] * 2
    grid = image_grid(images, columns=2, labels=["real", "drawn"])
    assert (grid[:16, :40] == 7).all()
    assert (grid[16:, :40] < 200).any()
