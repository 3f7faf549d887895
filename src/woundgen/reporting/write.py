"""The files of a report. All pages are made and checked before the first is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from woundgen.errors import UserError
from woundgen.reporting.html import render
from woundgen.reporting.markdown import training_report
from woundgen.reporting.masking import refuse_private
from woundgen.reporting.private_page import PrivateSection, private_page
from woundgen.reporting.report_data import ReportContent
from woundgen.reporting.run_view import run_view
from woundgen.reporting.utility_page import UtilityView
from woundgen.storage.files import sweep_unfinished, write_text
from woundgen.storage.names import PRIVATE_REPORT_HTML, REPORT_HTML, private_folder
from woundgen.storage.names import training_report as training_report_name
from woundgen.storage.ownership import make_private


def write_reports(
    contents: Sequence[ReportContent],
    *,
    out: Path,
    title: str,
    private: Sequence[PrivateSection] = (),
    secrets: Sequence[str] = (),
    search: Callable[[str], list[str]] | None = None,
    utility: UtilityView | None = None,
) -> tuple[Path, ...]:
    """report.html, a TRAINING_REPORT_phase_X.md for each phase, and report_private.html in
    the private folder beside `out` where `private` is given.

    contents: one a run, shown in this order. secrets: patient ids, user names and the like which the shared
    pages must not hold. search: gives what else of the kind a text holds. Paths and file names of the photographs in
    `private` are held back without saying.
    Raises UserError, with nothing written, where a page would hold one, or a number lacks its floor.
    """
    assert contents, "a report needs a run"
    pages = {out / REPORT_HTML: report_page(contents, title=title, utility=utility), **_training_reports(contents, out)}
    names = {text for section in private for path in section.photographs() for text in (str(path), path.name)}
    for path, page in pages.items():
        found = search(page) if search is not None else []
        refuse_private(page, [*secrets, *sorted(names), *found], name=path.name)
    if private:
        pages[private_folder(out) / PRIVATE_REPORT_HTML] = private_page(private, title=f"{title}: private part")
    try:
        out.mkdir(parents=True, exist_ok=True)
        sweep_unfinished(out)
        for path, page in pages.items():
            if path.name == PRIVATE_REPORT_HTML:
                make_private(path.parent)
                (out / PRIVATE_REPORT_HTML).unlink(missing_ok=True)  # where earlier versions wrote it
            write_text(path, page, private=path.name == PRIVATE_REPORT_HTML)
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}).", "Choose another --out.") from None
    return tuple(pages)


def report_page(contents: Sequence[ReportContent], *, title: str, utility: UtilityView | None = None) -> str:
    """The page to share. utility: of a study whether the images help a classifier."""
    context = {"title": title, "runs": [run_view(content) for content in contents], "utility": utility}
    return render("report.html.j2", context)


def _training_reports(contents: Sequence[ReportContent], out: Path) -> dict[Path, str]:
    """One file a phase: runs of the same phase follow one another in it."""
    texts: dict[Path, str] = {}
    for content in contents:
        path = out / training_report_name("_".join(content.run.phases))
        texts[path] = "\n".join(
            [texts[path], training_report(content)] if path in texts else [training_report(content)]
        )
    return texts
