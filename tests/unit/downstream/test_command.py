"""The contract of a command, kept and broken."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from woundgen.downstream.command import run_command
from woundgen.errors import UserError

PHASES = ("I", "R")
START = "import csv, os, sys\ntrain, test, out = sys.argv[1:]\nrows = list(csv.DictReader(open(test)))\n"
QUERY = [Path("/images/a.png"), Path("/images/b, c.png")]
TRAINING = [(Path("/images/d.png"), "I"), (Path("/images/d.png"), "I"), (Path("/images/e.png"), "R")]


def run(folder: Path, body: str) -> list[list[float]]:
    script = folder / "classify.py"
    script.write_text(START + body)
    words = [sys.executable, str(script)]
    return run_command(words, training=TRAINING, query=QUERY, phases=PHASES, seed=7).tolist()


def test_probabilities_come_back_in_the_order_asked(tmp_path: Path) -> None:
    """The command sees every training line, repeats too, and the seed; its rows may stand in any order."""
    body = """
listed = [row["phase"] for row in csv.DictReader(open(train))]
assert listed == ["I", "I", "R"] and os.environ["WOUNDGEN_SEED"] == "7"
writer = csv.writer(open(out, "w"))
writer.writerow(["file_name", "R", "I"])
for number, row in reversed(list(enumerate(rows))):
    writer.writerow([row["file_name"], 3 - number, 1])
"""
    assert run(tmp_path, body) == [[0.25, 0.75], [pytest.approx(1 / 3), pytest.approx(2 / 3)]]


def test_labels_serve_too(tmp_path: Path) -> None:
    body = """
writer = csv.writer(open(out, "w"))
writer.writerows([["file_name", "phase"], *([row["file_name"], "R"] for row in rows)])
"""
    assert run(tmp_path, body) == [[0, 1], [0, 1]]


WRITE = 'writer = csv.writer(open(out, "w"))\nwriter.writerows([{}])'


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("sys.exit('no GPU today')", "exit code 1: no GPU today"),
        ("", "wrote no predictions.csv"),
        (WRITE.format('["file_name", "phase"], [rows[0]["file_name"], "R"]'), "1 rows for 2 images"),
        (WRITE.format('["file_name", "phase"], ["x", "R"], ["y", "R"]'), "leave out a.png"),
        (WRITE.format('["file_name", "phase"], *([row["file_name"], "Q"] for row in rows)'), "phase 'Q'"),
        (WRITE.format('["file_name", "I"], *([row["file_name"], 1] for row in rows)'), "neither a phase nor numbers"),
        (WRITE.format('["file_name", "I", "R"], *([row["file_name"], 1, -1] for row in rows)'), "no probabilities"),
    ],
)
def test_a_broken_contract_is_one_line(tmp_path: Path, body: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        run(tmp_path, body)


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(UserError, match="cannot be started"):
        run_command(["/no/such/program"], training=TRAINING, query=QUERY, phases=PHASES, seed=0)
