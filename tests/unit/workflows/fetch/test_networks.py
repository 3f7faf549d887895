"""`woundgen fetch` against a server on 127.0.0.1: random weights of the true architecture, real code."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Dinov2Config, Dinov2Model

from woundgen.cli import run
from woundgen.errors import UserError
from woundgen.events import Event, Info, complete
from woundgen.features.load import load_extractor
from woundgen.features.lpips import CHANNELS, Trunk
from woundgen.features.store import SOURCES, SourceFile, WeightsSource
from woundgen.models.sources import PINNED
from woundgen.storage.files import read_json, sha256_file
from woundgen.workflows.fetch.networks import fetch_weights

ALEX, LINEAR = "alexnet-owt-7be5be79.pth", "alex.pth"
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; a file named cut-* says it is longer than it is."""

    def log_message(self, *arguments: object) -> None:
        pass

    def send_header(self, keyword: str, value: str) -> None:
        longer = keyword == "Content-Length" and "cut-" in self.path
        super().send_header(keyword, str(int(value) + 100) if longer else value)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files as their publishers name them: whole state dicts, with the classifier that LPIPS does not use."""
    folder = tmp_path_factory.mktemp("hub")
    torch.manual_seed(0)
    trunk = Trunk("lpips-alex")
    torch.save({**trunk.state_dict(), "classifier.6.bias": torch.zeros(1000)}, folder / ALEX)
    linear = {f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1) for i, c in enumerate(CHANNELS["lpips-alex"])}
    torch.save(linear, folder / LINEAR)
    model = Dinov2Model(Dinov2Config(hidden_size=384, num_hidden_layers=1, num_attention_heads=6, image_size=518))
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def address(hub: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(hub)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def local(hub: Path, address: str, name: str, *, published: bool) -> Mapping[str, WeightsSource]:
    """The pinned source with addresses here, and with digests as published, or with none."""
    files = tuple(
        SourceFile(file.name, f"{address}/{file.name}", sha256_file(hub / file.name) if published else None)
        for file in SOURCES[name].files
    )
    return {name: replace(SOURCES[name], files=files)}


def fetch(name: str, home: Path, sources: Mapping[str, WeightsSource], **more: object) -> list[str]:
    events: list[Event] = []
    options = {"mirror": None, "folder": None, **more}
    complete(fetch_weights(name, home=home, sources=sources, **options), events)  # type: ignore[arg-type]
    return [event.text for event in events if isinstance(event, Info)]


def contents(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*")} if home.exists() else set()


def test_lpips_is_fetched_converted_and_recorded(hub: Path, address: str, tmp_path: Path) -> None:
    sources = local(hub, address, "lpips-alex", published=True)
    fetch("lpips-alex", tmp_path, sources)
    assert contents(tmp_path) == {
        "digests.json",
        *("lpips-alex", "lpips-alex/source.json", "lpips-alex/model.safetensors"),
    }, "nothing pickled stays, and nothing half-written"
    record = read_json(tmp_path / "lpips-alex" / "source.json")
    assert record["downloaded"][LINEAR] == {"url": f"{address}/{LINEAR}", "sha256": sha256_file(hub / LINEAR)}
    one = load_extractor("lpips-alex", home=tmp_path)
    assert one.digest == sha256_file(tmp_path / "lpips-alex" / "model.safetensors")
    linear = torch.load(hub / LINEAR, weights_only=True)
    assert one.layer_weights is not None
    np.testing.assert_array_equal(one.layer_weights[2], linear["lin2.model.1.weight"].flatten().numpy())
    torch.manual_seed(0)
    np.testing.assert_array_equal(
        one.module.state_dict()["features.6.weight"].numpy(), Trunk("lpips-alex").state_dict()["features.6.weight"]
    )
    assert "already" in fetch("lpips-alex", tmp_path, sources)[0]


def test_dinov2_is_fetched(hub: Path, address: str, tmp_path: Path) -> None:
    fetch("dinov2-small", tmp_path, local(hub, address, "dinov2-small", published=True))
    assert load_extractor("dinov2-small", home=tmp_path).pooled(IMAGES).shape == (2, 384)


def test_another_digest_than_published_is_refused(hub: Path, address: str, tmp_path: Path) -> None:
    """The pins themselves: random weights are not the published ones, wherever they come from."""
    for more in ({"mirror": address}, {"folder": hub}):
        with pytest.raises(UserError, match="not the file that was pinned"):
            fetch("lpips-alex", tmp_path, SOURCES, **more)
        assert contents(tmp_path) == set()


def test_a_digest_nobody_published_is_recorded_once_and_held(hub: Path, address: str, tmp_path: Path) -> None:
    sources = local(hub, address, "lpips-alex", published=False)
    assert any("recorded and held" in line for line in fetch("lpips-alex", tmp_path, sources))
    digests = read_json(tmp_path / "digests.json")
    assert digests == {"lpips-alex": {name: sha256_file(hub / name) for name in (ALEX, LINEAR)}}
    other = tmp_path / "other"
    other.mkdir()
    torch.save({k: v + 1 for k, v in torch.load(hub / ALEX, weights_only=True).items()}, other / ALEX)
    (other / LINEAR).write_bytes((hub / LINEAR).read_bytes())
    (tmp_path / "lpips-alex" / "model.safetensors").unlink()
    with pytest.raises(UserError, match="not the file that was pinned"):
        fetch("lpips-alex", tmp_path, sources, folder=other)
    fetch("lpips-alex", tmp_path, sources, folder=hub)
    load_extractor("lpips-alex", home=tmp_path)


def test_altered_weights_are_noticed_and_fetched_again(hub: Path, address: str, tmp_path: Path) -> None:
    sources = local(hub, address, "lpips-alex", published=True)
    fetch("lpips-alex", tmp_path, sources)
    stored = tmp_path / "lpips-alex" / "model.safetensors"
    content = bytearray(stored.read_bytes())
    content[-1] ^= 1
    stored.write_bytes(bytes(content))
    with pytest.raises(UserError, match=r"digest differs.*woundgen fetch lpips-alex"):
        load_extractor("lpips-alex", home=tmp_path)
    fetch("lpips-alex", tmp_path, sources)
    load_extractor("lpips-alex", home=tmp_path)


def broken(hub: Path, address: str, file: str) -> Mapping[str, WeightsSource]:
    source = local(hub, address, "lpips-alex", published=False)["lpips-alex"]
    return {"lpips-alex": replace(source, files=(SourceFile(ALEX, f"{address}/{file}", None), source.files[1]))}


def test_what_can_go_wrong_on_the_way(hub: Path, address: str, tmp_path: Path) -> None:
    """Each is one error, and leaves nothing behind."""
    (hub / "cut-off.pth").write_bytes(b"x" * 1000)
    (hub / "text.pth").write_text("<html>not found</html>")
    torch.save({"features.0.weight": torch.zeros(2, 2)}, hub / "other.pth")
    cases = {
        "absent.pth": "answers 404",
        "cut-off.pth": "ended after 1000 of 1100 bytes",
        "text.pth": "a web page instead of",
        "other.pth": r"features.0.weight is \(2, 2\), not \(64, 3, 11, 11\)",
    }
    for file, message in cases.items():
        with pytest.raises(UserError, match=message):
            fetch("lpips-alex", tmp_path / "home", broken(hub, address, file))
        assert contents(tmp_path / "home") == set()
    with pytest.raises(UserError, match="cannot be reached"):
        fetch("lpips-alex", tmp_path / "home", SOURCES, mirror="http://127.0.0.1:9")
    with pytest.raises(UserError, match="no http address"):
        fetch("lpips-alex", tmp_path / "home", SOURCES, mirror="file:///etc")
    with pytest.raises(UserError, match="does not exist"):
        fetch("lpips-alex", tmp_path / "home", SOURCES, folder=tmp_path)


def test_a_pickle_that_runs_code_is_refused(hub: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path(tmp_path / "sprung").write_text, ("x",))

    (tmp_path / "files").mkdir()
    torch.save({"features.0.weight": Trap()}, tmp_path / "files" / ALEX)
    (tmp_path / "files" / LINEAR).write_bytes((hub / LINEAR).read_bytes())
    with pytest.raises(UserError, match="no state dict of tensors"):
        fetch("lpips-alex", tmp_path / "home", broken(hub, "http://127.0.0.1:9", ALEX), folder=tmp_path / "files")
    assert not (tmp_path / "sprung").exists()


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("WOUNDGEN_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert run(["fetch"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in SOURCES)
    assert said.count("absent") == len(SOURCES) + len(PINNED)
    assert run(["fetch", "resnet"]) == 2
    assert run(["fetch", "inception", "--from", str(tmp_path), "--mirror", "http://127.0.0.1:9"]) == 2
    assert run(["fetch", "inception", "--from", str(tmp_path)]) == 2
    assert "pt_inception-2015-12-05-6726825d.pth does not exist" in capsys.readouterr().err


def test_every_address_is_pinned() -> None:
    """A commit or a file whose name or digest says what it is; no branch."""
    for name, source in SOURCES.items():
        for file in source.files:
            assert file.url.startswith("https://")
            assert "/main/" not in file.url
            assert "/master/" not in file.url
            assert file.sha256 is None or len(file.sha256) == 64
        assert json.dumps(name)
        assert source.licence
