"""Schemas of the JSON files that we write: keys and their types, checked as a file is opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from woundgen.errors import UserError
from woundgen.storage.names import (
    ADAPTER_NOTES,
    COUNTS_JSON,
    EVAL_LOG,
    IMPORT_JSON,
    MANIFEST_JSONL,
    MARKER,
    METRICS_JSON,
    REVIEW_JSONL,
    RUN_JSON,
    SET_JSON,
    STAGES_JSON,
    STUDY_JSON,
    TRAIN_LOG,
    TRUTH_JSON,
)

ANSWER_ROW, STUDY_ITEM = "a reader's answer", "a picture of a study"

NUMBER = (int, float)
TEXT_OR_NONE = (str, type(None))
Types = type | tuple[type, ...]

# Of each file, by its name: key -> type. A dotted key lies in a mapping; one with `?` may be absent.
OBJECTS: Mapping[str, Mapping[str, Types]] = {
    RUN_JSON: {
        "name": str, "phases": list, "config": dict, "data?": dict, "data?.folder?": str, "data?.digest?": str,
        "data?.counts?": dict, "base?": dict, "base?.name?": str, "plan?": dict, "changes?": list, "seconds?": dict,
        "git?": dict, "versions?": dict, "parameters?": dict, "command?": (list, str),
    },
    SET_JSON: {"label?": str, "adapters?": list, "base?": str, "screening?": dict, "count?": int, "sampler?": dict,
        "precision?": str},
    COUNTS_JSON: {"drawn": int, "accepted": int, "not_kept": dict, "copies?": int,
        "manifest_sha256?": str},
    METRICS_JSON: {"rows": list},
    MARKER: {"identity": str},
    STAGES_JSON: {"version": int, "given": dict, "stages": dict},
    IMPORT_JSON: {"root": str, "digest": str},
    ADAPTER_NOTES: {
        "base?": str, "base_digest?": str, "phase?": str, "prompt?": str, "negative_prompt?": str, "steps?": int,
        "guidance_scale?": NUMBER, "prompts?": (dict, type(None)), "train_resolution?": (int, type(None)),
        "precision?": str,
    },
    STUDY_JSON: {"version": int, "title": str, "size": int, "phases": list, "orders": dict, "design": dict},
    TRUTH_JSON: {"items": dict, "real_dir": str, "set_dirs": list},
    STUDY_ITEM: {"kind": str, "phase": str, "group": int, "set": (int, type(None)), "file": TEXT_OR_NONE,
                 "answer": (dict, type(None))},
}  # fmt: skip
ROWS: Mapping[str, Mapping[str, Types]] = {
    MANIFEST_JSONL: {
        "index": int, "file_name": TEXT_OR_NONE, "label": str, "accepted": bool, "reason": str, "scores?": dict,
        "kind?": TEXT_OR_NONE, "category?": str, "guidance_scale?": NUMBER, "steps?": int,
    },
    ANSWER_ROW: {
        "undo?": int, "position?": int, "item?": str, "nonce?": str, "call?": str, "confidence?": int, "phase?": str,
        "plausibility?": int, "remark?": str, "seconds?": NUMBER,
    },
    REVIEW_JSONL: {"undo?": int, "images?": list, "verdict?": str, "reason?": str, "reviewer": str},
    TRAIN_LOG: {"step": int, "loss?": (int, float, type(None)), "learning_rate?": (int, float, type(None))},
    EVAL_LOG: {"step": int, "epoch": NUMBER, "weights": str, "metrics": list},
}  # fmt: skip


def check_object(content: Any, *, file: str, name: str) -> None:
    """Check the content of `name` by the schema of its `file` name, if it has one. UserError names file and key."""
    if file in OBJECTS:
        _check(content, OBJECTS[file], name)


def check_row(content: Any, *, file: str, name: str) -> None:
    """As check_object, for a row of JSON lines."""
    if file in ROWS:
        _check(content, ROWS[file], name)


def _check(content: Any, types: Mapping[str, Types], name: str) -> None:
    if not isinstance(content, dict):
        raise UserError(f"{name} is not an object of JSON.", "Restore the file.")
    for dotted, wanted in types.items():
        value, missing = _find(content, dotted)
        key = dotted.replace("?", "")
        if missing == "absent":
            continue
        if missing:
            raise UserError(f"{name} has no {key!r}.", "Is this a file of woundgen? Restore it.")
        allowed = wanted if isinstance(wanted, tuple) else (wanted,)
        if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
            expected = " or ".join(_WORDS[one] for one in allowed)
            raise UserError(f"{name}: {key} is not {expected} but {_WORDS.get(type(value), 'null')}.", "Restore it.")


_WORDS = {
    str: "text", int: "a whole number", float: "a number", bool: "true or false", list: "a list", dict: "an object",
    type(None): "null",
}  # fmt: skip


def _find(content: Mapping[str, Any], dotted: str) -> tuple[Any, str]:
    """(value, "") or (None, "absent" where it may be, "missing" where it may not)."""
    value: Any = content
    for part in dotted.split("."):
        key = part.removesuffix("?")
        if not isinstance(value, dict) or key not in value:
            return None, "absent" if part.endswith("?") else "missing"
        value = value[key]
    return value, ""
