"""Versions of the libraries and the commit of the code, for the record of a run."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path


def versions() -> dict[str, str]:
    names = ("woundgen", "torch", "diffusers", "transformers", "peft", "safetensors", "numpy")
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in names}


def git_state(folder: Path) -> dict[str, object]:
    """Commit and whether the tree was changed; empty where the code is not a checkout."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return {}
