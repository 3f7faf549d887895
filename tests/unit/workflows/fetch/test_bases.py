"""`woundgen fetch` of base models against a hub on 127.0.0.1: a tiny random base where the real one would lie."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import yaml

from woundgen.cli import run
from woundgen.errors import UserError
from woundgen.events import Event, Info, complete
from woundgen.models.base import encode_prompts, load_base
from woundgen.models.sources import FETCHED_JSON, PINNED, WITHDRAWN, files_of, find_base, snapshot
from woundgen.storage.files import read_json, sha256_file
from woundgen.workflows.fetch.bases import fetch_base

from .test_networks import Quiet, contents

FIRST, SECOND = PINNED["sd21-base"][:2]
UNET = "unet/diffusion_pytorch_model.safetensors"
OLD_ID = "stabilityai/stable-diffusion-2-1-base"


class Hub:
    """Serves what lies in `folder`, and counts what it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked = folder, []  # type: ignore[var-annotated]
        hub = self

        class Counting(Quiet):
            def do_GET(self) -> None:
                hub.asked.append(self.path)
                super().do_GET()

        handler = functools.partial(Counting, directory=str(folder))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def put(self, base: Path, place: tuple[str, str]) -> Path:
        """A repository at a revision."""
        return as_published(base, self.folder / place[0] / "resolve" / place[1])


