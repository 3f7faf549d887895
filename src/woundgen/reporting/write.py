"""The files of a report. All pages are made and checked before the first is written.

A folder remembers whose report it holds: the same runs and sets may be reported again, others are refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from woundgen.errors import UserError
from woundgen.reporting.answers import answers
from woundgen.reporting.html import render
from woundgen.reporting.markdown import training_report
from woundgen.reporting.masking import refuse_private
from woundgen.reporting.private_page import PrivateSection, private_page
from woundgen.reporting.report_data import ReportContent
from woundgen.reporting.run_view import run_view
from woundgen.reporting.utility_page import UtilityView
from woundgen.storage.files import keep_beside, read_json, sha256_file, sweep_unfinished, write_json, write_text
from woundgen.storage.names import PRIVATE_REPORT_HTML, REPORT_HTML, REPORT_RECORD, private_folder
from woundgen.storage.names import training_report as training_report_name
from woundgen.storage.ownership import make_private


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """pages: all that were written. refreshed: those of them that replaced a page of the same report.

    changed: pages that somebody had changed since, under their new names.
    """

    pages: tuple[Path, ...]
    refreshed: tuple[Path, ...]
    changed: tuple[Path, ...]


def write_reports(
    contents: Sequence[ReportContent],
    *,
    out: Path,
    title: str,
    identity: str,
    private: Sequence[PrivateSection] = (),
    secrets: Sequence[str] = (),
    search: Callable[[str], list[str]] | None = None,
    utility: UtilityView | None = None,
) -> WrittenReport:
    """Write report.html, a TRAINING_REPORT_phase_X.md for each phase, and, where `private` is given,
    report_private.html in the private folder of `out`.

    contents: of each run, shown in this order. identity: of the runs and sets that they are of.
    secrets: patient ids, user names and the like which the shared pages must not hold.
    search: gives what else of the kind a text holds. Paths and file names of the photographs in `private` are held
    back without saying.
    Raises UserError, with nothing written, where a page would hold a secret, a number lacks its floor, or `out` holds a
    report of others.
    """
    assert contents, "a report needs a run"
    pages = {out / REPORT_HTML: report_page(contents, title=title, utility=utility), **_training_reports(contents, out)}
    names = {text for section in private for path in section.photographs() for text in (str(path), path.name)}
    for path, page in pages.items():
        found = search(page) if search is not None else []
        refuse_private(page, [*secrets, *sorted(names), *found], name=path.name)
    if private:
        pages[private_folder(out) / PRIVATE_REPORT_HTML] = private_page(private, title=f"{title}: private part")
    before = _pages_before(out, pages, identity=identity)
    refreshed = tuple(path for path in pages if path.exists())
    changed = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        sweep_unfinished(out)
        for path in refreshed:
            if sha256_file(path) != before.get(path.name) and (place := keep_beside(path)) is not None:
                changed.append(place)
        digests = {path.name: hashlib.sha256(page.encode()).hexdigest() for path, page in pages.items()}
        write_json(
            out / REPORT_RECORD, {"identity": identity, "pages": before | digests}
        )  # first: a kill leaves it ours
        for path, page in pages.items():
            if path.name == PRIVATE_REPORT_HTML:
                make_private(path.parent)
                (out / PRIVATE_REPORT_HTML).unlink(missing_ok=True)  # where earlier versions wrote it
            write_text(path, page, private=path.name == PRIVATE_REPORT_HTML)
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}).", "Choose another --out.") from None
    return WrittenReport(tuple(pages), refreshed, tuple(changed))


def _pages_before(out: Path, pages: Iterable[Path], *, identity: str) -> dict[str, str]:
    """Return the digests of the pages of this report that `out` holds. UserError where it holds another's."""
    path = out / REPORT_RECORD
    record = read_json(path) if path.exists() else {}
    there = [page for page in pages if page.exists()]
    if there and record.get("identity") != identity:
        whose = "a report of other runs or sets" if record else "pages that this command did not write"
        raise UserError(f"{out} holds {whose} ({there[0].name}).", "Choose another --out; nothing was written.")
    return dict(record.get("pages", {})) if record.get("identity") == identity else {}


def report_page(contents: Sequence[ReportContent], *, title: str, utility: UtilityView | None = None) -> str:
    """The page to share. utility: of a study whether the images help a classifier."""
    context = {
        "title": title,
        "answers": answers(contents, utility),
        "runs": [run_view(content) for content in contents],
        "utility": utility,
    }
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
