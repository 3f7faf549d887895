"""A table of strings, written as aligned text, Markdown or HTML."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from markupsafe import Markup

from woundgen.storage.display import escape_markdown as escape_markdown  # tables are where pages look for it


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

    width: characters of a line; a wider table becomes a block a row. None for no limit.
    """
    widths = [max(map(len, column)) for column in zip(table.header, *table.rows, strict=True)]
    if width is not None and sum(widths) + 2 * (len(widths) - 1) > width:
        return _as_blocks(table, width)
    lines = [table.header, tuple("-" * w for w in widths), *table.rows]
    padded = ("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)
    return "\n".join([*padded, *table.notes]) + "\n"


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
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(name) for name in table.header)
    body = Markup("\n").join(_html_row(table.header, row) for row in table.rows)
    notes = Markup("").join(Markup('<p class="note">{}</p>').format(note) for note in table.notes)
    return Markup("<table>\n<thead><tr>{}</tr></thead>\n<tbody>\n{}\n</tbody>\n</table>\n{}").format(head, body, notes)


def _html_row(header: tuple[str, ...], row: tuple[str, ...]) -> Markup:
    first = Markup('<th scope="row">{}</th>').format(row[0])
    cells = (
        Markup('<td data-label="{}"{}>{}</td>').format(name, Markup("" if cell else ' class="empty"'), cell)
        for name, cell in zip(header[1:], row[1:], strict=True)
    )
    return Markup("<tr>{}{}</tr>").format(first, Markup("").join(cells))
