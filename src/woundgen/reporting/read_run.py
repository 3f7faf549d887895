"""A run folder, generated sets and measurements read into ReportContent. Nothing is computed anew."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from woundgen.errors import UserError
from woundgen.records import METRICS
from woundgen.reporting.masking import base_name, masked, shown, shown_command
from woundgen.reporting.pictures import Picture, read_picture
from woundgen.reporting.read_audit import AuditFacts
from woundgen.reporting.read_set import collect_set
from woundgen.reporting.report_data import (
    Best,
    Facts,
    Measurement,
    ReportContent,
    RunFacts,
    StoredEvaluation,
    TrainingLog,
)
from woundgen.reporting.stored_metrics import read_values, require_floors
from woundgen.storage.files import read_json, read_jsonl, stored_values
from woundgen.storage.names import EVAL_LOG, METRICS_JSON, RUN_JSON, SAMPLES, TRAIN_LOG

LARGEST = 3.4028235e38  # of single precision
SAMPLE_GRIDS = 3  # of those drawn while training: first, middle, last
_SAMPLE = re.compile(r"step_(\d+)_(ema|raw)")
UNKNOWN = "not recorded"


def collect(
    run_folder: Path,
    generated: Sequence[Path],
    metrics: Sequence[Mapping[str, Any]],
    audits: Mapping[Path, AuditFacts] | None = None,
) -> ReportContent:
    """Read a run. generated: folders of sets drawn from it. metrics: contents of metrics.json files.

    audits: of the sets, by folder.

    Raises UserError where something is missing or damaged, or FD, FID or KID stands without its floor.
    """
    with stored_values(run_folder / EVAL_LOG):
        evaluations = tuple(_evaluation(row, run_folder) for row in read_jsonl(run_folder / EVAL_LOG))
    require_floors((v for e in evaluations for v in e.values), source=str(run_folder / EVAL_LOG))
    with stored_values(run_folder):
        content = _content(run_folder, metrics, evaluations)
    sets = tuple(collect_set(folder, (audits or {}).get(folder)) for folder in generated)
    return replace(content, sets=sets)


def _content(
    run_folder: Path, metrics: Sequence[Mapping[str, Any]], evaluations: tuple[StoredEvaluation, ...]
) -> ReportContent:
    return ReportContent(
        run=_run_facts(run_folder),
        log=_training_log(run_folder / TRAIN_LOG),
        evaluations=evaluations,
        measurements=tuple(_measurement(content) for content in metrics),
    )


def _run_facts(folder: Path) -> RunFacts:
    run = read_json(folder / RUN_JSON)
    missing = [key for key in ("name", "phases", "config") if key not in run]
    if missing:
        raise UserError(f"{folder / RUN_JSON} has no {missing[0]!r}.", "Is this the folder of a woundgen run?")
    plan, data, base = (run.get(key) or {} for key in ("plan", "data", "base"))
    return RunFacts(
        name=masked(str(run["name"])),
        phases=tuple(run["phases"]),
        status=str(run.get("status", UNKNOWN)),
        created=str(run.get("created", UNKNOWN)),
        command=shown_command(_command_line(run.get("command", ""))),
        base=_named(base_name(str(base["name"])), base.get("digest")) if base else UNKNOWN,
        commit=_commit(run.get("git") or {}),
        best=_best(run.get("best")),
        trainable=(run.get("parameters") or {}).get("trainable"),
        total=(run.get("parameters") or {}).get("total"),
        counts=tuple((phase, dict(splits)) for phase, splits in (data.get("counts") or {}).items()),
        plan=_facts({key: value for key, value in plan.items() if key != "warnings"}),
        warnings=tuple(masked(str(warning)) for warning in plan.get("warnings", ())),
        config=_facts(run["config"]),
        versions=_facts(run.get("versions") or {}),
        seconds=_facts(run.get("seconds") or {}),
    )


def _command_line(command: str | list[str]) -> str:
    return command if isinstance(command, str) else shlex.join(map(str, command))


def _facts(settings: Mapping[str, Any]) -> Facts:
    return tuple((key, shown(key, value)) for key, value in settings.items())


def _named(name: str, digest: str | None) -> str:
    return f"{name} ({digest[:8]})" if digest else name


def _commit(git: Mapping[str, Any]) -> str:
    commit = str(git.get("commit") or UNKNOWN)[:12]
    return commit + (" with uncommitted changes" if git.get("dirty") else "")


def _best(best: Mapping[str, Any] | None) -> Best | None:
    if not best:
        return None
    if best["metric"] not in METRICS:
        raise UserError(f"run.json: best by {best['metric']!r}, which is not a metric.", "Is the run damaged?")
    return Best(best["metric"], _read_number(best["value"]), int(best["step"]), str(best["weights"]))


def _training_log(path: Path) -> TrainingLog:
    rows = list(read_jsonl(path))

    def column(name: str) -> tuple[float, ...]:
        return tuple(math.nan if row.get(name) is None else _read_number(row[name]) for row in rows)

    return TrainingLog(tuple(int(_read_number(row["step"])) for row in rows), column("loss"), column("learning_rate"))


def _read_number(value: Any) -> float:
    """Return a number that single precision, in which training computes, can hold; axes of figures overflow beyond."""
    if not -LARGEST <= value <= LARGEST:  # before float(), which no whole number of 400 digits survives
        raise ValueError("a number is beyond single precision")
    return float(value)


def _evaluation(row: Mapping[str, Any], run_folder: Path) -> StoredEvaluation:
    values = tuple(one.value for one in read_values(row["metrics"], source=str(run_folder / EVAL_LOG)))
    for one in values:
        _read_number(one.value)
    step, epoch = int(_read_number(row["step"])), _read_number(row["epoch"])
    return StoredEvaluation(step, epoch, str(row["weights"]), values)


def collect_grids(run_folder: Path) -> tuple[Picture, ...]:
    """Read sample grids of the EMA weights (of the raw ones where there are none): first, middle and last.

    Nothing has screened them for copies: they are for the private page.
    """
    found = [(m, path) for path in sorted((run_folder / SAMPLES).glob("*.png")) if (m := _SAMPLE.match(path.stem))]
    weights = "ema" if any(m[2] == "ema" for m, _ in found) else "raw"
    grids = sorted((int(m[1]), path) for m, path in found if m[2] == weights)
    chosen = sorted({round(i * (len(grids) - 1) / (SAMPLE_GRIDS - 1)) for i in range(SAMPLE_GRIDS)}) if grids else []
    name = {"ema": "EMA weights", "raw": "raw weights"}[weights]
    return tuple(read_picture(grids[i][1], root=run_folder, caption=f"step {grids[i][0]}, {name}") for i in chosen)


def _measurement(content: Mapping[str, Any]) -> Measurement:
    label = masked(str(content.get("label") or Path(str(content.get("generated", ""))).name or "measured"))
    values = tuple(one.value for one in read_values(content["rows"], source=METRICS_JSON))
    require_floors(values, source=f"{METRICS_JSON} of {label}")
    return Measurement(label, values)
