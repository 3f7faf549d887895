"""The job of `woundgen study serve`: the readers' pages, until interrupted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from woundgen.events import Info, Work
from woundgen.runtime.lock import only_writer
from woundgen.study.files import journal_path, read_links, read_study
from woundgen.study.session import read_answers
from woundgen.web.serve import Address, check_address, open_server, require_extra


@dataclass(frozen=True, slots=True)
class StudyState:
    """How far a study is. showings: of each reader. answered: reader -> showings that are answered."""

    folder: Path
    showings: int
    answered: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return the folder and the counts."""
        return {"folder": str(self.folder), "showings": self.showings, "answered": dict(self.answered)}


def read_state(folder: Path) -> StudyState:
    """Count the answers that are on disk."""
    orders = read_study(folder).orders
    answered = {reader: len(read_answers(journal_path(folder, reader), order)) for reader, order in orders.items()}
    return StudyState(folder, len(next(iter(orders.values()))), answered)


def serve_study(folder: Path, address: Address) -> Work[None]:
    """Print each reader's link and how far the reader is, then serve. One server of a study at a time."""
    require_extra()
    state, links = read_state(folder), read_links(folder)
    for line in check_address(address, what="photographs of patients"):
        yield Info(line)

    def links_of_readers(url: str) -> Iterator[str]:
        yield "one link for each reader; who has it answers in that reader's name:"
        for reader, done in state.answered.items():
            yield f"{reader}  {done}/{state.showings}  {url}/r/{links[reader]}/"
        yield "answers are on disk as they come; Ctrl+C stops, the same command goes on"

    from woundgen.study.app import ReaderPages

    with only_writer(folder):
        pages = ReaderPages(folder)
        try:
            server = open_server(pages.application, address)
            for line in links_of_readers(server.url):
                yield Info(line)
            server.run()
        finally:
            pages.close()
