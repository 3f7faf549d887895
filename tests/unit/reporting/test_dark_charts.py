"""Every colour of a chart that is hard to see on the dark page is replaced there."""

from __future__ import annotations

import re

from woundgen.reporting.answer_figures import _FILLS, _INKS
from woundgen.reporting.dark_charts import DARK, add_dark_colours
from woundgen.reporting.figures import loss_figure, svg_bytes

PAPER = "#14191f"


def luminance(colour: str) -> float:
    """WCAG 2.2, "relative luminance"."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(first: str, second: str) -> float:
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_formula() -> None:
    assert contrast("#000000", "#ffffff") == 21


def test_dark_colours_are_seen() -> None:
    assert contrast(DARK["#1f2933"], PAPER) > 7
    for light in ("#0072b2", "#d55e00", "#009e73", "#6b7280", "#9aa5b1"):
        assert contrast(DARK[light], PAPER) > 4.5, light


def test_numbers_on_bars_are_read_in_either_theme() -> None:
    for fill, ink in zip(_FILLS, _INKS, strict=True):
        assert fill not in DARK
        assert ink not in DARK
        assert contrast(fill, ink) > 4.4, fill


def test_the_rules_stand_in_the_chart() -> None:
    svg = add_dark_colours(svg_bytes(loss_figure([1, 2, 3], [0.3, 0.2, 0.1], [1e-4] * 3))).decode()
    assert '@media screen and (prefers-color-scheme:dark){[style*="fill: #ffffff"]{fill:#14191f!important}' in svg
    named = {"#e5e7eb"} | set(DARK)
    used = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", svg.split("</style>")[-1]))
    assert used <= named, f"not replaced in the dark: {used - named}"
