"""Pages of a study of utility, from its utility.json: a table of arms, differences, the dose curve, one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from markupsafe import Markup

from woundgen.errors import UserError
from woundgen.numbers import write_interval, write_signed
from woundgen.reporting.charts import Chart, chart
from woundgen.reporting.html import render
from woundgen.reporting.tables import Table, as_html, as_markdown, escape_markdown
from woundgen.reporting.utility_figure import FigurePoint, Level, dose_figure
from woundgen.storage.content_digest import add_digest
from woundgen.storage.files import read_json, stored_values, write_json, write_text
from woundgen.storage.names import UTILITY_HTML, UTILITY_JSON, UTILITY_MD

Record = Mapping[str, Any]
Tone = Literal["good", "open", "bad", "unasked"]
WORDS: Mapping[str, tuple[str, Tone]] = {
    "helps": ("Yes.", "good"),
    "harms": ("It harms.", "bad"),
    "no difference shown": ("No difference shown.", "open"),
    "too little data to say": ("Too little data to say.", "open"),
}
TITLE = "Do the synthetic images help the classifier?"

MEANINGS = (
    (
        "kappa",
        "Cohen's kappa: agreement with the true phase beyond chance. 0 is chance, 1 is perfect; higher is better.",
    ),
    ("macro F1", "The mean over phases of F1, each phase with the same weight; higher is better."),
    ("F1, recall", "Of each phase. Recall is the share of its images that are called by its name; higher is better."),
    ("Brier score", "Mean squared error of the probabilities: 0 is sure and right, 2 sure and wrong; lower is better."),
    (
        "calibration error",
        "How far confidence and accuracy are apart, over ten bins of equal count. It is above 0 even for a "
        "calibrated classifier at this n, and carries no interval; lower is better.",
    ),
)


@dataclass(frozen=True, slots=True)
class UtilityView:
    """Content of the templates. word: the answer in a few words; tone: whether it is good news."""

    title: str
    word: str
    tone: Tone
    sentence: str
    design: Sequence[str]
    chart: Chart
    tables: Sequence[tuple[str, Markup]]
    meanings: Sequence[tuple[str, str]]


def write_utility(record: Record, *, out: Path) -> tuple[Path, ...]:
    """utility.json, UTILITY.md and utility.html; all are made before the first is written."""
    markdown, page = utility_markdown(record), utility_html(record)
    paths = out / UTILITY_JSON, out / UTILITY_MD, out / UTILITY_HTML
    try:
        write_json(paths[0], add_digest(record))
        write_text(paths[1], markdown)
        write_text(paths[2], page)
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}).", "Choose another --out.") from None
    return paths


def utility_markdown(record: Record) -> str:
    parts = [f"# {TITLE}", f"**{escape_markdown(record['verdict']['sentence'])}**"]
    parts += ["\n".join(f"- {escape_markdown(line)}" for line in design_lines(record))]
    for heading, table in tables(record):
        parts += [f"## {heading}", as_markdown(table).rstrip()]
    parts += ["## What the numbers mean", "\n".join(f"- {name}: {escape_markdown(text)}" for name, text in MEANINGS)]
    return "\n\n".join(parts) + "\n"


def utility_html(record: Record) -> str:
    return render("utility.html.j2", {"title": TITLE, "utility": utility_view(record)})


def utility_view(record: Record, *, lines: Sequence[str] = ()) -> UtilityView:
    """lines: further ones below the design, such as whose images the study is of."""
    word, tone = WORDS[record["verdict"]["word"]]
    return UtilityView(
        title=TITLE,
        word=word,
        tone=tone,
        sentence=record["verdict"]["sentence"],
        design=[*design_lines(record), *lines],
        chart=dose_chart(record),
        tables=[(heading, as_html(table)) for heading, table in tables(record)],
        meanings=MEANINGS,
    )


def read_utility(folder: Path) -> Record:
    """Read utility.json of a finished study. UserError where there is none, or none that a page can be made of."""
    path = folder / UTILITY_JSON
    record = read_json(path)
    if not isinstance(record, dict) or record.get("version") != 1:
        raise UserError(f"{path} is not of this version.", "Run woundgen utility again.")
    with stored_values(path):
        utility_markdown(record)
        utility_html(record)
    return record


def tables(record: Record) -> list[tuple[str, Table]]:
    found = [
        ("Each dose against what it has to beat", doses_table(record)),
        ("All arms", arms_table(record)),
        ("Each phase", phases_table(record)),
    ]
    return found + ([("Which images help", choice_table(record))] if record["chosen"] else [])


def design_lines(record: Record) -> list[str]:
    design = record["design"]
    tested = _counts(design["tested"], design["grouping"])
    trained = _counts(design["trained_on"], design["grouping"])
    synthetic = ", ".join(f"{phase} {number}" for phase, number in design["synthetic"].items())
    grouping = (
        ""
        if design["grouping"] == "patients"
        else (" Patients are not known: one patient may stand on both sides, and the intervals are too narrow.")
    )
    return [
        f"Classifier: {record['classifier']}; every arm with the same number of optimizer steps and with the "
        "phases in equal parts.",
        f"Test: {design['test']}, groups are {design['grouping']} ({tested}).{grouping}",
        f"Photographs to train on{' (first fold)' if 'fold' in design['test'] else ''}: {trained}. "
        f"Synthetic images to draw from: {synthetic}.",
        f"{design['seeds']} seeds for each arm and fold; each draws its own synthetic images and its own repeats.",
    ]


def _counts(phases: Mapping[str, Mapping[str, int]], grouping: str) -> str:
    return "; ".join(f"{phase}: {n['images']} images of {n['groups']} {grouping}" for phase, n in phases.items())


def arms_table(record: Record) -> Table:
    names = [name for name in record["arms"][0]["scores"] if not _is_of_phase(name)]
    rows = tuple(
        (arm["name"], *(_with_bounds(arm["scores"][name]) for name in names), f"{arm['calibration']:.3f}")
        for arm in record["arms"]
    )
    return Table(("Arm", *names, "calibration error"), rows, (_n_note(record), "calibration error: no interval."))


def phases_table(record: Record) -> Table:
    names = [name for name in record["arms"][0]["scores"] if _is_of_phase(name)]
    rows = tuple((arm["name"], *(_with_bounds(arm["scores"][name]) for name in names)) for arm in record["arms"])
    return Table(("Arm", *names), rows, (_n_note(record),))


def _is_of_phase(name: str) -> bool:
    return name.startswith(("F1 ", "recall "))


def _n_note(record: Record) -> str:
    tested = sum(n["images"] for n in record["design"]["tested"].values())
    return (
        f"n = {tested} test images; in brackets the 95 % interval of each number alone, jackknife over "
        f"{record['design']['grouping']} plus variance over seeds."
    )


def doses_table(record: Record) -> Table:
    header = ("Arm", "Against", "Difference in kappa", "Interval", "Smallest shown", "At this dose")
    words = {f"real + synthetic x{one['dose']:g}": one for one in record["verdict"]["doses"]}
    rows = []
    for one in record["compared"]:
        at = words[one["arm"]]
        best = one["control"] == at["best"]
        rows.append(
            (one["arm"], one["control"] + (" (best)" if best else ""), *_difference(one), at["word"] if best else "")
        )
    notes = (
        "Intervals hold for all rows at once (95 %, max-T over doses and arms), clustered by "
        f"{record['design']['grouping']}. A dose helps "
        "where it is above every arm that it is held against, and harms where it is below every one. Smallest shown: "
        "the true difference that this design would have shown in 80 of 100 repetitions.",
    )
    return Table(header, tuple(rows), notes)


def choice_table(record: Record) -> Table:
    header = ("Images chosen", "Against as many at random", "Difference in kappa", "Interval", "Smallest shown")
    rows = tuple((one["arm"], one["control"], *_difference(one)) for one in record["chosen"])
    note = (
        "Realism is the screen's, among the training photographs of the phase; the boundary is that of the arm “real”."
    )
    return Table(header, rows, (note, "Intervals hold for all rows at once (95 %, max-T)."))


def _difference(one: Mapping[str, Any]) -> tuple[str, str, str]:
    interval = write_interval(one["low"], one["high"], ".3f")
    return write_signed(one["value"], ".3f"), interval, f"{one['smallest']:.3f}"


def _with_bounds(score: Mapping[str, float]) -> str:
    return f"{score['value']:.3f} ({score['low']:.3f} to {score['high']:.3f})"


def dose_chart(record: Record) -> Chart:
    """Kappa over dose, with synthetic images and with repeats, beside the arms that have no dose."""
    scores = {arm["name"]: arm["scores"]["kappa"] for arm in record["arms"]}
    doses = record["design"]["doses"]
    curves = {
        name: [FigurePoint(dose, **scores[f"{name} x{dose:g}"]) for dose in doses]
        for name in ("real + synthetic", "oversampled")
    }
    levels = [Level(name, scores[name]["value"]) for name in ("real", "augmented", "synthetic only") if name in scores]
    told = "; ".join(f"{p.value:.3f} at {p.dose:g}" for p in curves["real + synthetic"])
    return chart(
        dose_figure("Kappa by dose", curves, levels),
        alt=f"Kappa with synthetic images: {told}. Real alone: {scores['real']['value']:.3f}.",
        caption="Bars: the 95 % interval of each number alone. They overlap even where a paired difference is clear.",
    )
