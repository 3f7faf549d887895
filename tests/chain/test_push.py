"""`woundgen push` to a hub on this machine, through huggingface_hub's own client: what is sent, and what is not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load

from woundgen.cli import run
from woundgen.storage.files import read_json, write_json

from ..fake_hub import FakeHub, serve_hub
from .conftest import Workshop, contents

DRAW = ["generate", "--count", "8", "--block", "4", "--steps", "2", "--size", "32"]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    with serve_hub() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.address)
        monkeypatch.setenv("HF_TOKEN", "hf_none")
        yield served


@pytest.fixture(scope="module")
def drawn(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sets") / "phase_I"
    assert run([*DRAW, "--adapter", str(trained), "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def audit(drawn: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its count of copies set to none: so short a run tells nothing of that."""
    out = tmp_path_factory.mktemp("audits") / "audit"
    assert run(["audit", "--generated", str(drawn), "--run", str(trained), "--out", str(out)]) == 0
    found = read_json(out / "privacy.json")
    found["copies"]["count"] = 0
    (out / "privacy.json").write_text(json.dumps(found))
    return out


def refused(words: list[str], hub: FakeHub, capsys: pytest.CaptureFixture[str]) -> str:
    """What the error says; nothing may have been sent."""
    capsys.readouterr()
    assert run(words) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert not any("/commit/" in one for one in hub.requests)
    return told


def test_a_set_with_its_audit(
    hub: FakeHub, drawn: Path, audit: Path, workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["push", str(drawn), "--repo", "me/wounds", "--audit", str(audit)]
    before = contents(drawn)
    assert run([*words, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert hub.requests == [], "a dry run connects to nothing"
    assert "images/000000.png" in told
    assert "nothing was sent" in told
    assert run(words) == 0
    (made,) = hub.created
    assert (made["type"], made["visibility"]) == ("dataset", "private")
    sent = hub.files["me/wounds"]
    assert {f"images/{number:06d}.png" for number in range(8)} <= set(sent)
    assert {line.split()[0] for line in told.splitlines() if line.startswith("  ")} == set(sent) - {".gitattributes"}
    assert sent["metadata.csv"] == (drawn / "metadata.csv").read_bytes()
    assert (
        f"| privacy audit | {read_json(audit / 'privacy.json')['verdict']} (PRIVACY.md) |" in sent["README.md"].decode()
    )
    assert "none when this was written" not in sent["README.md"].decode()
    assert sent["PRIVACY.md"]
    assert contents(drawn) == before, "the set itself is only read"
    everything = b"".join(sent.values())
    assert str(workshop.photographs).encode() not in everything
    assert not any("private" in name or name.startswith(".woundgen") for name in sent)


def test_what_is_refused(
    hub: FakeHub, drawn: Path, audit: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    push = ["push", str(drawn), "--repo", "me/wounds"]
    assert "without an audit" in refused(push, hub, capsys)
    assert "USER/NAME" in refused(["push", str(drawn), "--repo", "wounds", "--unaudited"], hub, capsys)
    private = drawn.with_name("phase_I.private")
    assert "is private" in refused(["push", str(private), "--repo", "me/x", "--unaudited"], hub, capsys)
    inside = shutil.copytree(drawn, tmp_path / "a.private" / "set")
    assert "is private" in refused(["push", str(inside), "--repo", "me/x", "--unaudited"], hub, capsys)
    (closed := tmp_path / "closed").mkdir(mode=0o700)
    assert "mode 0700" in refused(["push", str(closed), "--repo", "me/x", "--unaudited"], hub, capsys)
    adapter = ["push", str(trained), "--repo", "me/x"]
    assert "no audit covers that" in refused(adapter, hub, capsys)


def test_another_sets_audit_and_other_pictures(
    hub: FakeHub, drawn: Path, audit: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An audit is of images, by their pixels; a picture that was put into the set is not sent."""
    other = tmp_path / "other"
    assert run([*DRAW, "--adapter", str(trained), "--seed", "5", "--out", str(other)]) == 0
    words = ["push", str(other), "--repo", "me/x", "--audit", str(audit)]
    assert "an audit of other images" in refused(words, hub, capsys)
    copies = Path(shutil.copytree(audit, tmp_path / "copies"))
    found = read_json(copies / "privacy.json")
    found["copies"]["count"] = 2
    (copies / "privacy.json").write_text(json.dumps(found))
    told = refused(["push", str(drawn), "--repo", "me/x", "--audit", str(copies)], hub, capsys)
    assert "privacy.json was changed after it was written" in told
    write_json(copies / "privacy.json", found)  # with its digest
    assert "counts 2 copies" in refused(["push", str(drawn), "--repo", "me/x", "--audit", str(copies)], hub, capsys)
    changed = Path(shutil.copytree(drawn, tmp_path / "changed"))
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(changed / "images" / "000002.png")
    told = refused(["push", str(changed), "--repo", "me/x", "--unaudited"], hub, capsys)
    assert "000002.png is not the picture that was drawn" in told
    (changed / "images" / "000002.png").unlink()
    (changed / "images" / "000002.png").symlink_to(trained / "run.json")
    assert "leads outside" in refused(["push", str(changed), "--repo", "me/x", "--unaudited"], hub, capsys)


def test_a_repository_that_holds_files_is_left_alone(
    hub: FakeHub, drawn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.files["me/full"] = {".gitattributes": b"", "data.csv": b"x"}
    told = refused(["push", str(drawn), "--repo", "me/full", "--unaudited"], hub, capsys)
    assert "holds 1 files already, such as data.csv" in told
    hub.refuse = 401
    assert "hf auth login" in refused(["push", str(drawn), "--repo", "me/new", "--unaudited"], hub, capsys)


def test_an_adapter_with_its_model_card(hub: FakeHub, trained: Path) -> None:
    """The adapter alone, in diffusers' layout: nothing of the run's folder, which names photographs."""
    assert run(["push", str(trained), "--repo", "me/adapter", "--unaudited", "--public"]) == 0
    assert hub.created[0]["visibility"] == "public"
    sent = hub.files["me/adapter"]
    assert set(sent) == {".gitattributes", "README.md", "pytorch_lora_weights.safetensors"}
    assert any(key.startswith("unet.") for key in load(sent["pytorch_lora_weights.safetensors"]))
    card = sent["README.md"].decode()
    assert "library_name: diffusers" in card
    assert 'pipe.load_lora_weights("me/adapter")' in card
    assert "can draw what it was trained on" in card
