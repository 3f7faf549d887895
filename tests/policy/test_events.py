"""Jobs speak by yielding events: few functions take a console, and nobody forgets to follow a job."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from .syntax_trees import parse

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "woundgen"
MOST = 14  # all of them public functions, which open a console where none is given
NAMES = {"say", "console", "progress", "notice", "announce", "warn", "tell", "echo", "printer", "show"}
TYPES = re.compile(r"\bConsole\b|\bSay\b|Callable\[\[(str|int, int|int, int, str|Event)\], None\]")


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def takes_console(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a parameter, by its name or its type, is something to print through."""
    arguments = function.args
    return any(
        argument.arg in NAMES or (argument.annotation is not None and TYPES.search(ast.unparse(argument.annotation)))
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    )


def works(tree: ast.AST) -> set[str]:
    """Names of the functions that return Work[...]."""
    return {f.name for f in functions(tree) if f.returns is not None and ast.unparse(f.returns).startswith("Work[")}


def unfollowed(tree: ast.AST, names: set[str]) -> list[int]:
    """Lines on which a job is called as a statement of its own, so that nothing of it happens."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id in names
    ]


def test_few_functions_take_a_console() -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{function.lineno} {function.name}"
        for path in sorted(SOURCE.rglob("*.py"))
        for function in functions(parse(path))
        if takes_console(function)
    ]
    assert len(found) <= MOST, f"{len(found)} functions take a console; yield events instead: {found}"


def test_every_job_is_followed() -> None:
    exported = {name for path in sorted(SOURCE.rglob("*.py")) for name in works(parse(path))}
    assert "generate_set" in exported
    may_call = re.compile(rf"Work\[|\b({'|'.join(sorted(exported))})\(")
    files = [path for folder in ("src", "tests", "benchmarks", "scripts") for path in (ROOT / folder).rglob("*.py")]
    trees = {path: parse(path) for path in sorted(files) if may_call.search(path.read_text())}
    assert len(trees) > 20
    for path, tree in trees.items():
        imported = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("woundgen")
            for alias in node.names
            if alias.name in exported
        }
        lines = unfollowed(tree, imported | works(tree))
        assert not lines, f"{path.relative_to(ROOT)}: lines {lines} call a job and do not follow it (yield from)"


def test_the_checks_see_a_fault() -> None:
    tree = ast.parse("def job(tell: object) -> Work[None]:\n    yield 1\n\ndef run() -> None:\n    job(2)\n")
    assert unfollowed(tree, works(tree)) == [5]
    assert [takes_console(function) for function in functions(tree)] == [True, False]
    hidden = ast.parse("def job(out: Callable[[str], None]) -> None: ...\ndef other(out: Console | None) -> None: ...")
    assert all(takes_console(function) for function in functions(hidden))
