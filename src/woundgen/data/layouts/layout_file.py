"""A layout that the user writes: which columns, which parts of file names and which words mean what.

    columns: {file_name: Filename, phase: Stage, group: Subject}     # of a table
    name: "(?P<group>P[0-9]+)/(?P<phase>[a-z]+)_.*"                   # of a photograph's path below the root
    folders: "cases/[^/]+"                                            # look for photographs in these alone
    annotations: coco                                                 # or voc, yolo, in place of columns
    values: {inflamed: I, granulating: P, scarred: R}

or, for tables joined by keys, the fields of `KeyedMapping` (data/layouts/layout.py) below `keyed:`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from woundgen.data.layouts.layout import Annotations, Columns, KeyedMapping, Layout
from woundgen.data.layouts.phases import PHASE_VALUES
from woundgen.errors import UserError
from woundgen.records import PHASES
from woundgen.storage.bounded_yaml import read_yaml

ROLES_OF_NAMES = ("phase", "group", "split")
_KEYS = ("columns", "name", "folders", "values", "keyed", "annotations")


def read_layout(path: Path) -> Layout:
    """Raises UserError, naming file and key, for what is no mapping."""
    content = read_yaml(path)
    if not isinstance(content, dict) or not content or set(content) - set(_KEYS):
        odd = sorted(set(content) - set(_KEYS)) if isinstance(content, dict) else []
        what = f"unknown key {odd[0]!r}" if odd else "no keys"
        raise UserError(f"{path}: {what}.", f"A mapping has {', '.join(_KEYS)}.")
    values = _values(content.get("values"), path=path)
    if "keyed" in content:
        if {"columns", "name", "folders"} & set(content):
            raise UserError(f"{path}: keyed stands beside columns, name or folders.", "Keep one of them.")
        return Layout(None, None, values, _keyed(content["keyed"], values=values, path=path))
    if "annotations" in content:
        return _annotated(content, values=values, path=path)
    columns, name = _columns(content.get("columns"), path=path), _name(content.get("name"), path=path)
    layout = Layout(columns, name, values, folders=_expression(content.get("folders"), key="folders", path=path))
    if layout.columns is None and (layout.name is None or "(?P<phase>" not in layout.name):
        raise UserError(f"{path}: nothing says the phase.", "Give columns, or a name with (?P<phase>...).")
    if layout.columns is not None and layout.folders is not None:
        raise UserError(f"{path}: folders stands beside columns, whose table names every file.", "Leave it out.")
    return layout


def _annotated(content: Mapping[str, Any], *, values: Mapping[str, str], path: Path) -> Layout:
    """Annotation files with the user's words for their classes, and what file names add."""
    kind = content["annotations"]
    if kind not in get_args(Annotations):
        raise UserError(f"{path}: annotations is {kind!r}.", f"Use {', '.join(get_args(Annotations))}.")
    if {"columns", "folders"} & set(content):
        raise UserError(f"{path}: annotations excludes columns and folders.", "Keep either.")
    return Layout(None, _name(content.get("name"), path=path), values, annotations=kind)


def _values(given: Any, *, path: Path) -> Mapping[str, str]:
    """The user's words over ours."""
    if given is None:
        return PHASE_VALUES
    if not isinstance(given, dict) or not all(value in PHASES for value in given.values()):
        raise UserError(f"{path}: values has to give each word one of {', '.join(PHASES)}.", "Such as inflamed: I.")
    return {**PHASE_VALUES, **{str(word).strip().upper(): phase for word, phase in given.items()}}


def _columns(given: Any, *, path: Path) -> Columns | None:
    if given is None:
        return None
    roles = {role.name for role in fields(Columns)}
    if not isinstance(given, dict) or set(given) - roles:
        odd = sorted(set(given) - roles)[0] if isinstance(given, dict) else given
        raise UserError(f"{path}: columns has {odd!r}.", f"Roles are {', '.join(sorted(roles))}.")
    named = {role: tuple(map(str, name)) if isinstance(name, list) else (str(name),) for role, name in given.items()}
    return replace(Columns(), **named)


def _name(given: Any, *, path: Path) -> str | None:
    name = _expression(given, key="name", path=path)
    groups = set(re.compile(name).groupindex) if name is not None else {"phase"}
    if not groups or groups - set(ROLES_OF_NAMES):
        raise UserError(f"{path}: name has the groups {', '.join(sorted(groups)) or 'none'}.",
                        f"Name groups among {', '.join(ROLES_OF_NAMES)}: (?P<group>...).")  # fmt: skip
    return name


def _expression(given: Any, *, key: str, path: Path) -> str | None:
    if given is None:
        return None
    try:
        re.compile(str(given))
    except re.error as error:
        raise UserError(f"{path}: {key} is no regular expression ({error}).", "Mend it.") from None
    return str(given)


def _keyed(given: Any, *, values: Mapping[str, str], path: Path) -> KeyedMapping:
    if not isinstance(given, dict):
        raise UserError(f"{path}: keyed is no table of settings.", "See docs/howto/import.md.")
    try:
        adapter = TypeAdapter(KeyedMapping)
        unknown = sorted(set(given) - {one.name for one in fields(KeyedMapping)})
        if unknown:
            raise UserError(f"{path}: keyed has the unknown key {unknown[0]!r}.", "See docs/howto/import.md.")
        made = adapter.validate_python({**given, "values": dict(values)})
        re.compile(made.name)
        return made
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"{path}: keyed.{where}: {first['msg'].lower()}.", "See docs/howto/import.md.") from None
    except re.error as error:
        raise UserError(f"{path}: keyed.name is no regular expression ({error}).", "Mend it.") from None
