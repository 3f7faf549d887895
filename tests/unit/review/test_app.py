"""The review page by request: decisions on disk, bulk, undo, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from woundgen.data.files.images import png_bytes
from woundgen.review.app import MAXIMUM_BODY, ReviewedSet, ReviewPages
from woundgen.web.guard import guard
from woundgen.web.journal import read_journal

HOST = "127.0.0.1:8766"
LINK = f"/r/{'t' * 40}/"
COUNT = 10_000


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "review.jsonl"


@pytest.fixture
def client(tmp_path: Path, journal: Path) -> Iterator[TestClient]:
    picture = tmp_path / "0.png"
    picture.write_bytes(png_bytes(np.zeros((8, 8, 3), np.uint8), text={}))
    numbers = list(range(COUNT))
    reviewed = ReviewedSet(
        "set", dict.fromkeys(numbers, picture), dict.fromkeys(numbers, "I"), {"sharpness": [float(n) for n in numbers]},
        {"distance": [None] * COUNT}, {0: [0]}, [picture.read_bytes()],
    )  # fmt: skip
    pages = ReviewPages(reviewed, journal, reviewer="Anna", token="t" * 40)
    application = guard(pages.application(), hosts=[HOST], maximum_body=MAXIMUM_BODY)
    with TestClient(application, base_url=f"http://{HOST}") as client:
        yield client
    pages.close()


def decision(**changes: object) -> dict[str, object]:
    usual = {"images": [3], "verdict": "reject", "reason": "blurred", "note": "", "nonce": "a" * 16}
    return usual | changes


def test_a_decision_is_on_disk_and_counts_once(client: TestClient, journal: Path) -> None:
    for _ in range(2):
        assert client.post(LINK + "decide", json=decision()).json()["decisions"] == {"3": ["reject", "blurred", True]}
    (row,) = read_journal(journal)
    assert (row["images"], row["reviewer"]) == ([3], "Anna")


def test_ten_thousand_at_once(client: TestClient, journal: Path) -> None:
    body = decision(images=list(range(COUNT)), verdict="accept", reason="")
    assert len(client.post(LINK + "decide", json=body).json()["decisions"]) == COUNT
    assert len(client.get(LINK + "set").json()["indices"]) == COUNT


def test_undo_takes_ones_own_last_row_back(client: TestClient) -> None:
    client.post(LINK + "decide", json=decision())
    assert client.post(LINK + "undo", json={"row": 0}).json() == {"decisions": {}, "last": None}
    assert client.post(LINK + "undo", json={"row": 0}).status_code == 200
    assert client.post(LINK + "undo", json={"row": 7}).status_code == 409


def test_other_reviewers_are_not_named(client: TestClient, journal: Path) -> None:
    client.post(LINK + "decide", json=decision())
    assert "Berta" not in client.get(LINK + "set").text
    assert client.get(LINK + "set").json()["reviewer"] == "Anna"


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("GET", "/", {}),
        ("GET", "/r/wrong/", {}),
        ("GET", "/r/wrong/set", {}),
        ("GET", "/r/wrong/image/0", {}),
        ("GET", "/r/wrong/photograph/0", {}),
        ("GET", "image/10001", {}),
        ("GET", "photograph/1", {}),
        ("GET", "image/..%2f..%2freview.jsonl", {}),
        ("GET", "/static/%2e%2e%2freview.jsonl", {}),
        ("POST", "/r/wrong/decide", {"json": decision()}),
        ("POST", "decide", {"json": decision(images=[])}),
        ("POST", "decide", {"json": decision(images=[10_001])}),
        ("POST", "decide", {"json": decision(images=[1, 1])}),
        ("POST", "decide", {"json": decision(images=[True])}),
        ("POST", "decide", {"json": decision(images="3")}),
        ("POST", "decide", {"json": decision(images=[[1]])}),
        ("POST", "decide", {"json": decision(verdict="delete")}),
        ("POST", "decide", {"json": decision(verdict=["reject"])}),
        ("POST", "decide", {"json": decision(reason="because")}),
        ("POST", "decide", {"json": decision(reason=[])}),
        ("POST", "decide", {"json": decision(note="x" * 501)}),
        ("POST", "decide", {"json": decision(nonce="..")}),
        ("POST", "decide", {"json": {**decision(), "reviewer": "Berta"}}),
        ("POST", "decide", {"json": decision(), "headers": {"origin": "http://evil.example"}}),
        ("POST", "decide", {"content": b"[" * 90_000, "headers": {"content-type": "application/json"}}),
        ("POST", "decide", {"content": b"x" * 10_000_000, "headers": {"content-type": "application/json"}}),
        ("POST", "undo", {"json": {"row": True}}),
        ("POST", "undo", {"json": []}),
        ("GET", "set", {"headers": {"host": "evil.example"}}),
    ],
)
def test_a_hostile_request_changes_nothing(
    client: TestClient, journal: Path, method: str, path: str, options: dict
) -> None:
    reply = client.request(method, path if path.startswith("/") else LINK + path, **options)
    assert 400 <= reply.status_code < 500, reply.text
    assert journal.read_text() == ""


def test_pages_are_ours_alone(client: TestClient) -> None:
    page = client.get(LINK)
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "no-store" in page.headers["cache-control"]
    assert "innerHTML" not in client.get("/static/page.js").text


def test_a_torn_row_does_not_count(client: TestClient, journal: Path) -> None:
    client.post(LINK + "decide", json=decision())
    with journal.open("a") as handle:
        handle.write('{"images": [4], "verd')
    assert [row["images"] for row in read_journal(journal)] == [[3]]
    assert json.loads(journal.read_text().splitlines()[0])["verdict"] == "reject"
