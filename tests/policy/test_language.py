"""Words of a private idiom may only grow fewer (CONTRIBUTING.md, "Words"), and are gone from the rooms named here.

A count is of whole words in names, docstrings, comments and messages of src/woundgen. Where one has fallen, lower it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from .syntax_trees import parse

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "woundgen"
FILES = sorted(SOURCE.rglob("*.py"))

# Word -> how often it stands in src/woundgen at most.
MOST = {
    "judge": 57,
    "told": 102,
    "tell": 44,
    "tells": 11,
    "tried": 18,
    "let go": 0,
    "found": 418,
    "beside": 145,
    "own": 203,
    "kept": 122,
    "seen": 118,
    "said": 34,
    "says": 70,
    "is refused": 2,
    "one": 1297,
    "through": 85,
}
# Docstrings that open with a clause instead of a verb, and functions that are called X_of.
MOST_CLAUSES, MOST_OF = 0, 54

DONE = (
    "api", "commands/train.py", "config", "data/files", "diffusion", "errors.py", "events.py", "phantoms", "runtime",
    "shipped", "similarity", "training", "verdicts.py", "web", "workflows/fetch", "workflows/rebuild",
    "workflows/train",
)  # fmt: skip
GONE = (
    "judge",
    "told",
    "tell",
    "tells",
    "tried",
    "let go",
    "found",
    "beside",
    "kept",
    "seen",
    "said",
    "is refused",
    "meet",
)
CLAUSE = ("what ", "where ", "who ", "whose ")


@cache
def text_of(file: Path) -> str:
    """A file's text with the parts of its names apart, so that `row_found` counts as `found`."""
    return file.read_text().replace("_", " ")


def count(word: str, text: str) -> int:
    return len(re.findall(rf"\b{re.escape(word)}\b", text, flags=re.IGNORECASE))


def definitions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.ClassDef | ast.Module]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module))


def clauses(tree: ast.Module) -> list[str]:
    """Docstrings that open with a clause."""
    docs = [ast.get_docstring(node) or "" for node in definitions(tree)]
    return [text for text in docs if text.lower().startswith(CLAUSE)]


def genitives(tree: ast.Module) -> list[str]:
    """Functions that are called X_of."""
    return [node.name for node in definitions(tree) if isinstance(node, ast.FunctionDef) and node.name.endswith("_of")]


def is_done(file: Path) -> bool:
    name = file.relative_to(SOURCE).as_posix()
    return any(name == room or name.startswith(f"{room}/") for room in DONE)


@pytest.mark.parametrize("word", MOST)
def test_words_grow_fewer(word: str) -> None:
    found = sum(count(word, text_of(file)) for file in FILES)
    assert found <= MOST[word], f"{word!r} stands {found} times; at most {MOST[word]}: say it in the field's words"


def test_clauses_and_genitives_grow_fewer() -> None:
    trees = [parse(file) for file in FILES]
    assert sum(len(clauses(tree)) for tree in trees) <= MOST_CLAUSES
    assert sum(len(genitives(tree)) for tree in trees) <= MOST_OF


@pytest.mark.parametrize("room", DONE)
def test_done_rooms_are_free_of_them(room: str) -> None:
    files = [file for file in FILES if file.relative_to(SOURCE).as_posix().startswith(room)]
    assert files
    faults = [f"{file.name}: {word}" for file in files for word in GONE if count(word, text_of(file))]
    faults += [f"{file.name}: {name}" for file in files for name in genitives(parse(file))]
    faults += [f"{file.name}: {text[:40]}" for file in files for text in clauses(parse(file))]
    assert not faults, "\n".join(faults)


def test_the_checks_can_fail() -> None:
    tree = ast.parse('"""What is told."""\ndef masks_of(x):\n    """Return masks."""')
    assert clauses(tree) == ["What is told."]
    assert genitives(tree) == ["masks_of"]
    assert count("told", "He told. untold, Told") == 2
    assert count("let go", "parts are let go of") == 1
