"""Two readers play a study in Chromium: by keyboard at 1280 px, and by touch at 390 px through kills and reloads.

Slow. Needs the extra [test-browser] and the system's Chromium (`apt-get install chromium`).
"""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from woundgen.review.decisions import read_decisions
from woundgen.study.files import journal_path, read_study
from woundgen.study.session import standing_answers

from ..browser import accessibility_faults, open_browser
from ..unit.study.conftest import make_study

pytestmark = pytest.mark.slow
FIELDS = ("call", "confidence", "phase", "plausibility", "remark")


class Server:
    """`woundgen study serve` in a process of its own, on one port through every restart."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.links = folder, "0", dict[str, str]()
        self.start()

    def start(self) -> None:
        words = [sys.executable, "-m", "woundgen", "study", "serve", str(self.folder), "--port", self.port]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.match(r"(reader-\d+) .* (http://\S+)", line):
                self.links[found[1]] = found[2]
                self.port = re.search(r":(\d+)/", found[2])[1]  # type: ignore[index]
            if line.startswith("answers are on disk"):
                return
        raise AssertionError("the server did not start")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    make_study(tmp_path / "study", items=60, repeats=0, checks=0)
    server = Server(tmp_path / "study")
    yield server
    server.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as browser:
        yield browser


def expect(*words: Any) -> Any:
    """Import playwright only where a test runs: collecting needs no extra."""
    from playwright.sync_api import expect as expect_of_playwright

    return expect_of_playwright(*words)


def script(seed: int, count: int = 60) -> list[dict[str, Any]]:
    """What a reader says of each picture; some remarks hold script."""
    rng = random.Random(seed)
    remarks = ("", "", "shiny", "<script>document.title='x'</script>", "Äußerst glatt & “rund”")
    return [
        {"call": rng.choice(["real", "synthetic"]), "confidence": rng.randint(1, 5),
         "phase": rng.choice(["I", "R", "unsure"]), "plausibility": rng.randint(1, 5), "remark": rng.choice(remarks)}
        for _ in range(count)
    ]  # fmt: skip


def saved(folder: Path, reader: str) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in journal_path(folder, reader).read_text().splitlines()]
    return [{name: row[name] for name in FIELDS} for row in standing_answers(rows)]


def wait_for(page: Any, position: int, total: int = 60) -> None:
    if position == total:
        page.wait_for_selector("#end:not([hidden])", timeout=60_000)
        return
    page.wait_for_selector("#reading:not([hidden])", timeout=60_000)
    expect(page.locator("#count")).to_have_text(f"picture {position + 1} of {total}", timeout=60_000)
    expect(page.locator("#save")).to_be_disabled(timeout=60_000)


def type_answer(page: Any, one: dict[str, Any]) -> None:
    """Keys alone."""
    page.keyboard.press("1" if one["call"] == "real" else "2")
    page.keyboard.press(str(one["confidence"]))
    page.keyboard.press({"I": "i", "R": "2", "unsure": "3"}[one["phase"]])
    page.keyboard.press(str(one["plausibility"]))
    if one["remark"]:
        page.keyboard.press("r")
        page.keyboard.insert_text(one["remark"])
        page.keyboard.press("Escape")
    page.keyboard.press("Enter")


def tap_answer(page: Any, one: dict[str, Any]) -> None:
    """Fingers alone."""
    for name in ("call", "confidence", "phase", "plausibility"):
        page.locator(f"input[name={name}][value='{one[name]}']").tap()
    if one["remark"]:
        page.locator("#remark").fill(one["remark"])
    page.locator("#save").tap()


def test_a_reader_by_keyboard(server: Server, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(server.links["reader-1"])
    page.wait_for_selector("#start:not([hidden])")
    page.keyboard.press("Enter")
    played = script(1)
    for position, one in enumerate(played):
        wait_for(page, position)
        if position == 20:  # a wrong answer, taken back and given again
            type_answer(page, one | {"call": "real" if one["call"] == "synthetic" else "synthetic", "remark": ""})
            wait_for(page, position + 1)
            page.keyboard.press("z")
            expect(page.locator("#save")).to_be_enabled(timeout=60_000)
            for _ in range(3):
                page.keyboard.press("ArrowUp")
        if position == 30:  # a pause hides the picture
            page.keyboard.press("p")
            page.wait_for_selector("#paused:not([hidden])")
            assert not page.locator("#large").is_visible()
            page.keyboard.press("Enter")
        type_answer(page, one)
    wait_for(page, 60)
    assert saved(server.folder, "reader-1") == played
    assert page.title() != "x"
    assert errors == []
    assert saved(server.folder, "reader-2") == []


def test_a_reader_by_touch_through_kills_and_reloads(server: Server, browser: Any) -> None:
    """The server is killed (-9) and the page reloaded three times; one answer is given while it is down."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(server.links["reader-2"])
    page.locator("#begin").tap()
    played = script(2)
    for position, one in enumerate(played):
        wait_for(page, position)
        if position in (15, 40):  # killed between answers, and reloaded
            server.kill()
            server.start()
            page.reload()
            page.locator("#begin").tap()
            wait_for(page, position)
        if position == 28:  # killed while the answer is on its way: the page sends it again, by itself
            server.kill()
            tap_answer(page, one)
            expect(page.locator("#status")).to_contain_text("Not saved yet", timeout=60_000)
            server.start()
            continue
        if position == 50:  # reloaded half-way through a form: the draft is there
            page.locator(f"input[name=call][value='{one['call']}']").tap()
            page.reload()
            page.locator("#begin").tap()
            page.wait_for_selector("#reading:not([hidden])")
            assert page.locator(f"input[name=call][value='{one['call']}']").is_checked()
        tap_answer(page, one)
    wait_for(page, 60)
    assert saved(server.folder, "reader-2") == played
    assert len(read_study(server.folder).orders["reader-2"]) == 60


