"""Runs a notebook's cells in this process and stores what they show, without Jupyter.

    python scripts/run_notebook.py examples/phantoms.ipynb

A cell's output is what it prints, then its last expression (as HTML where the value can show itself so), then the
figures that it leaves open, as PNG. The working folder is a temporary one.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

Output = dict[str, Any]


def run_cell(source: str, names: dict[str, Any]) -> list[Output]:
    """Run one cell and return its outputs in the form of nbformat 4. An exception of the cell is raised."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "<cell>", "exec"), names)
        value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names) if last is not None else None
    outputs: list[Output] = []
    if printed.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": printed.getvalue().splitlines(True)})
    if value is not None:
        outputs.append(_result(value))
    for number in plt.get_fignums():
        outputs.append({"output_type": "display_data", "data": {"image/png": _png(plt.figure(number))}, "metadata": {}})
    plt.close("all")
    return outputs


def _result(value: Any) -> Output:
    data: dict[str, Any] = {"text/plain": [repr(value)[:1000]]}
    if hasattr(value, "_repr_html_"):
        data["text/html"] = value._repr_html_().splitlines(True)
    return {"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": None}


def _png(figure: Any) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=70, metadata={"Software": None})
    return base64.b64encode(buffer.getvalue()).decode()


def run_notebook(notebook: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run all code cells in `folder` in the same names, and put their outputs into the notebook."""
    names: dict[str, Any] = {"__name__": "__main__"}
    before = Path.cwd()
    os.chdir(folder)
    try:
        cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        for number, cell in enumerate(cells, start=1):
            cell["outputs"] = run_cell("".join(cell["source"]), names)
            cell["execution_count"] = number
            for output in cell["outputs"]:
                if output["output_type"] == "execute_result":
                    output["execution_count"] = number
    finally:
        os.chdir(before)
    return notebook


if __name__ == "__main__":
    path = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        done = run_notebook(json.loads(path.read_text()), Path(folder))
    path.write_text(json.dumps(done, indent=1, ensure_ascii=False) + "\n")
