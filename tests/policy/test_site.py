"""The documentation's site: what is made for it, and that it builds strictly. The build is slow and needs [docs]."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from calendar import month_name
from pathlib import Path
from typing import Any

import pytest
import yaml

from woundgen.cli import VERBS

from .test_no_torchvision import closure, pinned

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def maker() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "site_pages.py"))


def listed(nav: list[Any]) -> set[str]:
    """Every page of the navigation."""
    pages: set[str] = set()
    for entry in nav:
        value = next(iter(entry.values())) if isinstance(entry, dict) else entry
        pages |= listed(value) if isinstance(value, list) else {value}
    return pages


def test_every_page_is_in_the_navigation() -> None:
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert listed(site["nav"]) == pages


def test_the_command_line_page_has_every_verb_and_option(maker: dict[str, Any]) -> None:
    page = maker["cli_page"]()
    for verb in VERBS:
        assert f"## woundgen {verb.__name__}" in page
    assert "## woundgen data check" in page
    assert "| `--adapter` | required |" in page or "| `--adapter` |" in page
    assert re.search(r"^woundgen generate --adapter", page, re.M), "examples are there"
    assert "\b" not in page


def test_links_out_of_the_docs_name_the_file(maker: dict[str, Any]) -> None:
    text = "[how](../CONTRIBUTING.md#x) [`configs/y.yaml`](../../configs/y.yaml) [c](options.md) [d](../copies.md)"
    named = maker["OUTSIDE"].sub(maker["name_file"], text)
    assert named == "how (`CONTRIBUTING.md` of the checkout) `configs/y.yaml` [c](options.md) [d](../copies.md)"


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.stem)
def test_no_page_names_days_issues_or_this_machine(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)
    months = "|".join(month_name[1:])
    faults = re.findall(rf"\b\d{{1,2}} (?:{months})\b|[Ii]ssue #?\d+|Decision \d+|\.\./shared|/root/|throw-away", text)
    assert faults == []


@pytest.mark.slow
def test_the_site_builds_strictly(tmp_path: Path) -> None:
    """Without the extra [docs] this fails: it is part of the slow suite."""
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "howto" / "your_photographs" / "index.html").is_file()
    pages = "\n".join(path.read_text() for path in (tmp_path / "site").rglob("*.html"))
    assert "woundgen generate" in (tmp_path / "site" / "reference" / "cli" / "index.html").read_text()
    assert not re.search(r'(?:src|href)="https?://(?!github\.com|squidfunk)[^"]*\.(?:js|css|woff2?)"', pages)


@pytest.mark.slow
def test_docs_are_pinned() -> None:
    assert closure("woundgen", {"docs"}) - closure("woundgen", set()) <= set(pinned()) | set(pinned(docs=True))
