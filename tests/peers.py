"""Environments with other software, in which tests open what woundgen wrote.

`python scripts/make_peer_environments.py FOLDER` makes them (it asks a package registry); tests look for them in
$WOUNDGEN_PEERS. Those marked slow fail where an environment is absent: not run is not passed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def peer_python(environment: str) -> Path:
    """The interpreter of an environment; for `data` this one, where `woundgen[test-interop]` is installed in it."""
    folder = os.environ.get("WOUNDGEN_PEERS")
    if folder is None and environment == "data":
        return Path(sys.executable)
    python = Path(folder or "peers") / environment / "bin" / "python"
    assert python.is_file(), (
        f"{python} is absent: scripts/make_peer_environments.py makes it; name it in WOUNDGEN_PEERS"
    )
    return python


def run_peer(environment: str, program: str, *arguments: object, folder: Path) -> str:
    """Run a program's text there, offline and without this package on its path; return what it printed."""
    private = {"HF_HOME": str(folder / "hub"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "PYTHONPATH": ""}
    done = subprocess.run(
        [str(peer_python(environment)), "-c", program, *map(str, arguments)],
        capture_output=True, text=True, env={**os.environ, **private}, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