def test_two_tabs_count_each_picture_once(server: Server, browser: Any) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    first, second = context.new_page(), context.new_page()
    for page in (first, second):
        page.goto(server.links["reader-1"])
        page.wait_for_selector("#start:not([hidden])")
        page.keyboard.press("Enter")
        wait_for(page, 0)
    one, other = script(3, 2)
    first.bring_to_front()
    type_answer(first, one)
    wait_for(first, 1)
    second.bring_to_front()
    type_answer(second, other)  # of picture 1 still
    expect(second.locator("#status")).to_contain_text("answered already", timeout=60_000)
    assert saved(server.folder, "reader-1") == [one]


class ReviewServer:
    """`woundgen review` in a process of its own."""

    def __init__(self, set_dir: Path) -> None:
        words = [sys.executable, "-m", "woundgen", "review", str(set_dir), "--port", "0", "--reviewer", "Anna"]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.link = next(line.strip() for line in self.process.stdout if line.startswith("http"))


@pytest.fixture
def large_set(tmp_path: Path) -> Path:
    return write_reviewed_set(tmp_path, count=10_000)


@pytest.fixture
def small_set(tmp_path: Path) -> Path:
    return write_reviewed_set(tmp_path, count=12)


def write_reviewed_set(tmp_path: Path, *, count: int) -> Path:
    """Write images that all have one picture's bytes, and a score that falls."""
    import numpy as np

    from woundgen.data.files.images import png_bytes

    (tmp_path / "set" / "images").mkdir(parents=True)
    content = png_bytes(np.full((128, 128, 3), 120, np.uint8), text={})
    rows = []
    for index in range(count):
        name = f"images/{index:06d}.png"
        (tmp_path / "set" / name).write_bytes(content)
        rows.append({"index": index, "file_name": name, "label": "I", "accepted": True, "reason": "",
                     "scores": {"sharpness": -float(index)}})  # fmt: skip
    (tmp_path / "set" / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "set" / "counts.json").write_text(json.dumps({"drawn": count, "accepted": count, "not_kept": {}}))
    return tmp_path / "set"


def test_ten_thousand_images_are_reviewed_by_key(large_set: Path, browser: Any) -> None:
    """Only tiles in view exist; sorting, bulk and undo act on all; the journal holds what was decided."""
    server = ReviewServer(large_set)
    try:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(server.link)
        page.wait_for_selector(".tile")
        assert page.locator(".tile").count() < 200
        page.keyboard.press("End")
        expect(page.get_by_alt_text("image 9999", exact=True)).to_be_visible(timeout=30_000)
        assert page.locator(".tile").count() < 200
        page.locator("#sort").select_option("sharpness")
        page.locator("#scroll").focus()
        expect(page.get_by_alt_text("image 9999", exact=True)).to_be_visible(timeout=30_000)
        page.keyboard.press("4")  # the least sharp one is an artefact
        expect(page.locator("#counts")).to_contain_text("1 rejected", timeout=30_000)
        page.keyboard.press("Control+a")
        page.keyboard.press("a")
        expect(page.locator("#counts")).to_contain_text("10000 accepted", timeout=30_000)
        page.keyboard.press("z")
        expect(page.locator("#counts")).to_contain_text("0 accepted, 1 rejected", timeout=30_000)
    finally:
        server.process.terminate()
        server.process.wait()
    decisions = read_decisions(large_set)
    assert {index: (one.verdict, one.reason) for index, one in decisions.items()} == {9999: ("reject", "artefact")}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_readers_pages_are_accessible(server: Server, browser: Any, scheme: str, width: int) -> None:
    """axe-core, contrast AA among its rules, finds nothing on any screen of a study."""
    context = browser.new_context(
        viewport={"width": width, "height": 844}, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(server.links["reader-1"])
    page.wait_for_selector("#start:not([hidden])")
    faults = {"start": accessibility_faults(page)}
    page.keyboard.press("Enter")
    wait_for(page, 0)
    faults["picture"] = accessibility_faults(page)
    page.keyboard.press("1")
    faults["answered"] = accessibility_faults(page)
    page.keyboard.press("h")
    faults["keys"] = accessibility_faults(page)
    page.keyboard.press("Escape")
    page.locator("#pause").click()
    page.wait_for_selector("#paused:not([hidden])")
    faults["paused"] = accessibility_faults(page)
    context.close()
    assert not any(faults.values()), "\n".join(f"{screen}: {found}" for screen, found in faults.items())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_review_page_is_accessible(small_set: Path, browser: Any, scheme: str, width: int) -> None:
    server = ReviewServer(small_set)
    try:
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True)
        page = context.new_page()
        page.goto(server.link)
        page.wait_for_selector(".tile")
        faults = {"grid": accessibility_faults(page)}
        page.locator("#scroll").focus()
        page.keyboard.press("a")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("2")
        expect(page.locator("#counts")).to_contain_text("1 rejected", timeout=30_000)
        faults["decided"] = accessibility_faults(page)
        page.keyboard.press("Enter")
        page.wait_for_selector("#single[open]")
        faults["single"] = accessibility_faults(page)
        context.close()
    finally:
        server.process.terminate()
        server.process.wait()
    assert not any(faults.values()), "\n".join(f"{screen}: {found}" for screen, found in faults.items())
