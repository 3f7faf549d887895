"""Sizes of the source: functions that fit on a screen, small files, short signatures."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from .syntax_trees import parse

SOURCE = Path(__file__).parents[2] / "src" / "woundgen"
LINES_OF_A_FUNCTION, LINES_OF_A_FILE, PARAMETERS = 60, 250, 10
MOST_LONG_FUNCTIONS, MOST_LONG_FILES = 3, 3
THE_LOOP = ("training/loop.py", "train")


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield path.relative_to(SOURCE).as_posix(), node


def test_functions_fit_on_a_screen() -> None:
    long = [
        f"{file} {node.name}: {node.end_lineno - node.lineno + 1}"
        for file, node in functions()
        if node.end_lineno is not None and node.end_lineno - node.lineno + 1 > LINES_OF_A_FUNCTION
    ]
    assert len(long) <= MOST_LONG_FUNCTIONS, f"functions of more than {LINES_OF_A_FUNCTION} lines: {long}"


def test_files_are_small() -> None:
    lines = {path.relative_to(SOURCE).as_posix(): len(path.read_text().splitlines()) for path in SOURCE.rglob("*.py")}
    long = {name: count for name, count in lines.items() if count > LINES_OF_A_FILE}
    assert len(long) <= MOST_LONG_FILES, f"files of more than {LINES_OF_A_FILE} lines: {long}"


def test_signatures_are_short() -> None:
    """A command's parameters are its options; the loop's are what it works on."""
    wide = []
    for file, node in functions():
        arguments = node.args
        count = len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs)
        if count > PARAMETERS and not file.startswith("commands/") and (file, node.name) != THE_LOOP:
            wide.append(f"{file} {node.name}: {count}")
    assert not wide, f"more than {PARAMETERS} parameters: {wide}"
