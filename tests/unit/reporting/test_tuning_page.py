"""TUNING.md and tuning.html of a record: numbers with n and interval, nothing that runs, nothing unescaped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from woundgen.reporting.pictures import Picture
from woundgen.reporting.tuning_page import parallel_chart, tuning_html, tuning_markdown
from woundgen.reporting.tuning_tables import show_value, tables


def trial(number: int, rate: float, curve: list[float]) -> dict[str, Any]:
    return {
        "name": f"trial_{number:03d}",
        "values": {"learning_rate": rate, "prompts": "short"},
        "settings": {"learning_rate": rate, "prompts": "short"},
        "curve": curve,
        "rungs": [[1 / 3, curve[0]], *([[1.0, curve[1]]] if len(curve) > 1 else [])],
        "losses": [[0.5, 0.3], [1.0, 0.2]],
        "recall": 0.41,
        "copies": None,
        "violated": False,
        "complete": len(curve) > 1,
    }


DRAWING = {"guidance_scale": 1.0, "weights": "raw", "guidance_interval": (0.0, 1.0), "inference_steps_production": 15}


@pytest.fixture
def record() -> dict[str, Any]:
    difference = {"value": -0.1, "low": -0.15, "high": -0.05}
    arm = {"values": [0.2, 0.3, 0.4], "mean": 0.3, "recall": [0.4, None, 0.5], "copies": 2, "violated": False}
    arm |= {"two_sample": [None, None, None]}
    return {
        "sentence": "trial_001 is better <b>than</b> the starting config.",
        "kind": "better",
        "metric": "KID",
        "chosen": "trial_001",
        "design": ["Patients were divided once."],
        "changes": [{"key": "learning_rate", "start": 1e-05, "tuned": 0.0005}],
        "changes_note": "What drawing alone does.",
        "confirmation": [
            {**arm, "name": "start", "difference": None, "shown": ""},
            {**arm, "name": "trial_001", "difference": difference, "shown": "better", "violated": True},
        ],
        "confirmation_n": 48,
        "leaders": [{"name": "trial_001", "mean": 0.2, "values": [-0.2, 0.21], "drawing": DRAWING}],
        "leaders_note": "trial_001 is not shown to be better than trial_000 on the selection patients.",
        "space": [
            {"key": "learning_rate", "low": 1e-4, "high": 1e-3, "log": True, "choices": [], "ratio_of": ""},
            {"key": "prompts", "low": 0, "high": 0, "log": False, "choices": ["short", "medical"], "ratio_of": ""},
        ],
        "trials": [trial(0, 1e-5, [0.9, 0.8]), trial(1, 5e-4, [0.4, 0.2]), trial(2, 9e-4, [0.7])],
        "importance": [{"key": "learning_rate", "value": 0.8, "low": 0.3, "high": 0.95}],
        "commands": ["woundgen train --config config.yaml --data PHOTOGRAPHS --out RUN"],
    }


def test_numbers_stand_with_their_n_and_interval(record: dict[str, Any]) -> None:
    text = tuning_markdown(record)
    assert "−0.15 to −0.05" in text
    assert "n = 48 photographs" in text
    assert "better, constraint violated" in text
    assert "0.2, 0.3, 0.4" in text
    assert "pruned" in text
    found = dict(tables(record))
    assert "two-sample accuracy" not in found["Confirmed on patients that chose nothing"].header, "it was not measured"


def test_the_page_runs_nothing_and_escapes(record: dict[str, Any]) -> None:
    page = tuning_html(record, [Picture(np.zeros((8, 8, 3), np.uint8), "trial_001")])
    assert "<script" not in page
    assert "&lt;b&gt;" in page
    assert "<b>than" not in page
    assert page.count("<img") == 6, "parallel coordinates, differences, importance, two curves, a grid"
    assert 'alt="Synthetic images of trial_001"' in page


def test_a_start_outside_of_the_bounds_has_its_place(record: dict[str, Any]) -> None:
    chart = parallel_chart(record)
    assert "3 trials" in chart.alt
    assert "trial_001's" in chart.alt
    record["trials"][0]["values"]["prompts"] = "custom"
    assert parallel_chart(record).source != chart.source


def test_without_a_confirmation(record: dict[str, Any]) -> None:
    record |= {"confirmation": [], "changes": [], "chosen": "", "importance": [], "commands": []}
    page = tuning_html(record, [])
    assert "Confirmed on patients" not in page
    assert page.count("<img") == 3


def test_results_stand_before_settings(record: dict[str, Any]) -> None:
    found = dict(tables(record))
    assert found["All trials"].header[:5] == ("trial", "KID at its rungs", "recall", "copies", "note")
    leaders = found["Leaders on the selection patients"]
    assert leaders.rows[0][2:] == ("−0.2, 0.21", "1", "raw", "all", "15")
    assert found["What trial_001 changes"].notes == ("What drawing alone does.",)
    assert "guidance_<wbr>scale" in tuning_html(record, []), "a long name of a column can be broken"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "none"), (True, "yes"), (32.0, "32"), (3.83e-4, "0.000383"), ((0.1, 0.8), "0.1 to 0.8"), ("ema", "ema")],
)
def test_values_of_settings(value: object, text: str) -> None:
    assert show_value(value) == text


@pytest.mark.parametrize(
    ("kind", "told"), [("better", False), ("no difference shown", True), ("too little data", True)]
)
def test_commands_of_a_config_that_is_not_better_say_so(record: dict[str, Any], kind: str, told: bool) -> None:
    assert ("no grounds to leave the starting config" in tuning_markdown(record | {"kind": kind})) is told