def as_published(base: Path, target: Path) -> Path:
    """A copy of `base` with the files that the hub's repositories have: the tokenizer's words and merges, a pickle."""
    shutil.copytree(base, target)
    content = json.loads((target / "tokenizer" / "tokenizer.json").read_text())["model"]
    (target / "tokenizer" / "tokenizer.json").unlink()
    (target / "tokenizer" / "vocab.json").write_text(json.dumps(content["vocab"]))
    merges = ["#version: 0.2", *(" ".join(pair) for pair in content["merges"])]
    (target / "tokenizer" / "merges.txt").write_text("\n".join(merges) + "\n")
    for file in ("tokenizer/special_tokens_map.json", "model_index.json"):
        (target / file).write_text("{}")
    assert all((target / file).exists() for file in files_of("sd21-base"))
    (target / "v2-1_512-ema-pruned.ckpt").write_text("pickle")
    return target


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    (tmp_path / "hub").mkdir()
    served = Hub(tmp_path / "hub")
    yield served
    served.server.shutdown()
    served.server.server_close()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("WOUNDGEN_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "cache"


@pytest.fixture
def get(hub: Hub, cache: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """Fetch, and what was said."""

    def fetch(name: str = "sd21-base", **more: object) -> list[str]:
        events: list[Event] = []
        options = {"mirror": hub.address, "folder": None, "home": tmp_path / "weights", **more}
        complete(fetch_base(name, **options), events)  # type: ignore[arg-type]
        return [event.text for event in events if isinstance(event, Info)]

    return fetch


def test_a_base_is_fetched_and_used(
    hub: Hub, get: Callable[..., list[str]], base_folders: dict[str, Path], tmp_path: Path
) -> None:
    """The pinned commit, no pickle; a second time asks nobody; what was used stands in the run's record."""
    hub.put(base_folders["epsilon"], FIRST)
    get()
    folder = snapshot(*FIRST)
    assert contents(folder) >= set(files_of("sd21-base"))
    assert not list(folder.rglob("*.ckpt"))
    assert all(f"/{FIRST[0]}/resolve/{FIRST[1]}/" in path for path in hub.asked)
    record = read_json(folder / FETCHED_JSON)
    assert (record["repository"], record["revision"]) == FIRST
    assert record["sha256"][UNET] == sha256_file(folder / UNET)
    base = load_base(OLD_ID)
    assert base.note == f"base_model {OLD_ID}: using {FIRST[0]} at {FIRST[1][:12]}"
    original = load_base(str(base_folders["epsilon"]))
    assert base.digest == original.digest
    prompt = ["photograph of a wound , redness"]
    assert torch.equal(encode_prompts(base, prompt), encode_prompts(original, prompt))
    hub.asked.clear()
    assert "already" in get(OLD_ID)[0]
    assert hub.asked == []


def test_the_second_mirror_where_the_first_is_gone(
    hub: Hub, get: Callable[..., list[str]], base_folders: dict[str, Path]
) -> None:
    """And never one that was withdrawn."""
    hub.put(base_folders["epsilon"], SECOND)
    said = get()
    assert any(f"{FIRST[0]} is gone" in line and SECOND[0] in line for line in said)
    assert find_base("sd21-base") == snapshot(*SECOND)
    assert not any(name in path for name in WITHDRAWN for path in hub.asked)


def test_all_are_gone(get: Callable[..., list[str]], cache: Path) -> None:
    with pytest.raises(UserError, match=f"{SECOND[0]}.* answers 404"):
        get()
    assert not list(cache.rglob("*.safetensors"))
    assert not list(cache.rglob("*.fetching"))


def test_other_weights_than_at_the_first_fetch_are_refused(
    hub: Hub, get: Callable[..., list[str]], base_folders: dict[str, Path], cache: Path
) -> None:
    """By whatever mirror; nothing is kept of them, and the right ones are taken again."""
    right = hub.put(base_folders["epsilon"], FIRST)
    get()
    shutil.rmtree(snapshot(*FIRST))
    shutil.move(right, hub.folder / "kept")
    other = hub.put(base_folders["v_prediction"], SECOND)
    content = bytearray((other / UNET).read_bytes())
    content[-1] ^= 1
    (other / UNET).write_bytes(bytes(content))
    with pytest.raises(UserError, match=rf"{UNET} has digest .* as at the first fetch"):
        get()
    assert not [path for path in cache.rglob("*") if path.is_file()]
    shutil.move(hub.folder / "kept", right)
    get()
    load_base("sd21-base")


def test_a_cut_off_fetch_goes_on(
    hub: Hub, get: Callable[..., list[str]], base_folders: dict[str, Path], cache: Path
) -> None:
    place = hub.put(base_folders["epsilon"], FIRST)
    last = files_of("sd21-base")[-1]
    (place / last).rename(hub.folder / "away")
    hub.put(base_folders["epsilon"], SECOND)
    shutil.rmtree(hub.folder / SECOND[0])
    with pytest.raises(UserError, match="answers 404"):
        get()
    (hub.folder / "away").rename(place / last)
    hub.asked.clear()
    get()
    assert hub.asked == [f"/{FIRST[0]}/resolve/{FIRST[1]}/{last}"]


def test_weights_altered_afterwards_are_noticed(
    hub: Hub, get: Callable[..., list[str]], base_folders: dict[str, Path]
) -> None:
    hub.put(base_folders["epsilon"], FIRST)
    get()
    path = snapshot(*FIRST) / UNET
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(UserError, match="not what was fetched"):
        load_base("sd21-base")


def test_from_a_folder_without_a_network(
    get: Callable[..., list[str]], base_folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set"):
        get(mirror=None)
    with pytest.raises(UserError, match=r"model_index\.json does not exist"):
        get(mirror=None, folder=base_folders["epsilon"])
    folder = as_published(base_folders["epsilon"], tmp_path / "whole")
    get(mirror=None, folder=folder)
    load_base("sd21-base")


def test_the_command(
    hub: Hub, cache: Path, base_folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By name and by config; doctor names what is missing, and is content afterwards."""
    hub.put(base_folders["epsilon"], FIRST)
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"base_model": OLD_ID, "device": "cpu"}))
    assert run(["doctor", "--config", str(config)]) == 2
    assert "woundgen fetch sd21-base" in capsys.readouterr().err
    assert run(["fetch", "--config", str(config), "--mirror", hub.address]) == 0
    assert run(["doctor", "--config", str(config)]) == 0
    capsys.readouterr()
    assert run(["fetch"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in PINNED)
    assert run(["fetch", "--config", str(config), "sd15"]) == 2
    assert run(["fetch", "sd99"]) == 2
    assert "'sd99' is nothing that can be fetched" in capsys.readouterr().err
    config.write_text("base_model: embedded\n")
    assert run(["fetch", "--config", str(config)]) == 0
    assert "needs nothing" in capsys.readouterr().out


def test_what_is_pinned() -> None:
    """Whole commits, and files that hold no pickle."""
    for name, mirrors in PINNED.items():
        assert all(len(revision) == 40 and int(revision, 16) >= 0 for _, revision in mirrors)
        assert mirrors[0][0] not in WITHDRAWN
        assert all(file.endswith((".json", ".txt", ".safetensors")) for file in files_of(name))
    assert "text_encoder_2/model.safetensors" in files_of("sdxl")
