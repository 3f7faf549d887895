"""The readers' pages by request: what they give, what they refuse, and that refusals change nothing."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from woundgen.study import session as session_module
from woundgen.study.app import ReaderPages
from woundgen.study.files import journal_path, read_links, read_study
from woundgen.web.guard import guard

from .conftest import HOST, Served, answer_body, make_study


def digest(folder: Path) -> str:
    """Of every file below the study, by which a change of anything would be seen."""
    state = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            state.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return state.hexdigest()


def rows(served: Served, reader: str = "reader-1") -> list[dict]:
    return [json.loads(line) for line in journal_path(served.folder, reader).read_text().splitlines()]


def test_an_answer_is_on_disk_before_the_next_picture_is_named(served: Served) -> None:
    link = served.links["reader-1"]
    reply = served.client.post(link + "answer", json=answer_body(0, remark="shiny"))
    assert reply.status_code == 200
    assert reply.json()["done"] == 1
    (row,) = rows(served)
    order = read_study(served.folder).orders["reader-1"]
    assert (row["position"], row["item"], row["call"], row["remark"]) == (0, order[0], "real", "shiny")
    assert served.state("reader-2")["done"] == 0


def test_fsync_comes_before_the_reply(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    real_fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(descriptor), real_fsync(descriptor))[1])
    served.client.post(served.links["reader-1"] + "answer", json=answer_body(0))
    assert len(synced) == 1


def test_the_same_request_again_counts_once(served: Served) -> None:
    link = served.links["reader-1"] + "answer"
    replies = [served.client.post(link, json=answer_body(0)) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 200]
    assert [reply.json()["saved"] for reply in replies] == [True, False, False]
    assert len(rows(served)) == 1


def test_a_second_tab_is_told_of_the_first(served: Served) -> None:
    """Two windows answer picture 0: the second gets 409 and where the study stands."""
    link = served.links["reader-1"] + "answer"
    served.client.post(link, json=answer_body(0, nonce="a" * 16))
    late = served.client.post(link, json=answer_body(0, nonce="b" * 16, call="synthetic"))
    assert late.status_code == 409
    assert late.json()["done"] == 1
    assert [row["call"] for row in rows(served)] == ["real"]


def test_undo_takes_the_last_answer_back_once(served: Served) -> None:
    link = served.links["reader-1"]
    for position in range(2):
        served.client.post(link + "answer", json=answer_body(position))
    assert served.client.post(link + "undo", json={"position": 1}).json()["done"] == 1
    assert served.client.post(link + "undo", json={"position": 1}).json()["done"] == 1  # sent again
    assert served.client.post(link + "undo", json={"position": 5}).status_code == 409
    served.client.post(link + "answer", json=answer_body(1, nonce="c" * 16, call="synthetic"))
    standing = session_module.standing_answers(rows(served))
    assert [row["call"] for row in standing] == ["real", "synthetic"]


def test_an_answer_that_cannot_be_written_is_not_counted(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> int:
        raise OSError(28, "No space left on device")

    before = digest(served.folder)
    with monkeypatch.context() as patched:
        patched.setattr("woundgen.web.journal.os.write", full)
        reply = served.client.post(served.links["reader-1"] + "answer", json=answer_body(0))
    assert reply.status_code == 507
    assert digest(served.folder) == before
    assert served.state()["done"] == 0
    assert served.client.post(served.links["reader-1"] + "answer", json=answer_body(0)).json()["done"] == 1


def test_a_new_server_goes_on_where_a_killed_one_was(served: Served) -> None:
    for position in range(3):
        served.client.post(served.links["reader-1"] + "answer", json=answer_body(position))
    with journal_path(served.folder, "reader-1").open("a") as handle:
        handle.write('{"position": 3, "item": "to')  # torn by a kill
    pages = ReaderPages(served.folder)
    with TestClient(guard(pages.application(), hosts=[HOST]), base_url=f"http://{HOST}") as client:
        link = served.links["reader-1"]
        assert client.get(link + "state").json()["done"] == 3
        assert client.post(link + "answer", json=answer_body(3)).json()["done"] == 4
    pages.close()
    assert [row["position"] for row in rows(served)] == [0, 1, 2, 3]


def test_the_state_tells_nothing_of_the_truth(served: Served) -> None:
    link = served.links["reader-1"]
    served.client.post(link + "answer", json=answer_body(0))
    text = served.client.get(link + "state").text
    order = read_study(served.folder).orders["reader-1"]
    assert set(json.loads(text)) == {"title", "done", "total", "size", "phases", "last"}
    assert not [name for name in order if name in text]
    assert not [name for name in ("truth", "item", "group", "check") if name in text]


def test_what_the_server_reads_does_not_hold_the_truth(served: Served) -> None:
    """With truth.json gone the server works the same, and study.json has no word of it."""
    (served.folder / "truth.json").unlink()
    pages = ReaderPages(served.folder)
    pages.close()
    text = (served.folder / "study.json").read_text()
    assert not [word for word in ('"kind"', '"real"', "truth", "images/0") if word in text]


def test_pictures_ahead_of_the_next_are_not_given(served: Served) -> None:
    link = served.links["reader-1"]
    status = [served.client.get(f"{link}picture/{position}").status_code for position in range(4)]
    assert status == [200, 200, 404, 404]
    assert served.client.get(f"{link}picture/-1").status_code == 404


def test_pictures_are_all_of_one_length_and_kept_by_nobody(served: Served) -> None:
    link = served.links["reader-1"]
    replies = []
    for position in range(5):
        replies.append(served.client.get(f"{link}picture/{position}"))
        served.client.post(link + "answer", json=answer_body(position))
    assert len({len(reply.content) for reply in replies}) == 1
    assert len({json.dumps(sorted(reply.headers.items())) for reply in replies}) == 1
    assert "no-store" in replies[0].headers["cache-control"]


HOSTILE = [
    ("GET", "/", {}),
    ("GET", "/r/guessed-token/", {}),
    ("GET", "/r/guessed-token/state", {}),
    ("GET", "/r/%00/state", {}),
    ("GET", "/static/page.html", {}),
    ("GET", "/static/../study.json", {}),
    ("GET", "/static/%2e%2e/truth.json", {}),
    ("GET", "/static/..%2ftruth.json", {}),
    ("GET", "{link}../../truth.json", {}),
    ("GET", "{link}truth.json", {}),
    ("GET", "{link}picture/..%2f..%2ftruth.json", {}),
    ("GET", "{link}picture/%2e%2e%2f%2e%2e%2fstudy.json", {}),
    ("GET", "{link}picture/9999999999999999999999", {}),
    ("GET", "/images/", {}),
    ("GET", "/answers/reader-1.jsonl", {}),
    ("GET", "{link}answer", {}),
    ("PUT", "{link}answer", {"json": answer_body(0)}),
    ("DELETE", "{link}answer", {}),
    ("OPTIONS", "{link}answer", {}),
    ("POST", "/r/guessed-token/answer", {"json": answer_body(0)}),
    ("POST", "/r/guessed-token/undo", {"json": {"position": 0}}),
    ("POST", "{link}answer", {"content": b"{" * 100, "headers": {"content-type": "application/json"}}),
    ("POST", "{link}answer", {"content": b"[" * 9000, "headers": {"content-type": "application/json"}}),
    ("POST", "{link}answer", {"content": b"\xff\xfe", "headers": {"content-type": "application/json"}}),
    ("POST", "{link}answer", {"data": {"position": "0"}}),
    ("POST", "{link}answer", {"content": b"x" * 10_000_000, "headers": {"content-type": "application/json"}}),
    ("POST", "{link}answer", {"json": answer_body(0), "headers": {"origin": "http://evil.example"}}),
    ("POST", "{link}answer", {"json": answer_body(0), "headers": {"origin": "null"}}),
    ("POST", "{link}answer", {"json": answer_body(0), "headers": {"sec-fetch-site": "cross-site"}}),
    ("POST", "{link}answer", {"json": answer_body(0), "headers": {"host": "evil.example"}}),
    ("GET", "{link}state", {"headers": {"host": "evil.example:8765"}}),
    ("GET", "{link}state", {"headers": {"host": "127.0.0.1:1"}}),
    *(
        ("POST", "{link}answer", {"json": body})
        for body in (
            [],
            "answer",
            None,
            answer_body(7),
            answer_body(-1),
            answer_body(True),
            answer_body("0"),
            answer_body(0.0),
            answer_body(0, call="<script>alert(1)</script>"),
            answer_body(0, call=["real"]),
            answer_body(0, confidence=6),
            answer_body(0, confidence=True),
            answer_body(0, phase="../I"),
            answer_body(0, phase="P"),
            answer_body(0, plausibility=0),
            answer_body(0, remark="x" * 2001),
            answer_body(0, remark=7),
            answer_body(0, nonce="../../etc/passwd"),
            answer_body(0, nonce="kurz"),
            answer_body(0, seconds=-1),
            answer_body(0, seconds=1e12),
            answer_body(0, item="another"),
            {**answer_body(0), "reader": "reader-2"},
        )
    ),
    ("POST", "{link}undo", {"json": {"position": 0, "n": 1}}),
    ("POST", "{link}undo", {"json": {"position": "0"}}),
    ("POST", "{link}undo", {"json": {"position": 4}}),
]


@pytest.mark.parametrize(("method", "path", "options"), HOSTILE)
def test_a_hostile_request_is_refused_and_changes_nothing(
    served: Served, method: str, path: str, options: dict
) -> None:
    before = digest(served.folder)
    reply = served.client.request(method, path.replace("{link}", served.links["reader-1"]), **options)
    if path == "{link}undo" and options["json"] == {"position": 0, "n": 1}:
        assert reply.json()["saved"] is False  # nothing is answered, so nothing is taken back
    else:
        assert 400 <= reply.status_code < 500, reply.text
    assert "Traceback" not in reply.text
    assert digest(served.folder) == before
    assert [served.state(reader)["done"] for reader in served.links] == [0, 0]


def test_seconds_that_are_no_number_are_refused(served: Served) -> None:
    body = json.dumps(answer_body(0)).replace("2.5", "NaN")
    headers = {"content-type": "application/json"}
    assert served.client.post(served.links["reader-1"] + "answer", content=body, headers=headers).status_code == 422


def test_one_readers_token_opens_nothing_of_another(served: Served) -> None:
    first, second = (served.links[reader] for reader in ("reader-1", "reader-2"))
    served.client.post(first + "answer", json=answer_body(0, remark="mine alone"))
    assert served.client.get(second + "state").json()["last"] is None
    assert served.client.get(second + "picture/2").status_code == 404


def test_script_in_a_remark_is_text(served: Served) -> None:
    remark = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    reply = served.client.post(served.links["reader-1"] + "answer", json=answer_body(0, remark=remark))
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-content-type-options"] == "nosniff"
    page = served.client.get(served.links["reader-1"])
    assert "alert(1)" not in page.text


def test_the_page_runs_nothing_that_is_not_ours(served: Served) -> None:
    page = served.client.get(served.links["reader-1"])
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<style" not in page.text
    assert "onclick" not in page.text
    assert "http" not in page.text.replace("http-equiv", "")
    script = served.client.get("/static/page.js").text
    assert "innerHTML" not in script
    assert "eval(" not in script
    for address in ("/static/page.js", "/static/page.css"):
        assert served.client.get(address).status_code == 200


def test_tokens_are_unguessable_and_private(tmp_path: Path) -> None:
    make_study(tmp_path / "study", readers=5)
    tokens = list(read_links(tmp_path / "study").values())
    assert len(set(tokens)) == 5
    assert all(len(token) >= 43 for token in tokens)  # 32 random bytes
    for name in ("links.json", "truth.json", "study.json"):
        assert (tmp_path / "study" / name).stat().st_mode & 0o077 == 0
