"""A small study on disk, made of noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from woundgen.study.app import ReaderPages
from woundgen.study.design import order_for_reader
from woundgen.study.files import ReaderStudy, Truth, draw_ids, read_links, write_pictures, write_study
from woundgen.web.guard import guard

HOST = "127.0.0.1:8765"


def make_study(folder: Path, *, items: int = 12, readers: int = 2, repeats: int = 2, checks: int = 1) -> None:
    """`items` pictures of 32 px, half real, phases I and R in turn; checks ask for real, sure 4."""
    rng = np.random.default_rng(0)
    names = draw_ids(items + checks)
    kinds = ["real" if number % 2 else "synthetic" for number in range(items)]
    truth = {
        name: Truth(kind, "IR"[number // 2 % 2], number, None if kind == "real" else 0, f"images/{number:06d}.png")
        for number, (name, kind) in enumerate(zip(names, kinds, strict=False))
    }
    truth |= {name: Truth("check", "", -1, answer={"call": "real", "confidence": 4}) for name in names[items:]}
    orders = {
        f"reader-{number + 1}": tuple(
            order_for_reader(
                names[:items], kinds, names[items:], repeats=repeats, rng=np.random.default_rng([0, number])
            )
        )
        for number in range(readers)
    }
    folder.mkdir(mode=0o700, exist_ok=True)
    write_pictures(folder, list(rng.integers(0, 256, (items + checks, 32, 32, 3), np.uint8)), names)
    facts = {"real_dir": str(folder), "set_dirs": [str(folder / "set")]}
    design = {"items": items, "repeats": repeats, "checks": checks, "seed": 0, "per_patient": 1, "sets": 1}
    write_study(folder, ReaderStudy("Reader study", 32, ("I", "R"), orders, design), truth, facts=facts)


@dataclass(frozen=True)
class Served:
    """folder: of the study. client: asks as a browser at HOST would. links: reader -> path below the host."""

    folder: Path
    client: TestClient
    links: dict[str, str]

    def state(self, reader: str = "reader-1") -> dict:
        return self.client.get(self.links[reader] + "state").json()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    folder = tmp_path / "study"
    make_study(folder)
    pages = ReaderPages(folder)
    application = guard(pages.application(), hosts=[HOST])
    with TestClient(application, base_url=f"http://{HOST}") as client:
        links = {reader: f"/r/{token}/" for reader, token in read_links(folder).items()}
        yield Served(folder, client, links)
    pages.close()


def answer_body(position: object, *, nonce: str | None = None, **changes: object) -> dict[str, object]:
    """The JSON of an answer as the page sends it."""
    body: dict[str, object] = {
        "position": position, "nonce": nonce or f"{hash(position) % 2**32:032x}", "call": "real", "confidence": 3,
        "phase": "I", "plausibility": 4, "remark": "", "seconds": 2.5,
    }  # fmt: skip
    return body | changes
