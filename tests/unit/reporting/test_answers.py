"""What a report answers first, from stored numbers alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from woundgen.errors import UserError
from woundgen.reporting.answers import quality_answer, sharing_answer, utility_answer
from woundgen.reporting.read_audit import audit_facts, join_audits
from woundgen.reporting.read_run import collect
from woundgen.reporting.report_data import Measurement, ReportContent, RunFacts, SetFacts
from woundgen.reporting.write import report_page
from woundgen.storage.files import write_json
from woundgen.storage.set_rows import images_digest

from .stored_results import measured, value, write_run, write_set

RUN = RunFacts("run", ("I",), "finished", "", "", "", "", None, None, None, (), (), (), (), (), ())
SET = SetFacts("set", 10, 8, 0, True, True, (("too dark", 1), ("copy by matched places", 1)), (), (), (), held_back=1)
AUDIT: dict[str, Any] = {
    "n": 8, "images": "d", "copies": {"count": 0, "upper_bound": 0.01},
    "nearness": {"p": 0.4}, "membership": {"p": 0.3},
    "released": {"proven": 0}, "verdict": "No sign of copying in 8 images.", "not_covered": "Not covered: more.",
}  # fmt: skip


def content(*values: Any) -> list[ReportContent]:
    return [ReportContent(RUN, measurements=(Measurement("set", values),))]


def fd(x: float, n: int = 100) -> list[Any]:
    return [value("fd", x, n=n), value("fd", 2.0, n=n, label="floor")]


@pytest.mark.parametrize(
    ("rows", "word", "tone", "says"),
    [
        (fd(6.0), "Not like photographs.", "bad", "FD (embedded) is 6.00 (5.50 to 6.50, n = 100)"),
        (fd(6.0, n=12), "Too few images to say.", "open", "The smallest n is 12; 30 are needed."),
        (fd(2.5), "No difference from photographs shown.", "open", "no proof that they are alike"),
        ([*fd(6.0), value("gap_closed", 0.5, half=0.2)], "Nearer than the untuned model, but not like photographs.",
         "open", "closed 50% of the gap between the untuned model and the photographs (95 % interval 30% to 70%"),
        ([*fd(6.0), value("gap_closed", 0.1, half=0.2)], "Not like photographs.", "bad", "closed 10%"),
        ([value("recall", 0.5)], "Not measured.", "unasked", "No number with an interval and a floor"),
    ],
)  # fmt: skip
def test_is_it_good(rows: list[Any], word: str, tone: str, says: str) -> None:
    answer = quality_answer(content(*rows))
    assert (answer.findings[0].word, answer.tone) == (word, tone)
    assert says in answer.findings[0].text


def test_a_classifier_that_tells_them_apart_is_in_the_answer() -> None:
    rows = [*fd(2.5), value("two_sample", 0.9, half=0.05), value("two_sample", 0.5, half=0.05, label="floor")]
    finding = quality_answer(content(*rows)).findings[0]
    assert finding.word == "Not like photographs."
    assert "right on 90% of held-out cases (85% to 95%, n = 100); 50 % is chance" in finding.text


def test_nothing_measured_says_what_to_run() -> None:
    answer = quality_answer([ReportContent(RUN)])
    assert "woundgen evaluate" in answer.findings[0].text
    assert answer.chart is None


@pytest.mark.parametrize(
    ("change", "word", "tone"),
    [
        ({}, "Not yet: no audit.", "open"),
        ({"copies_sought": False}, "No: copies were not ruled out.", "bad"),
        ({"screened": False, "copies_sought": False}, "No: nothing was screened.", "bad"),
        ({"audit": audit_facts(AUDIT)}, "No sign of copying.", "good"),
        ({"audit": audit_facts(AUDIT | {"membership": {"p": 0.01}})}, "Not without a decision.", "bad"),
        ({"audit": audit_facts(AUDIT | {"nearness": {"not_made": "few"}, "membership": {"not_made": "few"}})},
         "No sign of copying, but too little was tested.", "open"),
        ({"audit": audit_facts(AUDIT | {"copies": {"count": 0, "upper_bound": 0.2}})},
         "No sign of copying, but too little was tested.", "open"),
        ({"audit": audit_facts(AUDIT | {"released": {"proven": 1}})}, "Not without a decision.", "bad"),
        ({"audit": audit_facts(AUDIT | {"copies": {"count": 1, "upper_bound": 0.5}})},
         "Not without a decision.", "bad"),
    ],
)  # fmt: skip
def test_may_i_share_it(change: dict[str, Any], word: str, tone: str) -> None:
    answer = sharing_answer([ReportContent(RUN, sets=(replace(SET, **change),))])
    assert (answer.findings[0].word, answer.tone) == (word, tone)
    if "audit" in change:
        assert "Not covered: more." in answer.findings[0].text


def test_the_gravest_set_gives_the_tone() -> None:
    sets = (replace(SET, name="a", audit=audit_facts(AUDIT)), replace(SET, name="b", screened=False))
    answer = sharing_answer([ReportContent(RUN, sets=sets)])
    assert answer.tone == "open"
    assert [finding.subject for finding in answer.findings] == ["a", "b"]


def test_without_a_study_the_third_answer_says_how_to_ask() -> None:
    assert "woundgen utility" in utility_answer(None).findings[0].text


def test_the_page_opens_with_the_answers(tmp_path: Path) -> None:
    run, generated = write_run(tmp_path / "run", steps=6), write_set(tmp_path / "phase_I_set")
    page = report_page([collect(run, [generated], [measured()])], title="Report")
    at = [page.index(f"<h2>{question}</h2>") for question in ("Is it good?", "May I share it?", "Does it help?")]
    assert at == sorted(at)
    assert at[-1] < page.index("<h3>Pictures</h3>") < page.index("<h3>Curves</h3>") < page.index("<h3>Numbers:")


@pytest.fixture
def audit_of(tmp_path: Path) -> Callable[[str], Path]:
    def write(images: str) -> Path:
        (tmp_path / "audit").mkdir()
        write_json(tmp_path / "audit" / "privacy.json", AUDIT | {"images": images})
        return tmp_path / "audit"

    return write


def test_an_audit_joins_the_set_with_its_images(tmp_path: Path, audit_of: Callable[[str], Path]) -> None:
    generated = write_set(tmp_path / "set")
    joined = join_audits([generated], [audit_of(images_digest(generated))])
    assert joined[generated].n == 8


def test_an_audit_of_other_images_is_refused(tmp_path: Path, audit_of: Callable[[str], Path]) -> None:
    with pytest.raises(UserError, match="other images"):
        join_audits([write_set(tmp_path / "set")], [audit_of("other")])
    write_json(tmp_path / "audit" / "privacy.json", {"verdict": "old"})
    with pytest.raises(UserError, match="audit again"):
        join_audits([tmp_path / "set"], [tmp_path / "audit"])
