"""A generated set's folder as facts, pictures and counts for a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from woundgen.errors import UserError
from woundgen.numbers import write_number
from woundgen.records import METRICS
from woundgen.reporting.masking import base_name, masked
from woundgen.reporting.pictures import Picture, read_picture
from woundgen.reporting.plain_names import SCORE_NAMES, score_name
from woundgen.reporting.read_audit import AuditFacts
from woundgen.reporting.report_data import Facts, ImageStrip, ScoreMeans, SetFacts, SetScores
from woundgen.storage.files import read_json, stored_values
from woundgen.storage.names import (
    DIFFUSERS_SCRIPT,
    GENERATED_PATCHES,
    MANIFEST_JSONL,
    PHOTOGRAPH_PATCHES,
    SET_JSON,
    private_folder,
)
from woundgen.storage.outcomes import SURPLUS
from woundgen.storage.set_rows import read_drawn_rows, read_released_rows, read_tally

TELLTALE = 12  # patches of a set that are shown
SHOWN, STRIP = 48, 6  # pictures of a set, and of a strip of lowest or highest
# Of the many statistics of screening, those that strips are shown of; all where none of these was taken.
STRIP_SCORES = ("ssim_topk", "perceptual_topk", "embedding_nearest", "sharpness")
RELEASED_STRIPS = ("sharpness",)  # of an image alone: the page to share shows no other

Row = Mapping[str, Any]


def collect_set(folder: Path, audit: AuditFacts | None = None) -> SetFacts:
    """Read what may be shared of a set. UserError where the folder is none or an image is missing or damaged."""
    with stored_values(folder / MANIFEST_JSONL):
        return replace(_collect_set(folder), audit=audit)


def _collect_set(folder: Path) -> SetFacts:
    rows, tally = read_released_rows(folder), read_tally(folder)
    if not tally.drawn:
        raise UserError(f"{folder} holds no rows in {MANIFEST_JSONL}.", "Give the folder of a generated set.")
    screening = read_json(folder / SET_JSON).get("screening") or {}
    is_shareable = is_screened_for_copies(screening)
    reasons: Counter[str] = Counter()
    for category, number_of in tally.reasons.items():
        if category != SURPLUS:
            reasons[masked(category).strip() or "no reason given"] += number_of
    return SetFacts(
        name=masked(folder.name),
        drawn=tally.drawn,
        accepted=tally.accepted,
        surplus=tally.reasons.get(SURPLUS, 0),
        held_back=tally.copies,
        screened=bool(screening) or bool(tally.rejected),
        copies_sought=_copies_sought(screening),
        reasons=tuple(reasons.most_common()),
        settings=(*_settings(rows[0]), *_networks(screening)) if rows else (),
        pictures=_first_pictures(folder, rows, SHOWN) if is_shareable else (),
        strips=(*_strips(folder, rows, RELEASED_STRIPS), *_telltale(folder)) if is_shareable else (),
        script=_script(folder, rows[0]) if rows else "",
    )


def collect_scores(folder: Path) -> SetScores:
    """Read what stays private of a set: its scores against photographs. Empty without the private folder."""
    rows = read_drawn_rows(folder) or []
    kept = [row for row in rows if row["accepted"]]
    names = _score_names(kept)
    chosen = [name for name in STRIP_SCORES if name in names] or names
    recipe = read_json(folder / SET_JSON) if rows else {}
    k = (recipe.get("screening") or {}).get("topk")
    return SetScores(masked(folder.name), _score_means(rows, k), _strips(folder, kept, chosen, k))


def read_set_pictures(folder: Path, *, most: int) -> tuple[tuple[Picture, ...], bool]:
    """Read the first accepted images of a set, and whether a page to share may show them."""
    with stored_values(folder / MANIFEST_JSONL):
        pictures = _first_pictures(folder, read_released_rows(folder), most)
        return pictures, is_screened_for_copies(read_json(folder / SET_JSON).get("screening") or {})


def is_screened_for_copies(screening: Mapping[str, Any]) -> bool:
    """Return whether a set's images were held against all photographs trained on, and no copy was let into the set.

    screening: as set.json holds it; empty where nothing was screened. Other images are for private pages alone.
    """
    return _copies_sought(screening) and not screening.get("release_copies")


def _copies_sought(screening: Mapping[str, Any]) -> bool:
    return bool(screening) and not screening.get("copies_not_looked_for")


def _first_pictures(folder: Path, rows: Sequence[Row], most: int) -> tuple[Picture, ...]:
    return tuple(_picture(folder, row, f"image {row['index']}") for row in rows[:most])


def _telltale(folder: Path) -> tuple[ImageStrip, ...]:
    """Patches of generated images that the two-sample test's classifiers were surest of, where it was made."""
    patches = _read_patches(private_folder(folder), GENERATED_PATCHES)
    return (ImageStrip("Patches that gave the set away (two-sample test)", patches),) if patches else ()


