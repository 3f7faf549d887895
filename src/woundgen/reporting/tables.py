"""A table of strings, written as aligned text, Markdown or HTML."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from markupsafe import Markup

from woundgen.storage.display import escape_markdown as escape_markdown  # tables are where pages look for it

GUTTER = "  "
NARROWEST = 16  # characters of a column whose cells are broken into lines


@dataclass(frozen=True, slots=True)
class Table:
    """rows: cells as strings, as many as the header has. notes: whole sentences that stand under it."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.header) for row in self.rows), "ragged table"

    def without_empty_columns(self) -> Table:
        kept = [i for i in range(len(self.header)) if any(row[i] for row in self.rows)]
        header, *rows = (tuple(line[i] for i in kept) for line in (self.header, *self.rows))
        return Table(header, tuple(rows), self.notes)


def as_text(table: Table, *, width: int | None = None) -> str:
    """Return the table for a terminal: columns padded with blanks, notes below.

    width: characters of a line; the cells of a wider table are broken into several lines, or where that would leave
    columns too narrow to read, each row becomes a block. None for no limit.
    """
    widths = _widths(table)
    if width is not None and not fits(table, width):
        narrow = _narrow(widths, width)
        return _as_blocks(table, width) if narrow is None else _as_broken_lines(table, narrow, width)
    lines = [table.header, tuple("-" * w for w in widths), *table.rows]
    return "\n".join([*(_line(line, widths) for line in lines), *table.notes]) + "\n"


def fits(table: Table, width: int) -> bool:
    """Return whether each row is a line of at most `width` characters."""
    widths = _widths(table)
    return sum(widths) + len(GUTTER) * (len(widths) - 1) <= width


def _widths(table: Table) -> list[int]:
    return [max(map(len, column)) for column in zip(table.header, *table.rows, strict=True)]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return GUTTER.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _narrow(widths: list[int], width: int) -> list[int] | None:
    """Return the widths of columns after the widest have given way; None where none can give way any more."""
    narrow = list(widths)
    while sum(narrow) + len(GUTTER) * (len(narrow) - 1) > width:
        widest = narrow.index(max(narrow))
        if narrow[widest] <= NARROWEST:
            return None
        narrow[widest] -= 1
    return narrow


def _as_broken_lines(table: Table, widths: list[int], width: int) -> str:
    """Return rows of several lines each, cells broken at blanks, and notes filled to `width`."""
    lines = []
    for row in (table.header, tuple("-" * w for w in widths), *table.rows):
        cells = [textwrap.wrap(cell, space) or [""] for cell, space in zip(row, widths, strict=True)]
        lines += [_line(parts, widths) for parts in zip_longest(*cells, fillvalue="")]
    return "\n".join([*lines, *(textwrap.fill(note, width) for note in table.notes)]) + "\n"


def _as_blocks(table: Table, width: int) -> str:
    """Each row as its first cell and a line for each other cell that is not empty."""
    names = max(map(len, table.header[1:]), default=0)
    blocks = [
        "\n".join(
            [
                row[0],
                *(
                    f"  {name.ljust(names)}  {cell}"
                    for name, cell in zip(table.header[1:], row[1:], strict=True)
                    if cell
                ),
            ]
        )
        for row in table.rows
    ]
    return "\n".join([*blocks, *(textwrap.fill(note, width) for note in table.notes)]) + "\n"


def as_markdown(table: Table) -> str:
    lines = [table.header, ("---",) * len(table.header), *([escape_markdown(c) for c in r] for r in table.rows)]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
    return text + "".join(f"\n{escape_markdown(note)}\n" for note in table.notes)


def as_html(table: Table) -> Markup:
    """Every cell escaped; each carries its column's name, which narrow screens show in front of it."""
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(_allow_breaks(name)) for name in table.header)
    body = Markup("\n").join(_html_row(table.header, row) for row in table.rows)
    notes = Markup("").join(Markup('<p class="note">{}</p>').format(note) for note in table.notes)
    return Markup("<table>\n<thead><tr>{}</tr></thead>\n<tbody>\n{}\n</tbody>\n</table>\n{}").format(head, body, notes)


def _allow_breaks(name: str) -> Markup:
    """Return a name as escaped HTML that a browser may break after each underscore."""
    return Markup("_<wbr>").join(name.split("_"))


def _html_row(header: tuple[str, ...], row: tuple[str, ...]) -> Markup:
    first = Markup('<th scope="row">{}</th>').format(row[0])
    cells = (
        Markup('<td data-label="{}"{}>{}</td>').format(name, Markup("" if cell else ' class="empty"'), cell)
        for name, cell in zip(header[1:], row[1:], strict=True)
    )
    return Markup("<tr>{}{}</tr>").format(first, Markup("").join(cells))
