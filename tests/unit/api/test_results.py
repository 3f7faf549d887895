"""Results without a model: what they show in a notebook, and as tables, arrays and JSON."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import woundgen
from woundgen.records import MetricValue
from woundgen.reporting.notebook import grid_html, lines_html
from woundgen.storage.set_rows import Tally


def measured(label: str = "phase I") -> woundgen.EvaluateResult:
    rows = (
        MetricValue("fd", 20.0, 18.0, 22.0, "95 %", (40, 40), "embedded", "abc"),
        MetricValue("fd", 9.0, 8.0, 10.0, "95 %", (40, 40), "embedded", "abc", label="floor"),
    )
    return woundgen.EvaluateResult(rows, Path("metrics.json"), label)


def test_a_value_is_that_of_the_set_and_not_of_its_floor() -> None:
    assert measured().value("fd").value == 20.0
    with pytest.raises(KeyError):
        measured().value("kid")


def test_a_table_is_shown_and_escaped() -> None:
    html = measured()._repr_html_()
    assert "20.0" in html
    assert "9.0" in html
    row = MetricValue("fd", 20.0, None, None, "<b>none</b>", (4, 4))
    floor = MetricValue("fd", 9.0, None, None, "none", (4, 4), label="floor")
    shown = woundgen.EvaluateResult((row, floor), Path("m"), "<i>")._repr_html_()
    assert "<b>" not in shown
    assert "<i>" not in shown


def test_text_beside_pictures_is_escaped() -> None:
    html = str(grid_html([np.zeros((4, 4, 3), np.uint8)], alt="1 < 2", caption="<script>"))
    assert 'src="data:image/png;base64,' in html
    assert "<script>" not in html
    assert "1 &lt; 2" in html
    assert "<script>" not in str(lines_html("<script>", ["<script>"]))


def test_pandas_is_asked_for_where_it_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(woundgen.UserError, match="pandas is not installed"):
        measured().to_pandas()


def test_pandas_gets_a_row_for_each_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=list))
    frame = measured().to_pandas()
    assert [(row["metric"], row["label"], row["value"]) for row in frame] == [("fd", "", 20.0), ("fd", "floor", 9.0)]


def test_a_result_is_a_place() -> None:
    assert Path(woundgen.TrainResult(Path("runs/phase_I"), 3)) == Path("runs/phase_I")
    drawn = woundgen.GenerateResult(Path("generated/I"), Tally(20, 8, {"copy": 12}))
    assert Path(drawn) == Path("generated/I")
    assert len(drawn) == 8
    assert drawn.to_json()["not_kept"] == {"copy": 12}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: woundgen.train(data="nowhere", out="out", config={"learning_rat": 1}), "did you mean 'learning_rate'"),
        (lambda: woundgen.train(), "No photographs are named"),
        (lambda: woundgen.tune(), "No photographs are named"),
        (lambda: woundgen.tune(data="photos", options=woundgen.TuneOptions(budget="2")), "--budget '2'"),
        (lambda: woundgen.generate("runs/x", out="o", options=woundgen.GenerateOptions(steps=0)), "--steps 0"),
        (lambda: woundgen.generate("runs/x", out="o", count=0), "--count 0"),
        (lambda: woundgen.evaluate("set", phase="X", run="r"), "--phase 'X' is unknown"),
        (lambda: woundgen.evaluate("set", phase="I"), "Give either --real or --run"),
        (lambda: woundgen.sweep("r", phase="I"), "Give either --real or --run"),
        (lambda: woundgen.compare(["reports"]), "two or more"),
        (lambda: woundgen.calibrate("photos", out="o"), "Give either --run or --phase"),
        (lambda: woundgen.utility("photos", [], out="o"), "No synthetic set is named"),
        (lambda: woundgen.report([], out="o"), "No run is named"),
        (lambda: woundgen.open_run("nowhere"), "does not exist"),
        (lambda: woundgen.open_set("nowhere"), "is not a generated set"),
        (lambda: woundgen.load_config({"seed": True}), "true or false where a number belongs"),
    ],
)
def test_a_mistake_is_raised_and_nothing_printed(
    call, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(woundgen.UserError, match=message):
        call()
    assert capsys.readouterr().out == ""
    assert not list(tmp_path.iterdir()), "nothing is written"


def test_settings_by_any_name_and_with_overrides() -> None:
    config = woundgen.load_config({"lora": {"rank": 8}, "learning_rate": 1e-4}, overrides={"lora.alpha": 4})
    assert (config.lora.rank, config.lora.alpha, config.optimization.learning_rate) == (8, 4, 1e-4)
    again = woundgen.load_config(config, overrides=["seed=3"])
    assert (again.lora.rank, again.seed) == (8, 3)
    assert woundgen.load_config() == woundgen.TrainConfig()
