"""Nothing is downloaded unasked: no connection is tried, neither by phantoms nor by loading a model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

WATCHED = """
import json, socket, sys

tried = []

def refuse(what):
    def call(*arguments, **named):
        tried.append(f"{what} {arguments[-1]!r}")
        raise OSError("the network is closed in this test")
    return call

real_connect = socket.socket.connect

def connect(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6):
        return refuse("connect")(address)
    return real_connect(self, address)

socket.socket.connect = connect
socket.socket.connect_ex = connect
socket.getaddrinfo = refuse("look up")
socket.create_connection = refuse("connect")
"""

REPORT = """
print("RESULT", json.dumps([result, tried]))
"""


def run_watched(code: str, home: Path) -> tuple[object, list[str]]:
    """(what `code` left in `result`, the connections it tried) of a fresh process with an empty hub cache."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRANSFORMERS_"))}
    environment |= {"HF_HOME": str(home / "hub"), "HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED + code + REPORT],
        capture_output=True,
        text=True,
        env=environment,
        cwd=home,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return tuple(json.loads(done.stdout.rpartition("RESULT ")[2]))


def test_the_watch_can_fail(tmp_path: Path) -> None:
    code = """
import urllib.request
try:
    urllib.request.urlopen("http://example.invalid", timeout=1)
    result = "reached"
except OSError:
    result = "refused"
"""
    result, tried = run_watched(code, tmp_path)
    assert result == "refused"
    assert tried


OUTCOMES = {
    "embedded": "loaded",
    "sd21-base": "woundgen fetch sd21-base",
    "stabilityai/stable-diffusion-2-1-base": "woundgen fetch sd21-base",
    "someone/some-model": "neither a folder nor a known model",
}


def test_configs_phantoms_and_base_models(tmp_path: Path) -> None:
    """In one process, for its imports take most of the time."""
    configs = Path(__file__).parents[2] / "configs"
    code = f"""
from pathlib import Path
from woundgen.cli import run
from woundgen.config.load import load_train_config
from woundgen.errors import UserError
from woundgen.models.base import load_base

def outcome(base):
    try:
        load_base(base)
        return "loaded"
    except UserError as error:
        return str(error)

load_train_config(Path({str(configs / "phase_I_config.yaml")!r}))
code = run(["phantoms", "--count", "2", "--size", "32", "--out", {str(tmp_path / "out")!r}])
result = {{"phantoms": code}} | {{base: outcome(base) for base in {list(OUTCOMES)!r}}}
"""
    results, tried = run_watched(code, tmp_path)
    assert isinstance(results, dict)
    assert tried == []
    assert results["phantoms"] == 0
    for base, outcome in OUTCOMES.items():
        assert outcome in results[base]
