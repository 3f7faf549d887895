"""Of screening's many statistics, strips are shown of a few; of unknown ones, of all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from woundgen.reporting.read_set import collect_scores, collect_set, read_set_pictures
from woundgen.storage.files import append_jsonl, write_json

SCREENED = {"policy": "calibrated", "references": "ab", "topk": 5}


def a_set(folder: Path, names: list[str], screening: dict[str, Any] | None = None) -> Path:
    folder.mkdir()
    write_json(folder / "set.json", {"screening": screening or SCREENED})
    rows: list[dict[str, Any]] = []
    for i in range(12):
        Image.fromarray(np.full((16, 16, 3), 10 * i, np.uint8)).save(folder / f"{i}.png")
        rows.append(
            {
                "index": i, "file_name": f"{i}.png", "label": "I", "prompt": "", "negative_prompt": "",
                "guidance_scale": 1.0, "sampler": "ddim", "steps": 2, "adapter": None, "base": "b" * 64,
                "accepted": True, "reason": "", "scores": {name: float(i) for name in names},
            }
        )  # fmt: skip
    append_jsonl(folder / "manifest.jsonl", rows)
    return folder


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (
            ["whole_L_mean", "sharpness", "ssim_mean", "ssim_topk"],
            ["similarity to the 5 nearest photographs (SSIM)", "sharpness"],
        ),
        (["own"], ["own"]),
    ],
)
def test_strips(names: list[str], shown: list[str], tmp_path: Path) -> None:
    strips = collect_scores(a_set(tmp_path / "set", names)).strips
    assert [strip.title for strip in strips] == [f"{end} {name}" for name in shown for end in ("Lowest", "Highest")]
    assert [p.pixels[0, 0, 0] for p in strips[0].pictures] == [0, 10, 20, 30, 40, 50]
    assert [p.pixels[0, 0, 0] for p in strips[1].pictures] == [110, 100, 90, 80, 70, 60]


def test_the_shared_page_ranks_by_the_images_alone(tmp_path: Path) -> None:
    facts = collect_set(a_set(tmp_path / "set", ["whole_L_mean", "sharpness", "ssim_topk", "own"]))
    assert [strip.title for strip in facts.strips] == ["Lowest sharpness", "Highest sharpness"]


@pytest.mark.parametrize("more", [{"copies_not_looked_for": True}, {"release_copies": True}])
def test_images_among_which_copies_may_be_are_on_no_shared_page(more: dict[str, bool], tmp_path: Path) -> None:
    names = ["sharpness"]
    screened = collect_set(a_set(tmp_path / "screened", names))
    assert (len(screened.pictures), len(screened.strips)) == (12, 2)
    facts = collect_set(a_set(tmp_path / "set", names, SCREENED | more))
    assert (facts.accepted, facts.pictures, facts.strips) == (12, (), ())
    pictures, is_shareable = read_set_pictures(tmp_path / "set", most=5)
    assert (len(pictures), is_shareable) == (5, False)
