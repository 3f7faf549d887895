"""Writes tests/golden/surface.json: every verb with its arguments and options, by which the surface is frozen.

    python tests/golden/make_surface.py

Run it where a change of the surface is meant, and say so in the commit.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from woundgen.cli import app


def surface() -> dict[str, Any]:
    """verb -> option or argument -> {required, multiple, flag, default}."""
    verbs = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    actions = {f"{verb} {name}": one for verb, group in verbs.items() for name, one in _actions(group).items()}
    return {
        name: {" ".join(parameter.opts): _facts(parameter) for parameter in command.params}
        for name, command in (verbs | actions).items()
        if not _actions(command)
    }


def _actions(command: Any) -> dict[str, Any]:
    """Of a verb that has several, such as data."""
    return dict(getattr(command, "commands", {}))


def _facts(parameter: Any) -> dict[str, Any]:
    default = parameter.default
    return {
        "required": parameter.required,
        "multiple": bool(getattr(parameter, "multiple", False)) or parameter.nargs == -1,
        "flag": bool(getattr(parameter, "is_flag", False)),
        "default": default if isinstance(default, bool | int | float | None) else str(default),
    }


if __name__ == "__main__":
    text = json.dumps(surface(), indent=1, ensure_ascii=False) + "\n"
    (Path(__file__).parent / "surface.json").write_text(text)
