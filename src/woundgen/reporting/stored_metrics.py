"""Stored rows of numbers (metrics.json, eval.jsonl) read back into MetricValue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from woundgen.errors import UserError
from woundgen.records import METRICS, MetricValue, PairedValue
from woundgen.storage.files import stored_values

FLOOR, CEILING, TRAINING = "floor", "ceiling", "training"
REFERENCES = (FLOOR, CEILING, TRAINING)  # labels of rows that stand beside a value
NEED_FLOOR = ("fd", "fid", "kid")  # above 0 for perfect images, or spread around it: alone they say nothing


@dataclass(frozen=True, slots=True)
class StoredValue:
    """A number and what is stored beside it. splits: its value on each split of the sets, where stored."""

    value: MetricValue
    version: int
    splits: tuple[float, ...] = ()


def read_values(rows: Iterable[Mapping[str, Any]], *, source: str) -> tuple[StoredValue, ...]:
    """`source` names the file in errors. Raises UserError for a row that is no registered metric's."""
    with stored_values(Path(source)):
        return tuple(_read_row(row, source) for row in rows)


def _read_row(row: Mapping[str, Any], source: str) -> StoredValue:
    name = row.get("metric")
    if name not in METRICS:
        raise UserError(f"{source}: {name!r} is not a metric of this version.", "Run `woundgen evaluate` again.")
    if name == "fid" and row.get("network") != "inception":
        raise UserError(
            f"{source}: FID in the features of {row.get('network')!r}.",
            "Only the Inception network gives FID; call it fd.",
        )
    try:
        return _stored(row)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{source}: the row of {name} is incomplete ({error}).", "Measure it again.") from None


def _stored(row: Mapping[str, Any]) -> StoredValue:
    left, right = row["n"]
    if not all(isinstance(row.get(key), str | None) for key in ("network", "digest", "label")):
        raise TypeError("network, digest or label is no text")
    value = MetricValue(
        metric=row["metric"],
        value=float(row["value"]),
        low=None if row["low"] is None else float(row["low"]),
        high=None if row["high"] is None else float(row["high"]),
        interval=row["interval"] or "no interval",
        n=(int(left), int(right)),
        network=row.get("network"),
        digest=row.get("digest"),
        label=row.get("label", ""),
    )
    version = int(row.get("version", METRICS[value.metric].version))
    return StoredValue(value, version, tuple(float(x) for x in row.get("splits") or ()))


def read_paired(rows: Iterable[Mapping[str, Any]], *, source: str) -> tuple[PairedValue, ...]:
    """Paired differences of this version of each metric; others are left out, and found from the splits."""
    try:
        return tuple(
            PairedValue(
                metric=row["metric"],
                value=float(row["value"]),
                low=float(row["low"]),
                high=float(row["high"]),
                interval=str(row["interval"]),
                p=float(row["p"]),
                n=(int(row["n"][0]), int(row["n"][1])),
                network=row.get("network"),
                digest=row.get("digest"),
                candidate=row.get("candidate"),
                reference=row.get("reference"),
            )
            for row in rows
            if row["metric"] in METRICS and row["version"] == METRICS[row["metric"]].version
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise UserError(f"{source}: a paired difference is incomplete ({error}).", "Compare again.") from None


Kind = tuple[str, str | None, str | None]


def kind(value: MetricValue) -> Kind:
    """Numbers of one kind can stand beside one another: same metric, same feature network."""
    return value.metric, value.network, value.digest


def by_kind(values: Iterable[MetricValue], label: str) -> dict[Kind, MetricValue]:
    """The floors or ceilings among `values`, by the kind of number that they stand beside."""
    return {kind(value): value for value in values if value.label == label}


def require_floors(values: Iterable[MetricValue], *, source: str) -> None:
    """Raises UserError where FD, FID or KID stands without its floor."""
    values = list(values)
    floors = by_kind(values, FLOOR)
    for value in values:
        if value.metric in NEED_FLOOR and kind(value) not in floors:
            raise UserError(
                f"{source}: {METRICS[value.metric].title} ({value.network}) has no floor beside it, and "
                "a report without a floor cannot be made.",
                "Run `woundgen evaluate`, which measures real half against real half too.",
            )
