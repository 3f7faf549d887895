"""The files of a comparison: Markdown, JSON for machines, and one HTML page."""

from __future__ import annotations

from pathlib import Path

from woundgen.comparison.compare import Comparison
from woundgen.comparison.pages import comparison_markdown, comparison_page, unscreened_page
from woundgen.errors import UserError
from woundgen.storage.content_digest import add_digest
from woundgen.storage.files import read_json, stored_values, write_json, write_text
from woundgen.storage.names import QUALITY_COMPARISON, private_folder
from woundgen.storage.ownership import make_private

COMPARISON_JSON = "quality_comparison.json"
COMPARISON_HTML = "quality_comparison.html"
COMPARISON_PRIVATE_HTML = "quality_comparison_private.html"


def _refuse_another(comparison: Comparison, out: Path) -> None:
    path = out / COMPARISON_JSON
    if not path.exists():
        return
    content = read_json(path)
    with stored_values(path):
        held = [(one.get("name"), one.get("digest", "")) for one in content.get("candidates", ())]
    if held != [(one.name, one.digest) for one in comparison.candidates]:
        raise UserError(
            f"{out} holds a comparison of {', '.join(str(name) for name, _ in held)}.",
            "Choose another --out; nothing was written.",
        )


def write_comparison(comparison: Comparison, *, out: Path, title: str = "Quality comparison") -> tuple[Path, ...]:
    """Write the pages; all are made before the first is written.

    Images of sets that were not screened for copies stand on a page in the private folder alone.
    Raises UserError where `out` holds a comparison of other results, or cannot be written.
    """
    _refuse_another(comparison, out)
    markdown, page = comparison_markdown(comparison, title=title), comparison_page(comparison, title=title)
    private = unscreened_page(comparison, title=f"{title}: images that nothing screened")
    paths = (out / QUALITY_COMPARISON, out / COMPARISON_JSON, out / COMPARISON_HTML)
    private_path = private_folder(out) / COMPARISON_PRIVATE_HTML
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_text(paths[0], markdown)
        write_json(paths[1], add_digest(comparison.to_json()))
        write_text(paths[2], page)
        if private:
            make_private(private_path.parent)
            write_text(private_path, private, private=True)
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}).", "Choose another --out.") from None
    return (*paths, private_path) if private else paths
