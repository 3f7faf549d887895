"""The notebook in examples/ runs from its first cell to its last, and shows images, tables and plots."""

from __future__ import annotations

import ast
import json
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples" / "phantoms.ipynb"


@pytest.fixture(scope="module")
def runner() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "run_notebook.py"))


def read() -> dict[str, Any]:
    return json.loads(NOTEBOOK.read_text())


def kinds(notebook: dict[str, Any]) -> list[set[str]]:
    """What each code cell shows, by MIME type."""
    return [
        {kind for output in cell["outputs"] for kind in output.get("data", {"stdout": ""})}
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


def test_it_has_ten_cells_with_stored_outputs() -> None:
    notebook = read()
    assert len(notebook["cells"]) == 10
    shown = kinds(notebook)
    assert sum("text/html" in kind for kind in shown) >= 4
    assert sum("image/png" in kind for kind in shown) == 2
    assert "data:image/png;base64," in json.dumps(notebook), "the drawn images"


def test_it_uses_public_names_alone() -> None:
    import woundgen

    used = {
        node.attr
        for cell in read()["cells"]
        if cell["cell_type"] == "code"
        for node in ast.walk(ast.parse("".join(cell["source"])))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "woundgen"
    }
    assert used
    assert used <= set(woundgen.__all__)


def test_a_cell_is_run_as_a_notebook_would(runner: dict[str, Any]) -> None:
    names: dict[str, Any] = {}
    assert runner["run_cell"]("x = 2\nprint(x)\nx + 1", names) == [
        {"output_type": "stream", "name": "stdout", "text": ["2\n"]},
        {"output_type": "execute_result", "data": {"text/plain": ["3"]}, "metadata": {}, "execution_count": None},
    ]
    with pytest.raises(ZeroDivisionError):
        runner["run_cell"]("x / 0", names)


@pytest.mark.slow
def test_it_runs(runner: dict[str, Any], tmp_path: Path) -> None:
    done = runner["run_notebook"](read(), tmp_path)
    assert kinds(done) == kinds(read()), "as stored"
    assert (tmp_path / "report" / "report.html").is_file()
    assert (tmp_path / "privacy" / "PRIVACY.md").is_file()
