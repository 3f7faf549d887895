"""Comparisons of stored measurements, from folders to pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from woundgen.comparison.candidates import read_candidates
from woundgen.comparison.compare import compare
from woundgen.comparison.write import write_comparison
from woundgen.errors import UserError
from woundgen.records import MetricValue
from woundgen.storage.files import append_jsonl, write_json

LUCK = np.random.default_rng(0).normal(0, 2, 20)


def row(metric: str, x: float, label: str = "", n: int = 100) -> dict[str, Any]:
    return MetricValue(metric, x, x - 1, x + 1, "5-95 % of draws", (n, n), "embedded", "ab12cd34ef", label).to_json()


def measured(folder: Path, label: str, fd: float, *, n: int = 100, floor: bool = True) -> Path:
    folder.mkdir()
    rows = [row("fd", fd, n=n) | {"splits": list(fd + LUCK)}, row("recall", 0.7)]
    rows += [row("fd", 2.0, "floor", n=n)] if floor else []
    content = {"generated": "/home/maria/x", "real": "/data/clinic", "network": {}, "label": label, "rows": rows}
    write_json(folder / "metrics.json", content)
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    values = {"base": 12.0, "tuned": 6.0, "again": 12.0}
    return [measured(tmp_path / name, name, fd) for name, fd in values.items()]


def test_differences_are_to_the_first(folders: list[Path]) -> None:
    comparison = compare(read_candidates(folders))
    fd, recall = comparison.metrics
    assert [line.verdict for line in fd.lines] == ["", "better", "no difference shown"]
    assert fd.lines[1].difference
    assert fd.lines[1].difference.mean == pytest.approx(-6.0)
    assert recall.lines[1].verdict == "not tested: no values per split are stored"


def test_files_say_what_was_found_and_nothing_of_the_clinic(folders: list[Path], tmp_path: Path) -> None:
    paths = write_comparison(compare(read_candidates(folders)), out=tmp_path / "out")
    assert [path.name for path in paths] == [
        "QUALITY_COMPARISON.md",
        "quality_comparison.json",
        "quality_comparison.html",
    ]
    markdown, machine, page = (path.read_text() for path in paths)
    assert "- FD (embedded): “tuned” is better than “base”: −6.00 (−6.00 to −6.00)." in markdown
    assert "- FD (embedded): no difference shown: “again” and “base”, 0 (0 to 0)." in markdown
    assert "| tuned | 6.00 | 5.00 to 7.00 | 2.00 (1.00 to 3.00) | 100 |" in markdown
    assert "no difference shown" in page
    assert "http" not in page.replace("http-equiv", "")
    for text in (markdown, machine, page):
        assert "clinic" not in text
        assert "maria" not in text
    found = json.loads(machine)["differences"][0]
    assert found["candidate"] == "tuned"
    assert found["difference"]["mean"] == pytest.approx(-6.0)


def test_numbers_at_different_n_stand_side_by_side_untested(tmp_path: Path) -> None:
    folders = [measured(tmp_path / "a", "a", 6.0), measured(tmp_path / "b", "b", 7.0, n=50)]
    line = compare(read_candidates(folders)).metrics[0].lines[1]
    assert line.difference is None
    assert line.verdict == "not tested: taken at different n: 100 and 50"


def test_equal_names_are_told_apart(tmp_path: Path) -> None:
    folders = [measured(tmp_path / name, "run <script>", 6.0) for name in "ab"]
    comparison = compare(read_candidates(folders))
    assert [one.name for one in comparison.candidates] == ["run <script> (1)", "run <script> (2)"]
    _, _, page = write_comparison(comparison, out=tmp_path / "out")
    assert "<script>" not in page.read_text()


def test_no_comparison_without_a_floor(tmp_path: Path) -> None:
    folders = [measured(tmp_path / "a", "a", 6.0), measured(tmp_path / "b", "b", 7.0, floor=False)]
    with pytest.raises(UserError, match="a report without a floor cannot be made"):
        read_candidates(folders)


def test_one_result_is_no_comparison(folders: list[Path]) -> None:
    with pytest.raises(UserError, match="two or more"):
        read_candidates(folders[:1])


def test_a_run_stands_for_its_best_evaluation(folders: list[Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    best = {"metric": "fd", "value": 5.0, "step": 20, "weights": "ema"}
    write_json(run / "run.json", {"name": "run", "phases": ["I"], "config": {}, "best": best})
    rows = [
        {"step": step, "epoch": 1, "weights": "ema", "metrics": [row("fd", fd), row("fd", 2.0, "floor")]}
        for step, fd in ((10, 9.0), (20, 5.0), (30, 6.0))
    ]
    (run / "eval.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    lines = compare(read_candidates([folders[0], run])).metrics[0].lines
    assert lines[1].stored.value.value == 5.0
    assert lines[1].verdict == "not tested: measured against different real sets"


def test_what_stands_first_is_named_with_its_lead(folders: list[Path], tmp_path: Path) -> None:
    """Of three or more, as with EMA lengths: the least FD; two candidates have their difference alone."""
    markdown, machine, _ = (
        path.read_text() for path in write_comparison(compare(read_candidates(folders)), out=tmp_path / "out")
    )
    said = "- FD (embedded): the best value is that of “tuned”, 6.00 (better than the reference)."
    assert said in markdown
    picks = {one["metric"]: one["candidate"] for one in json.loads(machine)["picks"]}
    assert picks["fd"] == "tuned"
    two = compare(read_candidates(folders[:2]))
    assert "the best value" not in write_comparison(two, out=tmp_path / "two")[0].read_text()


@pytest.mark.parametrize(("screening", "shared"), [({}, 1), ({"policy": "calibrated"}, 2)])
def test_images_that_nothing_screened_stand_on_a_private_page(
    screening: dict[str, str], shared: int, tmp_path: Path
) -> None:
    """Of two sets, the first screened: how many images are on the shared page, and how many on the private one."""
    folders = [write_images(tmp_path / "a", {"policy": "report"}), write_images(tmp_path / "b", screening)]
    paths = write_comparison(compare(read_candidates(folders)), out=tmp_path / "out")
    assert paths[2].read_text().count("data:image/jpeg") == shared
    private = tmp_path / "out.private" / "quality_comparison_private.html"
    assert (private in paths) == private.exists() == (shared == 1)
    if private.exists():
        assert private.read_text().count("data:image/jpeg") == 1
        assert "b.png" not in paths[2].read_text()
        assert private.stat().st_mode & 0o077 == 0


def write_images(folder: Path, screening: dict[str, str]) -> Path:
    """A measured set of one image."""
    measured(folder, folder.name, 5.0)
    write_json(folder / "set.json", {"screening": screening})
    Image.fromarray(np.full((16, 16, 3), 90, np.uint8)).save(folder / "0.png")
    row = {
        "index": 0, "file_name": "0.png", "label": "I", "prompt": "", "negative_prompt": "", "guidance_scale": 1.0,
        "sampler": "ddim", "steps": 2, "adapter": None, "base": "b" * 64, "accepted": True, "reason": "", "scores": {},
    }  # fmt: skip
    append_jsonl(folder / "manifest.jsonl", [row])
    return folder
