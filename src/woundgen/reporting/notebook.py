"""Results shown in a notebook: HTML without script or style sheet, and tables for pandas."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from PIL import Image

from woundgen.errors import UserError
from woundgen.reporting.pictures import Pixels, data_uri, image_grid
from woundgen.reporting.tables import Table, as_html

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = 8
SHOWN = 24


def grid_html(images: Sequence[Pixels], *, alt: str, caption: str) -> Markup:
    """Return the first SHOWN images, uint8 [H, W, 3] of equal size, as a grid of PNG pixels with a caption, escaped."""
    if not len(images):
        return Markup("<p>{}</p>").format(caption)
    shown = image_grid(images[:SHOWN], columns=COLUMNS)
    source = data_uri(_png(shown), "image/png")
    return Markup('<figure><img src="{}" alt="{}"><figcaption>{}</figcaption></figure>').format(source, alt, caption)


def table_html(table: Table, *, heading: str = "") -> Markup:
    """Return a table under a heading, every cell escaped."""
    head = Markup("<p><strong>{}</strong></p>").format(heading) if heading else Markup("")
    return head + as_html(table)


def lines_html(heading: str, lines: Sequence[str]) -> Markup:
    """Return a heading and a list of sentences, escaped."""
    items = Markup("").join(Markup("<li>{}</li>").format(line) for line in lines)
    return Markup("<p><strong>{}</strong></p><ul>{}</ul>").format(heading, items)


def make_frame(rows: Sequence[Mapping[str, Any]]) -> DataFrame:
    """Return a pandas DataFrame with a row for each mapping. UserError where pandas is not installed."""
    try:
        from pandas import DataFrame
    except ImportError:
        raise UserError("pandas is not installed.", "pip install pandas, or use to_json().") from None
    return DataFrame(list(rows))


def to_picture(pixels: Pixels) -> Image.Image:
    """Return uint8 [H, W, 3] as a PIL image."""
    return Image.fromarray(np.ascontiguousarray(pixels))


def _png(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    to_picture(pixels).save(buffer, "PNG")
    return buffer.getvalue()
