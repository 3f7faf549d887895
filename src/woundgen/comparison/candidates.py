"""Candidates of a comparison: measured sets and runs, read from their folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from woundgen.errors import UserError
from woundgen.records import PairedValue, Preparation
from woundgen.reporting.masking import masked
from woundgen.reporting.pictures import Picture
from woundgen.reporting.read_set import read_set_pictures
from woundgen.reporting.stored_metrics import StoredValue, read_paired, read_values, require_floors
from woundgen.storage.files import read_json, read_jsonl, stored_values
from woundgen.storage.names import EVAL_LOG, MANIFEST_JSONL, METRICS_JSON, RUN_JSON

SHOWN = 12  # pictures of each


@dataclass(frozen=True, slots=True)
class Candidate:
    """name: unique among those compared. real: which real set it was held against; compared, never shown.

    pictures: the first of its images. is_shareable: whether a page to share may show them.
    digest: of its images. paired: differences to the set with digest paired_with, where they were measured.
    preparation: of the real set, None where its numbers do not say.
    """

    name: str
    real: str
    values: tuple[StoredValue, ...]
    pictures: tuple[Picture, ...] = ()
    is_shareable: bool = False
    digest: str = ""
    paired_with: str | None = None
    paired: tuple[PairedValue, ...] = ()
    preparation: Preparation | None = None


def read_candidates(paths: Sequence[Path]) -> tuple[Candidate, ...]:
    """Each path: a metrics.json, a folder that holds one, or a run's folder (its best evaluation is taken).

    The first is the reference that the others are held against.
    Raises UserError for fewer than two, where FD, FID or KID stands without its floor, and where the real sets were
    prepared differently.
    """
    if len(paths) < 2:
        raise UserError("A comparison needs two or more results.", "Name another run, set or metrics.json.")
    found = _with_unique_names([_read(path) for path in paths])
    _refuse_other_preparations(found)
    return found


def _refuse_other_preparations(candidates: Sequence[Candidate]) -> None:
    """Numbers of crops and of whole photographs, or of two sizes, cannot stand side by side."""
    known = [(one.name, one.preparation) for one in candidates if one.preparation is not None]
    for name, preparation in known[1:]:
        if differing := known[0][1].differences(preparation):
            told = "; ".join(f"{left} (“{known[0][0]}”), {right} (“{name}”)" for left, right in differing)
            raise UserError(
                f"Measured on photographs that were prepared differently: {told}.",
                "Run `woundgen evaluate` again with the same --margin and size.",
            )


def _preparation(content: Any, source: Path) -> Preparation | None:
    try:
        return None if content is None else Preparation.from_json(content)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{source}: its preparation cannot be read ({error}).", "Measure it again.") from None


def _read(path: Path) -> Candidate:
    file = path / METRICS_JSON if path.is_dir() else path
    found = _measured(file) if file.exists() or not (path / RUN_JSON).exists() else _run(path)
    require_floors((stored.value for stored in found.values), source=str(path))
    return found


def _measured(file: Path) -> Candidate:
    content = read_json(file)
    if not isinstance(content, dict) or "rows" not in content:
        raise UserError(f"{file} holds no measured rows.", "Give a metrics.json of `woundgen evaluate`.")
    name = content.get("label") or Path(str(content.get("generated", ""))).name or file.parent.name
    values = read_values(content["rows"], source=str(file))
    paired = content.get("paired") or {}
    pictures, is_shareable = _read_pictures(file, content)
    return Candidate(
        masked(str(name)),
        str(content.get("real", "")),
        values,
        pictures,
        is_shareable,
        digest=str(content.get("digest", "")),
        paired_with=paired.get("reference"),
        paired=read_paired(paired.get("rows") or (), source=str(file)),
        preparation=_preparation((content.get("preparation") or {}).get("real"), file),
    )


def _read_pictures(file: Path, content: Mapping[str, Any]) -> tuple[tuple[Picture, ...], bool]:
    """Read those of the measured set where it still lies next to its metrics.json, or where that says it was.

    Returns them and whether a page to share may show them.
    """
    for folder in (file.parent, Path(str(content.get("generated", "")))):
        if (folder / MANIFEST_JSONL).is_file():
            return read_set_pictures(folder, most=SHOWN)
    return (), False


def _run(folder: Path) -> Candidate:
    """The evaluation of the checkpoint that was kept as best, or else the last one."""
    run, rows = read_json(folder / RUN_JSON), list(read_jsonl(folder / EVAL_LOG))
    if not rows:
        raise UserError(f"{folder} holds no {METRICS_JSON} and no evaluations.", "Run `woundgen evaluate` first.")
    best = run.get("best") or {"step": rows[-1]["step"], "weights": rows[-1]["weights"]}
    with stored_values(folder / RUN_JSON):
        step, weights = best["step"], best["weights"]
    chosen = [row for row in rows if (row["step"], row["weights"]) == (step, weights)]
    if not chosen:
        raise UserError(
            f"{folder / EVAL_LOG} has no row of the best checkpoint (step {step}, {weights}).",
            "Run `woundgen evaluate` on it.",
        )
    data = run.get("data") or {}
    return Candidate(
        masked(str(run["name"])),
        str(data.get("digest", "")),
        read_values(chosen[-1]["metrics"], source=str(folder)),
        preparation=_preparation(data.get("preparation"), folder / RUN_JSON),
    )


def _with_unique_names(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    totals, seen, named = Counter(one.name for one in candidates), Counter[str](), []
    for one in candidates:
        seen[one.name] += 1
        several = totals[one.name] > 1
        named.append(replace(one, name=f"{one.name} ({seen[one.name]})") if several else one)
    return tuple(named)
