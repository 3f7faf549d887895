"""The rule by which `datasets` takes a file for a split: datasets 5.2.0, data_files.py, KEYWORDS_IN_*_BASE_PATTERNS."""

from __future__ import annotations

import re
from pathlib import Path

KEYWORDS = ("train", "training", "validation", "valid", "dev", "val", "test", "testing", "eval", "evaluation")
_SEPARATORS = r"\-._ 0-9"
_WORD = re.compile(rf"(?:^|[{_SEPARATORS}])(?:{'|'.join(KEYWORDS)})(?:$|[{_SEPARATORS}])")


def split_keyword_in(path: Path) -> str | None:
    """The part of a path, below the folder of data, that is taken for a split; None where no part is."""
    return next((part for part in path.parts if _WORD.search(part.lower())), None)


def files_below(folder: Path) -> list[Path]:
    return [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
