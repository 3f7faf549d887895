"""Commands on mutated inputs: exit code 0, 2 or 3, a line of words, no traceback, nothing half written."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest
import yaml

from woundgen.cli import run
from woundgen.config.train import TrainConfig
from woundgen.events import complete
from woundgen.workflows.dataset.phantoms import write_phantoms

from ..unit.mutations import mutate_file
from ..unit.reporting.stored_results import write_run

INPUTS = 120


def write_inputs(folder: Path) -> list[tuple[Path, list[str]]]:
    """(file to mutate, command that reads it); OUT in a command is where it writes."""
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(TrainConfig().model_dump(mode="json")))
    photographs = folder / "photographs"
    complete(write_phantoms(photographs, count=4, phases="I", seed=1, size=32, views=1))
    entries = [{"id": n, "file_name": f"{n:06d}.png", "width": 32, "height": 32} for n in range(4)]
    boxes = [{"id": n, "image_id": n, "category_id": 1, "bbox": [4, 4, 20, 20]} for n in range(4)]
    labels = folder / "labels.json"
    labels.write_text(json.dumps({"images": entries, "annotations": boxes, "categories": [{"id": 1, "name": "I"}]}))
    trained = write_run(folder / "run", steps=12)
    found = str(photographs)
    return [
        (config, ["config", "validate", str(config)]),
        (photographs / "metadata.csv", ["data", "check", found, "--out", "OUT"]),
        (labels, ["data", "import", found, "--preset", "coco", "--table", str(labels), "--out", "OUT"]),
        (trained / "run.json", ["report", "--run", str(trained), "--out", "OUT"]),
        (trained / "train.jsonl", ["report", "--run", str(trained), "--out", "OUT"]),
    ]


@pytest.mark.slow
def test_commands_say_in_words_what_they_cannot_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs, out = write_inputs(tmp_path), tmp_path / "out"
    codes: Counter[int] = Counter()
    for number in range(INPUTS):
        path, command = inputs[number % len(inputs)]
        before = path.read_bytes()
        content, rule = mutate_file(path, random.Random(number))
        path.write_bytes(content)
        code = run([str(out) if word == "OUT" else word for word in command])
        path.write_bytes(before)
        said = capsys.readouterr().err
        codes[code] += 1
        expected = (2,) if rule else (0, 2, 3)  # 3: checked, and found wanting
        assert code in expected, f"{number}: {path.name}, {rule}, exit code {code}: {content[-300:]!r}"
        assert "Traceback" not in said
        if code == 2:
            assert len([line for line in said.splitlines() if line.startswith("error: ")]) == 1, said
            assert not out.exists() or not any(out.iterdir()), f"{number}: {path.name} left a result half written"
        shutil.rmtree(out, ignore_errors=True)
    assert codes[0] > INPUTS // 10
    assert codes[2] > INPUTS // 4