def read_photograph_patches(folder: Path) -> tuple[Picture, ...]:
    """Read the patches of photographs that gave a set away, with their logits. They belong on the private page."""
    return _read_patches(private_folder(folder), PHOTOGRAPH_PATCHES)


def _read_patches(folder: Path, place: str) -> tuple[Picture, ...]:
    """Read patches, the surest first; none where the test was not made."""
    files = sorted((folder / place).glob("*.png"))
    return tuple(read_picture(file, root=folder, caption=file.stem.partition("_")[2]) for file in files[:TELLTALE])


def _script(folder: Path, row: Row) -> str:
    """draw_with_diffusers.py, where its prompts are fit to be shared."""
    path = folder / DIFFUSERS_SCRIPT
    shareable = all(masked(str(row.get(key) or "")) == (row.get(key) or "") for key in ("prompt", "negative_prompt"))
    return path.read_text(encoding="utf-8") if path.is_file() and shareable else ""


def _settings(row: Row) -> Facts:
    digest = str(row.get("base") or "")
    adapter = str(row.get("adapter") or "")
    return (
        ("phase", masked(str(row.get("label") or ""))),
        ("prompt", masked(str(row.get("prompt") or "")) or "none"),
        ("negative prompt", masked(str(row.get("negative_prompt") or "")) or "none"),
        ("guidance scale", f"{row['guidance_scale']:g}"),
        ("sampler", f"{masked(str(row['sampler']))}, {row['steps']} steps"),
        ("base model", base_name(digest)[:16] or "none"),
        ("adapter", masked(adapter)[:16] or "none: the base model alone"),
    )


def _networks(screening: Mapping[str, Any]) -> Facts:
    """The networks that the set was screened with, by name and digest."""
    used = screening.get("networks") or {}
    return tuple((f"{kind} distance of screening", masked(str(used[kind]))) for kind in sorted(used))


def _score_names(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.get("scores") or {}))


def _score_means(rows: Sequence[Row], k: int | None) -> tuple[ScoreMeans, ...]:
    def mean(name: str, among: Sequence[Row]) -> float | None:
        found = [row["scores"][name] for row in among if name in (row.get("scores") or {})]
        return sum(found) / len(found) if found else None

    accepted = [row for row in rows if row["accepted"]]
    means = ((name, mean(name, rows), mean(name, accepted)) for name in _score_names(rows))
    return tuple(ScoreMeans(score_title(name, k), drawn, kept) for name, drawn, kept in means if drawn is not None)


def _strips(folder: Path, kept: Sequence[Row], names: Sequence[str], k: int | None = None) -> tuple[ImageStrip, ...]:
    """Accepted images with the lowest and the highest of each score, where there are enough to choose from.

    k: nearest photographs that the scores were averaged over.
    """
    strips = []
    for name in names:
        ranked = sorted((r for r in kept if name in r["scores"]), key=lambda r: (r["scores"][name], r["index"]))
        if len(ranked) < 2 * STRIP:
            continue
        low, high = _ends(name)
        strips.append(ImageStrip(f"{low} {score_title(name, k)}", _scored(folder, ranked[:STRIP], name)))
        strips.append(ImageStrip(f"{high} {score_title(name, k)}", _scored(folder, ranked[::-1][:STRIP], name)))
    return tuple(strips)


def score_title(name: str, k: int | None = None) -> str:
    if name in METRICS:
        return METRICS[name].title
    return score_name(name, k) if name in SCORE_NAMES else masked(name)


def _ends(name: str) -> tuple[str, str]:
    better = METRICS[name].better if name in METRICS else "none"
    return {"lower": ("Best (lowest)", "Worst (highest)"), "higher": ("Worst (lowest)", "Best (highest)")}.get(
        better, ("Lowest", "Highest")
    )


def _scored(folder: Path, rows: Sequence[Row], name: str) -> tuple[Picture, ...]:
    return tuple(_picture(folder, row, write_number(row["scores"][name])) for row in rows)


def _picture(folder: Path, row: Row, caption: str) -> Picture:
    return read_picture(folder / row["file_name"], root=folder, caption=caption)
