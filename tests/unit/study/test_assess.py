"""The record and the pages of a study whose answers are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from woundgen.reporting.pictures import Picture
from woundgen.reporting.study_page import write_study_report
from woundgen.study.answers import Readings, gather_readings
from woundgen.study.assess import assess
from woundgen.study.files import Truth
from woundgen.study.image_scores import score_images

ITEMS = 40


def truths() -> dict[str, Truth]:
    """item-00 .. item-39: even ones synthetic, of two sets; phases I and R in turn; and a check."""
    found = {
        f"item-{n:02d}": Truth("real" if n % 2 else "synthetic", "IR"[n // 2 % 2], n, None if n % 2 else n // 4 % 2,
                               None if n % 2 else f"images/{n:06d}.png")
        for n in range(ITEMS)
    }  # fmt: skip
    return found | {"check": Truth("check", "", -1, answer={"call": "real", "confidence": 4})}


def row(item: str, **changes: Any) -> dict[str, Any]:
    usual = {"call": "real", "confidence": 3, "phase": "I", "plausibility": 3, "remark": "", "seconds": 2.0}
    return {"item": item, **usual, **changes}


def answers(rights: dict[str, int]) -> dict[str, list[dict[str, Any]]]:
    """reader -> answers; the first `rights` of each kind are called rightly, phases always as meant."""
    rows = {}
    for reader, right in rights.items():
        rows[reader] = [row("check", confidence=4 if reader == "reader-1" else 1)]
        for n in range(ITEMS):
            kind = "real" if n % 2 else "synthetic"
            other = "synthetic" if n % 2 else "real"
            rows[reader].append(
                row(f"item-{n:02d}", call=kind if n // 2 < right else other, phase="IR"[n // 2 % 2],
                    plausibility=2 if kind == "synthetic" else 4, seconds=4.0 if kind == "synthetic" else 2.0)
            )  # fmt: skip
    return rows


def readings(**rights: int) -> Readings:
    return gather_readings(truths(), answers({f"reader-{name[1:]}": n for name, n in rights.items()}), phase_names="IR")


def record(found: Readings, **changes: Any) -> dict[str, Any]:
    return assess(found, **{"margin": 0.1, "scores": {}, "sets": ["set 1", "set 2"]} | changes)


def test_counts_and_shares_are_those_of_the_answers() -> None:
    found = record(readings(r1=15, r2=17))
    pooled = found["pooled"]
    assert pooled["accuracy"]["value"] == pytest.approx((15 + 17) / 40)
    assert pooled["sensitivity"]["value"] == pytest.approx(0.8)
    assert pooled["specificity"]["value"] == pytest.approx(0.8)
    assert found["design"]["photographs"] == found["design"]["synthetic"] == 20
    assert found["design"]["answers"] == 80
    assert [one["checks"] for one in found["readers"]] == [[1, 1], [0, 1]]
    assert found["phase_labels"]["named_as_meant"]["synthetic"]["value"] == 1
    assert found["plausibility"]["difference"]["value"] == pytest.approx(-2)
    assert found["time"]["ratio"]["value"] == pytest.approx(2)
    assert "2 readers could tell synthetic images from photographs: accuracy 80%" in found["sentence"]


def test_json_holds_no_infinity_and_no_numpy() -> None:
    json.dumps(record(readings(r1=20)), allow_nan=False)


def test_second_showings_are_for_agreement_only() -> None:
    rows = answers({"reader-1": 15})
    rows["reader-1"] += [row(f"item-{n:02d}", call="real") for n in range(8)]
    found = record(gather_readings(truths(), rows, phase_names="IR"))
    assert found["pooled"]["accuracy"]["value"] == pytest.approx(0.75)
    again = found["readers"][0]["again"]["call"]
    assert (again["n"], again["share"]) == (8, 0.5)  # synthetic at first, real at second, for four of eight


def test_a_reader_with_few_answers_is_left_out_and_named() -> None:
    rows = answers({"reader-1": 15, "reader-2": 20})
    rows["reader-2"] = rows["reader-2"][:5]
    found = record(gather_readings(truths(), rows, phase_names="IR"))
    assert found["design"]["left_out"] == ["reader-2"]
    assert found["design"]["readers"] == 1
    assert "One reader says nothing of other readers." in found["sentence"]


def test_nobody_with_answers_is_said() -> None:
    with pytest.raises(ValueError, match="no reader has answered"):
        record(gather_readings(truths(), {"reader-1": []}, phase_names="IR"))


@pytest.mark.parametrize(
    ("rights", "said"),
    [
        ((10, 10, 11), "could not tell, within +-20% of chance"),
        ((20, 20, 20), "could tell synthetic images"),
        ((2, 3, 2), "took synthetic images for photographs oftener than chance"),
        ((11, 12, 17), "does not say whether 3 readers can tell"),
    ],
)
def test_the_sentence_follows_the_numbers(rights: tuple[int, ...], said: str) -> None:
    rng = np.random.default_rng(0)
    rows = answers({f"reader-{n + 1}": 0 for n in range(3)})
    for reader, right in zip(rows, rights, strict=True):
        for side in (0, 1):
            hits = set(rng.permutation(20)[:right].tolist())
            for n in range(20):
                one = rows[reader][1 + 2 * n + side]
                kind = "real" if side else "synthetic"
                one["call"] = kind if n in hits else ("synthetic" if side else "real")
    found = record(gather_readings(truths(), rows, phase_names="IR"), margin=0.2)
    assert said in found["sentence"], (found["sentence"], found["equivalence"])


def test_readers_who_say_the_same_always_are_not_called_unable_on_few_pictures() -> None:
    rows = {f"reader-{n}": [row(f"item-{i:02d}") for i in range(ITEMS)] for n in (1, 2, 3)}
    found = record(gather_readings(truths(), rows, phase_names="IR"))
    assert found["pooled"]["accuracy"]["value"] == 0.5
    assert not found["equivalence"]["claimed"]


def test_each_set_is_held_against_all_photographs() -> None:
    found = record(readings(r1=10, r2=10))
    by_set = {one["name"]: one for one in found["by_set"]}
    assert by_set["set 1"]["synthetic"] == 10
    # the first ten synthetic images are called rightly: of set 1 those with n // 4 even
    rightly = [n for n in range(0, ITEMS, 2) if n // 2 < 10]
    hits = sum(n // 4 % 2 == 0 for n in rightly) / 10
    assert by_set["set 1"]["accuracy"]["value"] == pytest.approx((hits + 0.5) / 2)


def test_a_score_that_follows_the_readers_comes_first() -> None:
    found = readings(r1=15, r2=8)
    ratings = np.nanmean(found.ratings, axis=0)
    noise = np.random.default_rng(0).normal(size=ITEMS)
    synthetic = found.cases.synthetic
    scores = {"noise": np.where(synthetic, noise, np.nan), "same": np.where(synthetic, ratings, np.nan)}
    first = record(found, scores=scores)["predictors"][0]
    assert (first["name"], first["n"]) == ("same", 20)
    assert first["rho"] == pytest.approx(1)


def test_scores_of_images_tell_far_ones_from_near_ones() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 8))
    synthetic = np.arange(60) < 30
    features[:15] += 3
    scores = score_images(features, synthetic)
    for name, sign in zip(scores, (1, 1, -1), strict=True):
        assert np.isnan(scores[name][~synthetic]).all()
        assert sign * (np.median(scores[name][:15]) - np.median(scores[name][15:30])) > 0, name
    assert score_images(features[:12], synthetic[:12]) == {}


def written(tmp_path: Path, *, secrets: tuple[str, ...] = (), photographs: bool = False) -> dict[str, str]:
    found = record(readings(r1=15, r2=17))
    found |= {"set_metrics": [], "network": "none"}
    grey = np.full((16, 16, 3), 90, np.uint8)
    pictures = {one["item"]: Picture(grey) for part in found["gave_away"].values() for one in part}
    private = tmp_path if photographs else None
    shown = [Picture(grey, "phase I")] if photographs else []
    paths = write_study_report(
        found, pictures, out=tmp_path / "report", private=private, photographs=shown, secrets=secrets
    )
    return {path.name: path.read_text() for path in paths}


def test_pages_hold_the_sentence_and_no_photograph(tmp_path: Path) -> None:
    pages = written(tmp_path)
    assert set(pages) == {"study.json", "STUDY.md", "study.html"}
    for name in ("STUDY.md", "study.html"):
        assert "2 readers could tell" in pages[name]
    assert pages["study.html"].count('alt="synthetic image') == 12 + 3  # of 17, and what both took for real
    assert "photograph 1" not in pages["study.html"]
    assert "default-src 'none'" in pages["study.html"]


def test_the_private_page_says_that_it_is(tmp_path: Path) -> None:
    pages = written(tmp_path, photographs=True)
    assert "Do not share" in pages["study_private.html"]
    assert 'alt="photograph 1' in pages["study_private.html"]
    assert "Do not share" not in pages["study.html"]


def test_nothing_is_written_where_a_secret_would_be(tmp_path: Path) -> None:
    from woundgen.errors import UserError

    with pytest.raises(UserError, match="private"):
        written(tmp_path, secrets=("synthetic images",))
    assert not (tmp_path / "report").exists()
