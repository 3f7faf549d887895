"""Mutations of input files, some of which a reader must refuse: each names the rule that says so.

The rules, by what is changed:

- a key that the schema of the file (storage/schemas.py) requires is dropped, or its value is of another type;
- NaN or an infinity stands where JSON or a setting has a number;
- a key of JSON or YAML is given twice;
- a number of 5,000 digits;
- anything at all in a JSON file that carries the digest of its content;
- of an adapter: a tensor of a pair, or every tensor of half of its layers, is missing; a number is not finite; a tensor
  has another shape.

The last row of JSON lines is left alone: cut short, it counts as killed in writing. Whether a value that has the right
type is a sensible one, and what bytes exchanged at random mean, no rule says.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import safe_open
from safetensors.torch import save

from woundgen.storage.content_digest import CONTENT_DIGEST
from woundgen.storage.schemas import OBJECTS, ROWS

VALUES: list[Any] = [
    None, True, -1, 0, 1e308, "", "x" * 5000, "\x1b[2J", [], {}, [[]], {"a": {"b": []}}, "nan", 2**70, "１",
]  # fmt: skip
BYTES = [b"", b"\x00", b"\xff\xfe", b"[" * 3000, b"{" * 3000, b"9" * 5000, b"NaN", b"\n", b'"', b"}", b"\x1b]0;x\x07"]
DIGITS = "9" * 5000
Mutated = tuple[bytes, str | None]
"""Content, and the rule by which a reader must refuse it; None where it may be read."""


def mutate_json(content: Any, chance: random.Random) -> Any:
    """A copy with one value of it replaced or dropped, at any depth."""
    content = json.loads(json.dumps(content))
    places = _places(content)
    if not places:
        return chance.choice(VALUES)
    node, key = chance.choice(places)
    if isinstance(node, dict) and chance.random() < 0.3:
        del node[key]
    else:
        node[key] = chance.choice(VALUES)
    return content


def _places(content: Any) -> list[tuple[Any, Any]]:
    """(container, key or index) of every value below a JSON value."""
    found: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else []
        for key in keys:
            found.append((node, key))
            walk(node[key])

    walk(content)
    return found


def mutate_bytes(content: bytes, chance: random.Random) -> bytes:
    """The content with a few bytes replaced, cut, doubled, or something else put in."""
    at = chance.randrange(len(content) + 1)
    kind = chance.randrange(4)
    if kind == 0:
        return content[:at]
    if kind == 1:
        return content[:at] + bytes(chance.randrange(256) for _ in range(chance.randrange(1, 8))) + content[at + 4 :]
    if kind == 2:
        return content[:at] + chance.choice(BYTES) + content[at:]
    return content + content[at:]


def mutate_file(path: Path, chance: random.Random) -> Mutated:
    """Damage a file as bytes, as the values that it holds, or against one of the rules, a third of the time each."""
    content = path.read_bytes()
    how = chance.random()
    if path.suffix in _BREAKERS and how < 0.35 and (broken := _BREAKERS[path.suffix](path, chance)) is not None:
        return broken
    if path.suffix == ".json" and how < 0.75:
        before = json.loads(content)
        after = mutate_json(before, chance)
        signed = isinstance(before, dict) and {CONTENT_DIGEST, "digest"} & set(before) and path.name in SIGNED
        rule = "changed under its digest" if signed and _differ(before, after) else None
        return json.dumps(after).encode(), rule
    if path.suffix == ".jsonl" and how < 0.75:
        rows = [json.loads(line) for line in content.splitlines()]
        rows[chance.randrange(len(rows))] = mutate_json(chance.choice(rows), chance)
        return b"".join(json.dumps(row).encode() + b"\n" for row in rows), None
    if path.suffix == ".yaml" and how < 0.75:
        return yaml.safe_dump(mutate_json(yaml.safe_load(content), chance)).encode(), None
    return mutate_bytes(content, chance), None


SIGNED = ("calibration.json",)
"""Files that every reader holds against the digest that they carry; of others, those without one are read, too."""


def _differ(before: Any, after: Any) -> bool:
    """Whether the digest tells the two apart: a digest that was dropped does not count."""
    return isinstance(after, dict) and "digest" in after and before != after


def _break_json(path: Path, chance: random.Random) -> Mutated | None:
    content = json.loads(path.read_bytes())
    return _break_value(content, chance, OBJECTS.get(path.name, {}))


def _break_rows(path: Path, chance: random.Random) -> Mutated | None:
    lines = path.read_bytes().splitlines(keepends=True)
    if len(lines) < 2:
        return None
    number = chance.randrange(len(lines) - 1)
    broken = _break_value(json.loads(lines[number]), chance, ROWS.get(path.name, {}))
    if broken is None:
        return None
    lines[number] = broken[0] + b"\n"
    return b"".join(lines), broken[1]


def _break_value(content: Any, chance: random.Random, schema: Any) -> Mutated | None:
    """Break one rule of JSON: of its schema, of numbers, or of keys."""
    kinds: list[Callable[[], Mutated | None]] = [
        lambda: _drop_required(content, chance, schema),
        lambda: _exchange_type(content, chance, schema),
        lambda: _spoil_number(content, chance),
        lambda: _double_key(content, chance),
    ]
    return chance.choice(kinds)()


def _drop_required(content: Any, chance: random.Random, schema: Any) -> Mutated | None:
    keys = [key for key in schema if "?" not in key and key in content]
    if not keys:
        return None
    key = chance.choice(keys)
    return json.dumps({name: value for name, value in content.items() if name != key}).encode(), f"no {key}"


def _exchange_type(content: Any, chance: random.Random, schema: Any) -> Mutated | None:
    keys = [key for key in schema if "." not in key and key.removesuffix("?") in content]
    if not keys:
        return None
    key = chance.choice(keys)
    types = schema[key] if isinstance(schema[key], tuple) else (schema[key],)
    others = [value for value in VALUES if type(value) not in types and not (type(value) is int and float in types)]
    name = key.removesuffix("?")
    return json.dumps(content | {name: chance.choice(others)}).encode(), f"{name} of another type"


def _spoil_number(content: Any, chance: random.Random) -> Mutated | None:
    numbers = [
        (node, key) for node, key in _places(content) if isinstance(node[key], int | float) and node[key] is not True
    ]
    numbers = [(node, key) for node, key in numbers if node[key] is not False]
    if not numbers:
        return None
    node, key = chance.choice(numbers)
    word = chance.choice(["NaN", "Infinity", "-Infinity", DIGITS])
    node[key] = "MARK"
    text = json.dumps(content).replace('"MARK"', word)
    return text.encode(), "a number of 5,000 digits" if word is DIGITS else f"{word} for a number"


def _double_key(content: Any, chance: random.Random) -> Mutated | None:
    if not isinstance(content, dict) or not content:
        return None
    key = chance.choice(list(content))
    text = json.dumps(content)
    return f"{text[:-1]}, {json.dumps(key)}: {json.dumps(chance.choice(VALUES))}}}".encode(), "a key given twice"


def _break_yaml(path: Path, chance: random.Random) -> Mutated | None:
    text = path.read_text()
    lines = text.splitlines(keepends=True)
    tops = [number for number, line in enumerate(lines) if re.match(r"\w+:", line)]
    numbers = [number for number in tops if re.fullmatch(r"\w+: -?[\d.]+(e-?\d+)?\n?", lines[number])]
    if numbers and chance.random() < 0.5:
        number = chance.choice(numbers)
        word = chance.choice([".nan", ".inf", "-.inf", DIGITS, "[1]", "{a: 1}"])
        lines[number] = lines[number].split(":")[0] + f": {word}\n"
        return "".join(lines).encode(), f"{word[:5]} for a number"
    key = lines[chance.choice(tops)].split(":")[0]
    return f"{text}{key}: {chance.choice(['1', 'x', '[]'])}\n".encode(), "a key given twice"


def _break_adapter(path: Path, chance: random.Random) -> Mutated | None:
    """Of a LoRA: pytorch_lora_weights.safetensors alone."""
    if path.name != "pytorch_lora_weights.safetensors":
        return None
    with safe_open(path, "pt") as file:
        metadata, tensors = file.metadata(), {key: file.get_tensor(key) for key in sorted(file.keys())}
    key = chance.choice(list(tensors))
    layer = key.rsplit(".lora_", 1)[0]
    kind = chance.randrange(4)
    if kind == 0:
        del tensors[key]
        rule = "half of a pair"
    elif kind == 1:
        tensors = {name: value for name, value in tensors.items() if not name.startswith(layer)}
        rule = "half of the layers"
    elif kind == 2:
        tensors[key] = tensors[key].clone()
        tensors[key].view(-1)[0] = chance.choice([float("nan"), float("inf")])
        rule = "a number that is not finite"
    else:
        tensors[key] = torch.ones(3, 5)
        rule = "a tensor of another shape"
    return save(tensors, metadata=metadata), rule


_BREAKERS: dict[str, Callable[[Path, random.Random], Mutated | None]] = {
    ".json": _break_json, ".jsonl": _break_rows, ".yaml": _break_yaml, ".safetensors": _break_adapter,
}  # fmt: skip
