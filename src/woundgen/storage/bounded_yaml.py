"""Read YAML from outside: bounded in size, depth, aliases and digits, and no key twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from woundgen.errors import UserError
from woundgen.storage.files import shorten
from woundgen.storage.special_files import refuse_special_file

LARGEST = 1 << 18  # bytes, parsed in seconds; the longest config that ships is far below
DEEPEST = 20
MOST_ALIASES = 20  # each may double what the ones before it hold
_FIX = "Mend the file."


class _BoundedLoader(yaml.SafeLoader):
    """SafeLoader that refuses what grows beyond the file: deep nesting, many aliases, one key given twice."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = self.aliases = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            self.aliases += 1
        self.depth += 1
        if self.depth > DEEPEST or self.aliases > MOST_ALIASES:
            deep = self.depth > DEEPEST
            raise yaml.YAMLError(f"nested deeper than {DEEPEST}" if deep else f"more than {MOST_ALIASES} aliases")
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        keys = Counter((key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for (_, key), count in keys.items():
            if count > 1:
                raise yaml.YAMLError(f"the key {shorten(repr(key), 60)} is given twice")
        return super().construct_mapping(node, deep=deep)


def parse_yaml(text: str, *, name: str) -> Any:
    """Return the content of YAML text. UserError about `name`, in one short line, for anything else."""
    try:
        if len(text) > LARGEST:
            raise yaml.YAMLError(f"larger than {LARGEST >> 10} KB")
        return yaml.load(text, _BoundedLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: dates, numbers of thousands of digits
        reason = shorten((str(error).splitlines() or [type(error).__name__])[0])
        raise UserError(f"{name} is not readable YAML ({reason}).", _FIX) from None


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file; UserError that names it where it is missing or cannot be read."""
    refuse_special_file(path)
    try:
        with path.open("rb") as handle:
            text = handle.read(LARGEST + 1).decode()
    except FileNotFoundError:
        raise UserError(f"{path} does not exist.", "Name a config such as configs/phase_I_config.yaml.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or shorten(str(error))
        raise UserError(f"{shorten(str(path))} is not readable YAML ({reason}).", _FIX) from None
    return parse_yaml(text, name=str(path))
