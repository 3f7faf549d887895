"""Every page that woundgen writes: axe-core finds nothing, light and dark, at 1280 and 390 px. Slow."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from woundgen.cli import run
from woundgen.comparison.candidates import read_candidates
from woundgen.comparison.compare import compare
from woundgen.comparison.write import write_comparison
from woundgen.downstream.assess import HeldOut
from woundgen.downstream.conclude import conclude
from woundgen.reporting.audit_page import audit_html
from woundgen.reporting.private_page import NearestPair, PrivateSection
from woundgen.reporting.read_run import collect, collect_grids
from woundgen.reporting.utility_page import utility_view, write_utility
from woundgen.reporting.write import write_reports

from ..browser import accessibility_faults, open_browser
from ..unit.comparison.test_compare import measured as measured_in
from ..unit.reporting.stored_results import measured, write_run, write_set
from ..unit.reporting.test_answers import AUDIT

pytestmark = pytest.mark.slow
SCREENS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]
PAGES = ("report", "report_private", "utility", "privacy", "quality_comparison", "check")
AUDITED = AUDIT | {
    "grouping": "patients",
    "drawn": {"held_back": 1, "count": 12},
    "nearness": {"not_made": "No photograph is held out."},
    "membership": {"not_made": "No photograph was sealed before training."},
    "released": {"not_made": "The set has no rows."},
    "authenticity": {"value": 0.6, "held_out": 0.5, "n": [8, 6]},
}


def utility_record() -> dict[str, Any]:
    """Return the record of a study on 40 made-up patients, its predictions at random around the truth."""
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], 20)
    names = ("real", "oversampled x1", "real + synthetic x1", "augmented", "synthetic only")
    predictions = {name: rng.dirichlet((1, 1), (5, 40)) * 0.5 + np.eye(2)[truth] * 0.5 for name in names}
    test = HeldOut(("I", "R"), truth, np.arange(40))
    counts = {phase: {"images": 20, "groups": 20} for phase in "IR"}
    design = {
        "test": "5 grouped folds", "grouping": "patients", "seeds": 5, "doses": [1.0], "phases_added_to": ["I", "R"],
        "tested": counts, "trained_on": counts, "synthetic": {"I": 40, "R": 40},
    }  # fmt: skip
    return {"version": 1, "classifier": "colour", "design": design} | conclude(predictions, test, doses=[1.0]).to_json()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    trained, generated = write_run(folder / "run"), write_set(folder / "phase_I_set")
    pixels = np.random.default_rng(9).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    pair = NearestPair(pixels, pixels, "distance 0.31")
    record = utility_record()
    write_reports(
        [collect(trained, [generated], [measured()])], out=folder, title="Report", identity="0",
        utility=utility_view(record),
        private=[PrivateSection("Phase I", [pixels], [pixels], [pair], grids=collect_grids(trained))],
    )  # fmt: skip
    write_utility(record, out=folder)
    (folder / "privacy.html").write_text(audit_html(AUDITED))
    results = [measured_in(folder / name, name, fd) for name, fd in {"base": 12.0, "tuned": 6.0}.items()]
    write_comparison(compare(read_candidates(results)), out=folder)
    assert run(["phantoms", "--count", "6", "--size", "64", "--out", str(folder / "photographs")]) == 0
    assert run(["data", "check", str(folder / "photographs"), "--out", str(folder / "check")]) == 0
    return {path.stem: path for path in (*folder.glob("*.html"), *folder.parent.glob(f"{folder.name}*/*.html"))} | {
        "check": folder / "check" / "check.html"
    }


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as browser:
        yield browser


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
@pytest.mark.parametrize("name", PAGES)
def test_page_is_accessible(pages: dict[str, Path], browser: Any, name: str, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(pages[name].as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    faults = accessibility_faults(page)
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    levels = page.eval_on_selector_all("h1,h2,h3,h4", "(all) => all.map((one) => Number(one.tagName[1]))")
    context.close()
    assert faults == []
    assert overflow == 0, "the page scrolls sideways"
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels)), levels


@pytest.mark.parametrize("width", [1280, 390])
def test_everything_that_scrolls_or_folds_takes_the_focus(pages: dict[str, Path], browser: Any, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(pages["report"].as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.tagName + '.' + document.activeElement.className"))
    assert {"A.", "SUMMARY.", "DIV.scroll"} <= reached
    page.close()


def test_a_fault_would_be_found(browser: Any) -> None:
    page = browser.new_page(bypass_csp=True)
    page.set_content('<html lang="en"><title>x</title><main><h1>x</h1><p style="color:#bbb">pale</p></main></html>')
    assert any(fault.startswith("color-contrast") for fault in accessibility_faults(page))
    page.close()
