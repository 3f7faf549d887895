"""Tables that we write: cells that hold text from outside are neutralised, so that no spreadsheet runs them."""

from __future__ import annotations

import ast
import csv
import io
from pathlib import Path

from woundgen.generation.image_set import _table

from .syntax_trees import parse

SOURCE = Path(__file__).parents[2] / "src" / "woundgen"
# Names and numbers of our own making, and no text from outside.
OWN_CELLS = {
    "workflows/dataset/phantoms.py": "names, phases and numbers of the renderer",
    "downstream/command.py": "names we give and phases, read by the user's own program",
}


def writes_csv(tree: ast.AST) -> bool:
    calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return any(call in ("csv.writer", "csv.DictWriter") for call in calls)


def test_every_writer_of_tables_neutralises() -> None:
    writers = {}
    for path in sorted(SOURCE.rglob("*.py")):
        tree = parse(path)
        if writes_csv(tree):
            names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            writers[path.relative_to(SOURCE).as_posix()] = "neutral" in names
    assert {name for name, neutral in writers.items() if not neutral} == set(OWN_CELLS)
    neutralising = {name for name, neutral in writers.items() if neutral}
    assert neutralising == {"data/layouts/manifest.py", "generation/image_set.py"}


def test_a_label_of_a_generated_set_is_no_formula() -> None:
    row = {"file_name": "images/000000.png", "label": "=1+1", "index": 0, "seed": 7, "accepted": True}
    (cells,) = csv.reader(io.StringIO(_table([row])))
    assert cells == ["images/000000.png", "'=1+1", "0", "7"]
