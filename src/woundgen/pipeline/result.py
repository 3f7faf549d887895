"""The end of a study: what was found, where it is, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from woundgen.reporting.notebook import lines_html


@dataclass(frozen=True, slots=True)
class RunResult:
    """A study in its folder; a place like any path.

    folder: of the study. findings: sentences, each with n. pages: files to open. next: commands to go on with.
    seconds: of each stage. exit_code: 0, or 128 + the signal that stopped it; then the same call goes on.
    """

    folder: Path
    findings: tuple[str, ...] = ()
    pages: tuple[Path, ...] = ()
    next: tuple[str, ...] = ()
    seconds: tuple[tuple[str, float], ...] = ()
    exit_code: int = 0

    def __fspath__(self) -> str:
        return str(self.folder)

    def to_json(self) -> dict[str, Any]:
        """Return folder, findings, pages, next commands, seconds by stage, exit code."""
        return {
            "folder": str(self.folder),
            "findings": list(self.findings),
            "pages": [str(page) for page in self.pages],
            "next": list(self.next),
            "seconds": dict(self.seconds),
            "exit_code": self.exit_code,
        }

    def _repr_html_(self) -> str:
        pages = [f"open {page}" for page in self.pages]
        return str(lines_html(f"Study {self.folder.name}", [*self.findings, *pages, *self.next]))
