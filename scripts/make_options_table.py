"""Writes docs/options.md and configs/train.schema.json from the settings themselves, so that neither can drift.

    python scripts/make_options_table.py

Names, meanings, defaults and bounds come from the pydantic models of woundgen.config.
Editors with a YAML language server complete and check configs by the schema.
"""

from __future__ import annotations

import ast
import json
import typing
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from woundgen.config.names import flat_name, setting_names, walk_settings
from woundgen.config.quality import QualityConfig
from woundgen.config.schema import train_schema
from woundgen.config.train import TrainConfig

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "woundgen"
PAGE = ROOT / "docs" / "options.md"
SCHEMA = ROOT / "configs" / "train.schema.json"
HELD_AS = {"settings": "lora", "options": "adversarial"}
"""Names under which mechanisms hold a group that is not called as it is in the config."""

HEAD = """# Options

<!-- Made by scripts/make_options_table.py from src/woundgen/config/; a test holds that it is current. -->

Settings are read from a YAML file and `--set key=value` on top of it; an unknown key, or a value that is not
allowed, is an error, and all of them are reported at once. Each key of training has two names: `lora_rank: 8` and
`lora: {rank: 8}` (`--set lora.rank=8`) are the same.
"""
SECTIONS = (
    (TrainConfig, "Training", "`woundgen train --config configs/phase_I_config.yaml --set learning_rate=1e-4`"),
    (QualityConfig, "Screening and grades", "`woundgen generate --thresholds configs/quality_thresholds.yaml ...`"),
)


def shown(value: Any) -> str:
    """A value as YAML has it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def allowed(field: FieldInfo) -> str:
    """Choices of a Literal, or the bounds of a number."""
    choices = list(_choices(field.annotation))
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "multiple_of": "multiple of"}
    bounds = [
        f"{sign} {getattr(rule, name):g}"
        for rule in field.metadata
        for name, sign in signs.items()
        if getattr(rule, name, None) is not None
    ]
    return ", ".join(bounds)


def _choices(annotation: Any) -> Iterator[str]:
    if typing.get_origin(annotation) is typing.Literal:
        yield from map(str, typing.get_args(annotation))
    else:
        for argument in typing.get_args(annotation):
            yield from _choices(argument)


@cache
def readers(model: type[BaseModel]) -> dict[str, list[str]]:
    """flat name -> files that read it, straight (GROUP.KEY) or through a property or function of config/."""
    names = {path: flat for flat, path in setting_names(model).items()}
    through = _ways_through_config(names)
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        if name.startswith("config/"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            for flat in _read_at(node, names) | through.get(_called(node), set()):
                found[flat].add(name)
    return {flat: sorted(found[flat]) for flat in setting_names(model)}


def _read_at(node: ast.AST, names: Mapping[tuple[str, str], str]) -> set[str]:
    """Settings that an expression reads: X.group.key or group.key, `key` alone of what is called config or quality."""
    if not isinstance(node, ast.Attribute) or not isinstance(node.ctx, ast.Load):
        return set()
    *before, owner = ast.unparse(node.value).split(".")
    if owner in ("config", "quality"):
        group = ""
    elif not before or before[-1] in ("config", "s", "self", "settings"):
        group = HELD_AS.get(owner, owner)
    else:
        return set()
    return {names[group, node.attr]} if (group, node.attr) in names else set()


def _called(node: ast.AST) -> str:
    """The name of an attribute that is read, or of a function that is called."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def _ways_through_config(names: Mapping[tuple[str, str], str]) -> dict[str, set[str]]:
    """Name of a function or property of config/ -> settings that it reads (checks do not count)."""
    ways = {}
    nodes = [node for path in (SOURCE / "config").glob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    for node in nodes:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            read = {flat for inner in ast.walk(node) for flat in _read_at(inner, names)}
            if read:
                ways[node.name] = read
    return ways


def table(model: type[BaseModel]) -> str:
    heads = ("key", "in its group", "meaning", "default", "allowed")
    lines = ["| " + " | ".join(heads) + " |", "| " + " | ".join(["---"] * len(heads)) + " |"]
    for group, key, field in walk_settings(model):
        flat = flat_name(key, field)
        assert field.description, f"{flat} has no description"
        dotted = f"`{group}.{key}`" if group else ""
        cells = (f"`{flat}`", dotted, field.description, f"`{shown(field.default)}`", allowed(field))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def schema() -> dict[str, Any]:
    """What `woundgen config schema` prints."""
    return train_schema()


def page() -> str:
    parts = [HEAD]
    for model, title, example in SECTIONS:
        parts.append(f"\n## {title}\n\n{example}\n\n{table(model)}\n")
    return "".join(parts) + "\nWhat was measured of each option: [results](results/options.md).\n"


if __name__ == "__main__":
    PAGE.write_text(page())
    SCHEMA.write_text(json.dumps(schema(), indent=1) + "\n")
