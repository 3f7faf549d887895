"""The files of a comparison: Markdown, JSON for machines, and one HTML page."""

from __future__ import annotations

from pathlib import Path

from woundgen.comparison.compare import Comparison
from woundgen.comparison.pages import comparison_markdown, comparison_page
from woundgen.errors import UserError
from woundgen.storage.files import read_json, write_json, write_text
from woundgen.storage.names import QUALITY_COMPARISON

COMPARISON_JSON = "quality_comparison.json"
COMPARISON_HTML = "quality_comparison.html"


def _refuse_another(comparison: Comparison, out: Path) -> None:
    path = out / COMPARISON_JSON
    if not path.exists():
        return
    held = [(one.get("name"), one.get("digest", "")) for one in read_json(path).get("candidates", ())]
    if held != [(one.name, one.digest) for one in comparison.candidates]:
        raise UserError(
            f"{out} holds a comparison of {', '.join(str(name) for name, _ in held)}.",
            "Choose another --out; nothing was written.",
        )


def write_comparison(comparison: Comparison, *, out: Path, title: str = "Quality comparison") -> tuple[Path, ...]:
    """Write the pages; all are made before the first is written.

    Raises UserError where `out` holds a comparison of other results, or cannot be written.
    """
    _refuse_another(comparison, out)
    markdown, page = comparison_markdown(comparison, title=title), comparison_page(comparison, title=title)
    paths = (out / QUALITY_COMPARISON, out / COMPARISON_JSON, out / COMPARISON_HTML)
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_text(paths[0], markdown)
        write_json(paths[1], comparison.to_json())
        write_text(paths[2], page)
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}).", "Choose another --out.") from None
    return paths
