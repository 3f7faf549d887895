"""The three answers that a report opens with: is it good, may I share it, does it help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from woundgen.numbers import write_number
from woundgen.records import METRICS, MetricValue
from woundgen.reporting.answer_figures import distance_chart, fate_chart
from woundgen.reporting.charts import Chart
from woundgen.reporting.distinguish import FEWEST_FOR_VERDICT, Distinction, distinguish
from woundgen.reporting.metric_table import bounds, n_of, title
from woundgen.reporting.read_audit import audit_word
from woundgen.reporting.report_data import Measurement, ReportContent, SetFacts
from woundgen.reporting.stored_metrics import FLOOR, by_kind, kind
from woundgen.reporting.utility_page import Tone, UtilityView

_GRAVITY: tuple[Tone, ...] = ("bad", "open", "good", "unasked")
SCREEN_ONLY = (
    "A screen is no proof: nearness to the patients trained on, and what the model's loss gives away, are not tested "
    "yet. Run woundgen audit, then woundgen report with --audit."
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A statement on a set. subject: its name, empty where there is a single set. word: the answer in a few words."""

    subject: str
    word: str
    tone: Tone
    text: str


@dataclass(frozen=True, slots=True)
class ReportAnswer:
    """A question with its findings. note: holds of all of them. chart: None where there is nothing to draw yet."""

    question: str
    findings: tuple[Finding, ...]
    chart: Chart | None = None
    note: str = ""

    @property
    def tone(self) -> Tone:
        """The gravest of the findings."""
        return min((finding.tone for finding in self.findings), key=_GRAVITY.index)


def answers(
    contents: Sequence[ReportContent], utility: UtilityView | None
) -> tuple[ReportAnswer, ReportAnswer, ReportAnswer]:
    return quality_answer(contents), sharing_answer(contents), utility_answer(utility)


def quality_answer(contents: Sequence[ReportContent]) -> ReportAnswer:
    measurements = [measurement for content in contents for measurement in content.measurements]
    several = len(measurements) > 1
    findings = [_quality(measurement, measurement.label if several else "") for measurement in measurements]
    if not findings:
        text = "No set was held against photographs yet. Run woundgen evaluate, which needs photographs held out."
        findings = [Finding("", "Not measured.", "unasked", text + _best_evaluation(contents))]
    return ReportAnswer("Is it good?", tuple(findings), distance_chart(measurements))


def _best_evaluation(contents: Sequence[ReportContent]) -> str:
    best = [content.run.best for content in contents if content.run.best]
    if not best:
        return ""
    chosen = write_number(best[0].value)
    return f" The value that chose the checkpoint ({chosen}) was picked as the best of many and flatters."


def _quality(measurement: Measurement, subject: str) -> Finding:
    values = measurement.values
    result = distinguish(values)
    gap = next((value for value in values if value.metric == "gap_closed" and not value.label), None)
    text = " ".join([*_reasons(result), *_distance(values), *_two_sample(values), *_gap(gap)])
    if result.verdict == "unmeasured":
        return Finding(subject, "Not measured.", "unasked", "No number with an interval and a floor is stored. " + text)
    if result.verdict == "too few":
        return Finding(subject, "Too few images to say.", "open", text)
    if result.verdict == "equivalent":
        return Finding(subject, "Like photographs, as far as this autoencoder can draw.", "good", text)
    if result.verdict == "open":
        return Finding(subject, "No difference from photographs shown.", "open", text)
    improved = gap is not None and gap.low is not None and gap.low > 0
    word = "Nearer than the untuned model, but not like photographs." if improved else "Not like photographs."
    return Finding(subject, word, "open" if improved else "bad", text)


def _reasons(result: Distinction) -> list[str]:
    if result.verdict == "too few":
        return [f"The smallest n is {result.n}; {FEWEST_FOR_VERDICT} are needed."]
    if result.verdict == "open":
        return [
            f"None of {result.count} numbers distinguishes these images from photographs at n = {result.n}. "
            "That is no proof that they are alike."
        ]
    if result.verdict == "equivalent":
        measures = _listed([_name(value) for value in result.by])
        return [f"By {measures} their distance is below what the autoencoder alone changes."]
    names = list(dict.fromkeys(_name(v) for v in result.by))
    return [f"These images are distinguished from photographs by {_listed(names)}."] if names else []


