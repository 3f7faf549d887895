"""Pages of a reader study from its record: one to share (no photograph), Markdown, JSON, and a private one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from woundgen.errors import UserError
from woundgen.numbers import write_interval, write_signed
from woundgen.reporting.charts import Chart, chart
from woundgen.reporting.figures import Bar, Reference, intervals_figure
from woundgen.reporting.html import render
from woundgen.reporting.masking import refuse_private
from woundgen.reporting.pictures import Picture
from woundgen.reporting.tables import Table, as_html, as_markdown, escape_markdown
from woundgen.storage.files import write_json, write_text

Record = Mapping[str, Any]
TITLE = "Could readers tell?"
HTML, MARKDOWN, JSON, PRIVATE = "study.html", "STUDY.md", "study.json", "study_private.html"

MEANINGS = (
    ("accuracy", "Mean of sensitivity and specificity: 50 % for a reader who cannot tell, whatever the habit."),
    ("sensitivity", "Share of synthetic images called synthetic."),
    ("specificity", "Share of photographs called real."),
    (
        "AUC",
        "From call and confidence: how often a synthetic image is rated higher than a photograph. 0.5: chance.",
    ),
    (
        "d'",
        "Distance of the two kinds in the reader's mind, in SD; 0 is chance. Log-linear correction.",
    ),
    (
        "intervals",
        "95 %. Pooled: readers and cases are both samples (Obuchowski & Rockette, with Hillis's degrees of freedom; "
        "covariances by a jackknife that leaves out one patient or one synthetic image). Of one reader: cases only.",
    ),
    (
        "equivalence",
        "Two one-sided tests at 5 %: claimed where the 90 % interval of accuracy lies within the margin around 50 %.",
    ),
    (
        "kappa",
        "Agreement beyond chance: Fleiss for all readers, Cohen for two answers (plausibility: weighted).",
    ),
)


def write_study_report(
    record: Record,
    pictures: Mapping[str, Picture],
    *,
    out: Path,
    private: Path | None,
    photographs: Sequence[Picture],
    secrets: Sequence[str],
) -> tuple[Path, ...]:
    """Write the pages; all are made before the first is written.

    pictures: synthetic images by item. private: folder for the private page, None for none. secrets: texts that the
    shared pages must not hold (UserError).
    """
    pages = {out / MARKDOWN: study_markdown(record), out / HTML: study_html(record, pictures)}
    for path, page in pages.items():
        refuse_private(page, secrets, name=path.name)
    if private is not None:
        pages[private / PRIVATE] = study_html(record, pictures, photographs=photographs)
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / JSON, record)
        for path, page in pages.items():
            write_text(path, page)
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}).", "Choose another --out.") from None
    if private is not None:
        (private / PRIVATE).chmod(0o600)
    return (out / JSON, *pages)


def study_markdown(record: Record) -> str:
    parts = [f"# {TITLE}", f"**{escape_markdown(record['sentence'])}**"]
    parts += ["\n".join(f"- {escape_markdown(line)}" for line in design_lines(record))]
    for heading, table in tables(record):
        parts += [f"## {heading}", as_markdown(table).rstrip()]
    parts += ["## What the numbers mean", "\n".join(f"- {name}: {escape_markdown(text)}" for name, text in MEANINGS)]
    return "\n\n".join(parts) + "\n"


def study_html(record: Record, pictures: Mapping[str, Picture], *, photographs: Sequence[Picture] = ()) -> str:
    """photographs: with any, the page is private and says so."""
    shown = {part: [pictures[one["item"]] for one in rows] for part, rows in record["gave_away"].items()}
    context = {
        "title": TITLE,
        "sentence": record["sentence"],
        "design": design_lines(record),
        "chart": accuracy_chart(record),
        "tables": [(heading, as_html(table)) for heading, table in tables(record)],
        "surest": shown["surest"],
        "passed": shown["passed"],
        "photographs": photographs,
        "meanings": MEANINGS,
    }
    return render("study.html.j2", context)


def design_lines(record: Record) -> list[str]:
    design, equal = record["design"], record["equivalence"]
    lines = [
        f"{design['photographs']} photographs of {design['patients']} patients, {design['synthetic']} synthetic images "
        f"of phases {', '.join(design['phases'])}; {design['readers']} reader{'s' if design['readers'] > 1 else ''}, "
        f"{design['answers']} answers to first showings.",
        f"Equivalence to 50 % within +-{equal['margin']:.0%}: {'claimed' if equal['claimed'] else 'not claimed'} "
        f"(p = {equal['p']:.3f}; 90 % interval {equal['low']:.1%} to {equal['high']:.1%}).",
    ]
    if design["left_out"]:
        lines.append(f"Left out, with too few answers: {', '.join(design['left_out'])}.")
    if design["readers"] == 1:
        lines.append("One reader: the intervals are over cases only and say nothing of other readers.")
    return lines


def tables(record: Record) -> list[tuple[str, Table]]:
    found = [("All readers together", _pooled_table(record)), ("Each reader", _reader_table(record))]
    for key, heading in (("by_set", "Each set against all photographs"), ("by_phase", "Each phase")):
        if record[key]:
            found.append((heading, _part_table(record[key])))
    found += [
        ("Agreement", _agreement_table(record)),
        ("Does a synthetic I look like I?", _phase_table(record)),
        ("Plausibility and time", _side_table(record)),
    ]
    if record["predictors"] or record["set_metrics"]:
        found.append(("Which metrics go with the readers", _predictor_table(record)))
    return found


def _percent(entry: Mapping[str, float] | None) -> str:
    if entry is None:
        return "–"
    if entry["low"] is None:
        return f"{entry['value']:.0%} (no interval: nothing varied)"
    return f"{entry['value']:.0%} ({entry['low']:.0%} to {entry['high']:.0%})"


def _plain(entry: Mapping[str, float] | None, digits: int = 2) -> str:
    if entry is None:
        return "–"
    if entry["low"] is None:
        return f"{entry['value']:.{digits}f} (no interval: nothing varied)"
    return f"{entry['value']:.{digits}f} ({entry['low']:.{digits}f} to {entry['high']:.{digits}f})"


def _figure(name: str, entry: Mapping[str, float] | None) -> str:
    return _plain(entry) if name in ("AUC", "d'") else _percent(entry)


def _pooled_table(record: Record) -> Table:
    rows = tuple((name, _figure(name, entry)) for name, entry in record["pooled"].items())
    return Table(("Figure", "Value (95 % interval)"), rows, (_n_note(record),))


def _n_note(record: Record) -> str:
    design = record["design"]
    readers = f"{design['readers']} reader{'s' if design['readers'] > 1 else ''}"
    return f"n = {readers}, {design['photographs']} photographs, {design['synthetic']} synthetic images."


def _reader_table(record: Record) -> Table:
    names = list(record["pooled"])
    rows = tuple(
        (
            one["name"], str(one["answers"]), *(_figure(name, one[name]) for name in names),
            f"{one['checks'][0]} of {one['checks'][1]}", "–" if one["seconds"] is None else f"{one['seconds']:.1f} s",
        )
        for one in record["readers"]
    )  # fmt: skip
    note = "Intervals over cases. Attention checks: passed of answered. Time: median a picture; – where none was taken."
    return Table(("Reader", "n", *names, "Checks", "Time"), rows, (note,))


def _part_table(parts: Sequence[Mapping[str, Any]]) -> Table:
    rows = tuple((one["name"], str(one["synthetic"]), _percent(one["accuracy"]), _plain(one["AUC"])) for one in parts)
    return Table(("Part", "Synthetic images", "accuracy", "AUC"), rows, ("Against the photographs of the part.",))


def _kappa(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return "–"
    if one["kappa"] is None:
        return f"none: all answers alike (n = {one['n']})"
    bounds = "no interval" if one["low"] is None else f"{one['low']:.2f} to {one['high']:.2f}"
    return f"{one['kappa']:.2f} ({bounds}); {one['share']:.0%} alike, n = {one['n']}"


def _agreement_table(record: Record) -> Table:
    agreement = record["agreement"]
    rows: list[tuple[str, ...]] = [("all readers (Fleiss)", _kappa(agreement["call"]), _kappa(agreement["phase"]), "–")]
    rows += [
        (" / ".join(one["readers"]), *(_kappa(one[name]) for name in ("call", "phase", "plausibility")))
        for one in agreement["pairs"]
    ]
    rows += [
        (f"{one['name']}, second showing", *(_kappa(one["again"][name]) for name in ("call", "phase", "plausibility")))
        for one in record["readers"]
    ]
    note = "kappa with its 95 % interval (jackknife over pictures), share of equal answers, pictures."
    return Table(("Between", "Real or synthetic", "Phase", "Plausibility"), tuple(rows), (note,))


def _phase_table(record: Record) -> Table:
    labels = record["phase_labels"]
    rows = [
        ("all", *(_percent(labels["named_as_meant"][side]) for side in ("real", "synthetic", "difference")), "", "")
    ]
    names = [*record["design"]["phases"], "cannot say"]
    for number, one in enumerate(labels["by_phase"]):
        named = [
            ", ".join(f"{name} {count}" for name, count in zip(names, labels["counts"][kind][number], strict=True))
            for kind in ("real", "synthetic")
        ]
        rows.append((one["name"], *(_percent(one[side]) for side in ("real", "synthetic", "difference")), *named))
    header = (
        "Phase",
        "Photographs named so",
        "Synthetic named so",
        "Difference",
        "Photographs: named",
        "Synthetic: named",
    )
    return Table(header, tuple(rows), (f"{_n_note(record)} Answers are counted, not pictures, under named.",))


def _side_table(record: Record) -> Table:
    plausible, time = record["plausibility"], record["time"]
    rows = [("plausibility, 1 to 5", *(_plain(plausible[side]) for side in ("real", "synthetic", "difference")))]
    if time is None:
        rows.append(("seconds a picture", "–", "–", "no time was taken"))
    else:
        ratio = time["ratio"]
        words = "–" if ratio is None else f"ratio {_plain(ratio)}"
        rows.append(("seconds a picture, median", f"{time['real']:.1f}", f"{time['synthetic']:.1f}", words))
    note = "Difference: synthetic less real, 95 % interval. Time: ratio of geometric means. Medians have no interval."
    return Table(("", "Photographs", "Synthetic", "Difference"), tuple(rows), (note,))


def _predictor_table(record: Record) -> Table:
    rows = [("image", *_correlation(one)) for one in record["predictors"]]
    rows += [("set", *_correlation(one)) for one in record["set_metrics"]]
    notes = (
        "image: rank correlation (Spearman) of a score of synthetic images with how synthetic readers found them; "
        "set: of a set's metric with the readers' accuracy on it, three sets or more. The intervals are of each number "
        "alone: the largest of many is larger than its truth.",
    )
    return Table(("Of each", "Score", "rho", "95 % interval", "n"), tuple(rows), notes)


def _correlation(one: Mapping[str, Any]) -> tuple[str, str, str, str]:
    bounds = "none below n = 5" if one["low"] is None else write_interval(one["low"], one["high"], ".2f")
    return one["name"], write_signed(one["rho"], ".2f"), bounds, str(one["n"])


def accuracy_chart(record: Record) -> Chart:
    """Accuracy of each reader and of all, with the margin of equivalence around chance."""
    margin = record["margin"]
    pairs = [("all readers", record["pooled"]["accuracy"])]
    pairs += [(one["name"], one["accuracy"]) for one in record["readers"] if one["accuracy"]]
    bars = [Bar(name, entry["value"], entry["low"], entry["high"]) for name, entry in pairs]
    told = "; ".join(f"{bar.name} {bar.value:.0%}" for bar in bars)
    chance = Reference("chance, with the margin of equivalence", 0.5, 0.5 - margin, 0.5 + margin)
    return chart(
        intervals_figure("Accuracy", bars, references=[chance]),
        alt=f"Accuracy: {told}. Chance is 50 %.",
        caption="Lines: 95 % intervals. Of all readers: over readers and cases; of each: over cases.",
    )
