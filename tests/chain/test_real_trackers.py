"""The trackers' own clients, offline, in an environment of their own: numbers arrive, nothing is sent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from woundgen.training import tracker_clients

from ..peers import run_peer

PROGRAM = """
import importlib.util, json, os, socket, sys
from pathlib import Path

name, source, folder = sys.argv[1:]
tried = []
real = socket.socket.connect

def connect(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith("127."):
        tried.append(str(address))
        raise OSError("closed")
    return real(self, address)

socket.socket.connect = connect
spec = importlib.util.spec_from_file_location("tracker_clients", source)
clients = importlib.util.module_from_spec(spec)
sys.modules["tracker_clients"] = clients
spec.loader.exec_module(clients)
for start in (1, 3):  # begun, and gone on with
    client = clients.OPENERS[name](Path(folder), "run", "run-0123456789ab", {"lora_rank": 8, "data": "a path"})
    for step in (start, start + 1):
        client.log({"train/loss": 1.0 / step, "fd/ema/low": 2.0}, step)
    client.close()
found = {}
if name == "mlflow":
    import mlflow
    at = mlflow.MlflowClient(f"sqlite:///{Path(folder).resolve() / 'mlflow.db'}")
    (run,) = at.search_runs([at.get_experiment_by_name("woundgen").experiment_id])
    found = {"params": run.data.params, "steps": [m.step for m in at.get_metric_history(run.info.run_id, "train/loss")]}
print("RESULT", json.dumps([tried, found]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wandb", "mlflow", "trackio"])
def test_numbers_arrive_and_nothing_is_sent(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    for variable in ("WANDB_MODE", "MLFLOW_TRACKING_URI", "TRACKIO_SPACE_ID"):
        monkeypatch.delenv(variable, raising=False)
    (folder := tmp_path / "run").mkdir()
    said = run_peer("trackers", PROGRAM, name, tracker_clients.__file__, folder, folder=tmp_path)
    tried, found = json.loads(said.rpartition("RESULT ")[2])
    assert tried == []
    if name == "mlflow":
        assert found == {"params": {"lora_rank": "8", "data": "a path"}, "steps": [1, 2, 3, 4]}
    else:
        written = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix in (".wandb", ".db")]
        assert written