def _name(value: MetricValue) -> str:
    """Name the number inside a sentence."""
    if value.metric == "two_sample":
        return "the classifier"
    name = METRICS[value.metric].title
    return f"{name} ({value.network})" if value.metric in ("fd", "kid") else name


def _listed(names: Sequence[str], most: int = 3) -> str:
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more numbers"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _distance(values: Sequence[MetricValue]) -> list[str]:
    """Say the Fréchet distance, and that between two halves of the photographs."""
    floors = by_kind(values, FLOOR)
    value = next((v for v in values if v.metric in ("fid", "fd") and not v.label and kind(v) in floors), None)
    if value is None:
        return []
    floor = floors[kind(value)]
    spread = "no interval" if value.low is None else bounds(value)
    return [
        f"{title(value)} is {write_number(value.value)} ({spread}, n = {n_of(value)}); two halves of the photographs "
        f"are {write_number(floor.value)} from one another."
    ]


def _two_sample(values: Sequence[MetricValue]) -> list[str]:
    value = next((v for v in values if v.metric == "two_sample" and not v.label), None)
    if value is None:
        return []
    spread = "" if value.low is None or value.high is None else f"{value.low:.0%} to {value.high:.0%}, "
    return [
        f"The classifier is right on {value.value:.0%} of held-out cases ({spread}n = {n_of(value)}); 50 % is chance."
    ]


def _gap(gap: MetricValue | None) -> list[str]:
    if gap is None:
        return []
    spread = "no interval" if gap.low is None or gap.high is None else f"95 % interval {gap.low:.0%} to {gap.high:.0%}"
    return [
        f"Training closed {gap.value:.0%} of the gap between the untuned model and the photographs "
        f"({spread}, n = {n_of(gap)})."
    ]


def sharing_answer(contents: Sequence[ReportContent]) -> ReportAnswer:
    sets = [one_set for content in contents for one_set in content.sets]
    several = len(sets) > 1
    findings = [_sharing(facts, facts.name if several else "") for facts in sets]
    if not findings:
        findings = [Finding("", "No set yet.", "unasked", "Draw images with woundgen generate and --real, then audit.")]
    unaudited = any(facts.audit is None and facts.screened for facts in sets)
    return ReportAnswer("May I share it?", tuple(findings), fate_chart(sets), SCREEN_ONLY if unaudited else "")


def _sharing(facts: SetFacts, subject: str) -> Finding:
    held_back = f"{facts.held_back} of {facts.drawn} drawn images were held back as copies."
    audit = facts.audit
    if audit is not None:
        word, tone = audit_word(audit)
        return Finding(subject, word, tone, f"{audit.sentence} {audit.not_covered}")
    if facts.copies_sought:
        text = f"Each image was compared with every photograph trained on; {held_back}"
        return Finding(subject, "Not yet: no audit.", "open", text)
    if facts.screened:
        text = f"These images were not screened for copies of all training photographs. {held_back}"
        return Finding(subject, "No: copies were not ruled out.", "bad", text)
    text = "These images were not screened for copies: draw them with --real, and audit the set."
    return Finding(subject, "No: nothing was screened.", "bad", text)


def utility_answer(utility: UtilityView | None) -> ReportAnswer:
    question = "Does it help?"
    if utility is None:
        text = (
            "Whether a classifier of phases gains from these images is a question of its own. Ask woundgen utility, "
            "which tests on patients that neither the generator nor the classifier was trained on, then woundgen "
            "report with --utility."
        )
        return ReportAnswer(question, (Finding("", "Not asked.", "unasked", text),))
    return ReportAnswer(question, (Finding("", utility.word, utility.tone, utility.sentence),), utility.chart)
