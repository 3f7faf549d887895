"""The tables of a study of settings: confirmation, changed settings, leaders, all trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from woundgen.numbers import write_compact, write_interval, write_signed
from woundgen.reporting.tables import Table

Record = Mapping[str, Any]


def tables(record: Record) -> list[tuple[str, Table]]:
    """Return headings and tables."""
    collected = []
    if record["confirmation"]:
        collected.append(("Confirmed on patients that chose nothing", _confirmation_table(record)))
    if record["changes"]:
        collected.append((f"What {record['chosen']} changes", _change_table(record)))
    collected.append(("Leaders on the selection patients", _leader_table(record)))
    collected.append(("All trials", _trial_table(record)))
    return collected


def _number(value: float | None) -> str:
    return "" if value is None else write_compact(value)


def _confirmation_table(record: Record) -> Table:
    rows = []
    for entry in record["confirmation"]:
        difference = entry["difference"]
        interval = "" if difference is None else write_interval(difference["low"], difference["high"], ".4g")
        apart = "" if difference is None else write_signed(difference["value"], ".4g")
        values = ", ".join(_number(value) for value in entry["values"])
        recalls = ", ".join("-" if value is None else f"{value:.2f}" for value in entry["recall"])
        copies = "not looked for" if entry["copies"] is None else str(entry["copies"])
        accuracy = ", ".join(f"{value:.0%}" for value in entry["two_sample"] if value is not None)
        shown = ", ".join(filter(None, [entry["shown"], "constraint violated" if entry["violated"] else ""]))
        rows.append((entry["name"], _number(entry["mean"]), values, apart, interval, recalls, copies, accuracy, shown))
    header = (
        "configuration", record["metric"], "each seed", "less the start", "interval", "recall", "copies",
        "two-sample accuracy", "shown",
    )  # fmt: skip
    notes = (f"n = {record['confirmation_n']} photographs and as many images for each seed; copies of all seeds.",)
    return Table(header, tuple(rows), notes).without_empty_columns()


def _change_table(record: Record) -> Table:
    rows = tuple((entry["key"], show_value(entry["start"]), show_value(entry["tuned"])) for entry in record["changes"])
    return Table(("setting", "starting config", "tuned"), rows, tuple(filter(None, [record["changes_note"]])))


def _leader_table(record: Record) -> Table:
    drawn = list(record["leaders"][0]["drawing"]) if record["leaders"] else []
    rows = tuple(
        (
            entry["name"],
            _number(entry["mean"]),
            ", ".join(_number(value) for value in entry["values"]),
            *(show_value(entry["drawing"][key]) for key in drawn),
        )
        for entry in record["leaders"]
    )
    return Table(("trial", f"mean {record['metric']}", "each seed", *drawn), rows, (record["leaders_note"],))


def _trial_table(record: Record) -> Table:
    """Results before settings: where a screen is too narrow for all columns, these are the ones to see."""
    keys = [entry["key"] for entry in record["space"]]
    rows = tuple(
        (
            entry["name"],
            ", ".join(_number(value) for value in entry["curve"]),
            "" if entry["recall"] is None else f"{entry['recall']:.2f}",
            "" if entry["copies"] is None else str(entry["copies"]),
            "violated" if entry["violated"] else "" if entry["complete"] else "pruned",
            *(show_value(entry["settings"].get(key)) for key in keys),
        )
        for entry in record["trials"]
    )
    return Table(("trial", f"{record['metric']} at its rungs", "recall", "copies", "note", *keys), rows)


def show_value(value: Any) -> str:
    """Return the value of a setting as tables and axes show it; a guidance interval of all noise levels is "all"."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return "all" if list(value) == [0, 1] else " to ".join(map(show_value, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)
