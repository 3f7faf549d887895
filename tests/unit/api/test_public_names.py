"""The public names: listed once, loaded when used, documented with units, and no submodule's name."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import woundgen

PACKAGE = Path(woundgen.__file__).parent
NAMES = [name for name in woundgen.__all__ if name != "__version__"]
FUNCTIONS = [name for name in NAMES if inspect.isfunction(getattr(woundgen, name))]
RESULTS = [name for name in NAMES if name.endswith("Result") or name == "CheckedPhotographs"]
# What a docstring of a function says of the numbers that go in and come out: at least one of these.
UNITS = re.compile(
    r"pixels|seconds|bytes|steps|shares?\b|\b-?\d\.\.\d|\[N|n \(|interval|p-value|mode 0|photographs in all|95 %"
)


def public_members(kind: type) -> Iterator[tuple[str, Any]]:
    """Methods and properties of a class that are its own and public."""
    for name, member in vars(kind).items():
        function = member.fget if isinstance(member, property) else member
        if not name.startswith("_") and inspect.isfunction(function):
            yield name, function


def test_importing_takes_no_torch_and_little_time() -> None:
    program = (
        "import time; before = time.process_time()\n"
        "import woundgen\n"
        "seconds = time.process_time() - before\n"
        "import sys\n"
        "[getattr(woundgen, name) for name in woundgen.__all__]\n"
        "print(seconds, sorted({'torch', 'diffusers', 'transformers', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    seconds, heavy = done.stdout.split(maxsplit=1)
    assert float(seconds) < 0.3
    assert heavy.strip() == "[]", "not even the functions and their options import torch"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'woundgen' has no attribute 'trian'"):
        woundgen.trian  # noqa: B018
    assert set(woundgen.__all__) <= set(dir(woundgen))


def test_the_stub_names_the_same() -> None:
    tree = ast.parse((PACKAGE / "__init__.pyi").read_text())
    imported = {
        alias.asname: f"{node.module}.{alias.name}"
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == {name: f"woundgen.{home}.{name}" for name, home in woundgen._HOME.items()}


def test_no_public_name_is_a_submodule() -> None:
    """Importing woundgen.x sets the attribute x of the package, in place of a function of that name."""
    assert not set(woundgen.__all__) & {module.name for module in pkgutil.iter_modules(woundgen.__path__)}


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_documented(name: str) -> None:
    thing = getattr(woundgen, name)
    assert inspect.getdoc(thing), f"{name} has no docstring"
    if inspect.isclass(thing):
        missing = [member for member, function in public_members(thing) if not inspect.getdoc(function)]
        assert not missing, f"{name}: {missing}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_says_its_parameters_and_units(name: str) -> None:
    function = getattr(woundgen, name)
    text = inspect.getdoc(function) or ""
    assert UNITS.search(text), f"{name} names no unit, range or n"
    assert "UserError" in text, f"{name} does not say what it raises"
    unnamed = [p for p in inspect.signature(function).parameters if not re.search(rf"\b{p}\b", text)]
    assert not unnamed, f"{name} does not explain {unnamed}"


def test_arrays_have_their_shape() -> None:
    for name in NAMES:
        kind = getattr(woundgen, name)
        for member, function in public_members(kind) if inspect.isclass(kind) else ():
            if "NDArray" in str(inspect.signature(function).return_annotation):
                assert "[N, S, S, 3]" in (inspect.getdoc(function) or ""), f"{name}.{member}"


@pytest.mark.parametrize("name", RESULTS)
def test_results_are_frozen_and_show_themselves(name: str) -> None:
    kind = getattr(woundgen, name)
    assert dataclasses.is_dataclass(kind)
    assert kind.__dataclass_params__.frozen
    assert callable(kind._repr_html_)
    assert callable(kind.to_json)


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("Options")])
def test_options_have_defaults_and_say_what_each_is(name: str) -> None:
    kind = getattr(woundgen, name)
    assert kind() == kind(), "all have defaults"
    text = inspect.getdoc(kind) or ""
    unnamed = [field.name for field in dataclasses.fields(kind) if not re.search(rf"\b{field.name}\b", text)]
    assert not unnamed, f"{name} does not explain {unnamed}"


def test_units_can_be_missing() -> None:
    assert not UNITS.search("Draw a set. count: how many.")
