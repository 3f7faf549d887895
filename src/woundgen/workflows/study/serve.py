"""The job of `woundgen study serve`: the readers' pages, until interrupted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from woundgen.runtime.lock import only_writer
from woundgen.study.files import ANSWERS, read_links, read_study
from woundgen.study.session import standing_answers
from woundgen.web.journal import read_journal
from woundgen.web.serve import Address, check_address, require_extra, serve

Say = Callable[[str], None]


def serve_study(folder: Path, address: Address, *, say: Say) -> None:
    """Say each reader's link and how far the reader is, then serve. One server of a study at a time."""
    require_extra()
    study, links = read_study(folder), read_links(folder)
    for line in check_address(address, what="photographs of patients"):
        say(line)

    def announce(url: str) -> Sequence[str]:
        lines = ["one link for each reader; who has it answers in that reader's name:"]
        for reader, order in study.orders.items():
            done = len(standing_answers(read_journal(folder / ANSWERS / f"{reader}.jsonl")))
            lines.append(f"{reader}  {done}/{len(order)}  {url}/r/{links[reader]}/")
        return [*lines, "answers are on disk as they come; Ctrl+C stops, the same command goes on"]

    from woundgen.study.app import ReaderPages

    with only_writer(folder):
        pages = ReaderPages(folder)
        try:
            serve(pages.application, address, announce=announce, say=say)
        finally:
            pages.close()
