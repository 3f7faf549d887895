"""The figure and the table of docs/reliability.md: every start of a run that SIGKILL ended, from the test's own tables.

WOUNDGEN_KILLS_TABLES=tables pytest -m slow tests/chain/test_killed.py
python scripts/make_kills_figure.py docs/figures/kills.png lora=tables/lora.csv full=tables/full.csv
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from woundgen.reporting.figures import BLUE, GREEN, GREY, ORANGE, STYLE

STRATA = {
    "caching": ("caching photographs", GREEN, "s"),
    "step": ("a step", BLUE, "o"),
    "evaluation": ("an evaluation", "#CC79A7", "^"),
    "save": ("a save", ORANGE, "x"),
}

Row = dict[str, str]


def starts_of(path: Path) -> list[Row]:
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


def draw_starts(axes: Axes, title: str, rows: list[Row]) -> None:
    """Steps reached over starts, the kills marked by what they hit, and what a run that ended came to."""
    killed = [row for row in rows if row["killed"] == "1"]
    ended = [row for row in rows if row["killed"] == "0"]
    numbers, steps = [int(row["start"]) for row in rows], [int(row["reached"]) for row in rows]
    axes.plot(numbers, steps, color=GREY, linewidth=0.6, zorder=1)
    for stratum, (_, colour, marker) in STRATA.items():
        hit = [row for row in killed if row["stratum"] == stratum]
        axes.scatter(
            [int(r["start"]) for r in hit], [int(r["reached"]) for r in hit], c=colour, marker=marker, s=22, zorder=2
        )
    axes.scatter(
        [int(r["start"]) for r in ended], [int(r["reached"]) for r in ended], c="white", edgecolors="black", s=34,
        zorder=3,
    )  # fmt: skip
    axes.set_title(f"{title}: {len(rows)} starts, {len(killed)} killed, {len(ended)} to the end of a run")
    axes.set_ylabel("steps logged")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def draw(tables: dict[str, list[Row]], target: Path) -> None:
    with rc_context(STYLE):
        figure = Figure(figsize=(7.2, 0.5 + 2.1 * len(tables)), dpi=130)
        panels = figure.subplots(len(tables), 1, squeeze=False)[:, 0]
        for axes, (title, rows) in zip(panels, tables.items(), strict=True):
            draw_starts(axes, title, rows)
        panels[-1].set_xlabel("start")
        for words, colour, marker in STRATA.values():
            panels[0].scatter([], [], c=colour, marker=marker, s=22, label=f"killed in {words}")
        panels[0].scatter([], [], c="white", edgecolors="black", s=34, label="ran to its end: byte-equal")
        panels[0].legend(loc="upper left", ncols=2)
        low, high = panels[0].get_ylim()
        panels[0].set_ylim(low, high + 0.45 * (high - low))
        figure.tight_layout()
        target.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(target, facecolor="white")


def line_of(title: str, rows: list[Row]) -> str:
    """A line of the table: starts, kills by what they hit, runs that ended."""
    hit = Counter(row["stratum"] for row in rows if row["killed"] == "1")
    ended = sum(row["killed"] == "0" for row in rows)
    return f"| {title} | {len(rows)} | {hit.total()} | {' | '.join(str(hit[name]) for name in STRATA)} | {ended} |"


def main() -> None:
    named = [word.partition("=") for word in sys.argv[2:]]
    tables = {name: starts_of(Path(path)) for name, _, path in named}
    draw(tables, Path(sys.argv[1]))
    headings = ("method", "starts", "killed", *(f"in {words}" for words, _, _ in STRATA.values()), "ran to the end")
    print(f"| {' | '.join(headings)} |")
    print(f"|{' --- |' * len(headings)}")
    for title, rows in tables.items():
        print(line_of(title, rows))


if __name__ == "__main__":
    main()
