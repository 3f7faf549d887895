"""`woundgen generate` against photographs, where the model draws copies of those it was trained on."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from woundgen.cli import run
from woundgen.data.photo_set import photographs_of
from woundgen.runtime.lock import only_writer
from woundgen.storage.files import read_json, read_jsonl
from woundgen.storage.names import private_folder
from woundgen.storage.set_rows import journal_path
from woundgen.workflows.generate import job as generate

from .conftest import Workshop, contents
from .kills import kill_at

COPIED = (1, 6)  # indices of drawn images that are mirrored copies
WORDS = ["generate", "--count", "8", "--block", "4", "--steps", "2", "--size", "32", "--policy", "report"]


@pytest.fixture
def memorising(trained: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Drawing that returns photographs at COPIED; the photographs that are copied, in that order."""
    photos, draw = photographs_of(trained), generate.draw_parts
    rows = photos.rows("train")[3:5]
    copies = dict(zip(COPIED, rows, strict=True))

    def drawing(base: object, settings: object, indices: Sequence[int], **named: object) -> list[np.ndarray]:
        (images,) = draw(base, settings, indices, **named)
        for place, index in enumerate(indices):
            if index in copies:
                images[place] = photos.images[copies[index]][:, ::-1]
        return [images]

    monkeypatch.setattr(generate, "draw_parts", drawing)
    return [Path(photos.photos[row].path) for row in rows]


def words(workshop: Workshop, trained: Path, out: Path, *more: str) -> list[str]:
    return [*WORDS, "--adapter", str(trained), "--real", str(workshop.photographs), "--out", str(out), *more]


def test_copies_are_quarantined_with_their_photograph(
    memorising: list[Path], workshop: Workshop, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "set"
    assert run(words(workshop, trained, out)) == 0
    rows = {row["index"]: row for row in read_jsonl(journal_path(out))}
    assert [index for index, row in rows.items() if row["kind"] == "copy"] == list(COPIED)
    assert not any((out / "images" / f"{index:06d}.png").exists() for index in COPIED)
    assert len(list((out / "images").iterdir())) == 8
    quarantine = private_folder(out) / "quarantine"
    assert {path.name for path in quarantine.iterdir()} == {
        f"{index:06d}.{kind}" for index in COPIED for kind in ("png", "match.png", "json")
    }
    pairs = [read_json(quarantine / f"{index:06d}.json") for index in COPIED]
    assert [Path(pair["photograph"]) for pair in pairs] == memorising
    assert not any(pair["released"] for pair in pairs)
    assert all(pair["match"]["mirrored"] for pair in pairs), "each is a photograph turned left to right"
    assert all(abs(pair["match"]["scale"] - 1) < 0.05 for pair in pairs)
    assert stat.S_IMODE(private_folder(out).stat().st_mode) == 0o700


def test_what_is_shared_names_no_photograph(
    memorising: list[Path], workshop: Workshop, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "set"
    assert run(words(workshop, trained, out)) == 0
    assert "8 kept of 8 asked for" in (out / "README.md").read_text()
    shared = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert str(memorising[0].parent).encode() not in shared  # names alone are those of generated files, too
    assert str(workshop.photographs).encode() not in shared
    assert str(workshop.base).encode() not in shared


def test_released_copies_are_kept_and_recorded(
    memorising: list[Path], workshop: Workshop, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "set"
    assert run(words(workshop, trained, out, "--release-copies")) == 0
    assert all((out / "images" / f"{index:06d}.png").exists() for index in COPIED)
    assert json.loads((out / "set.json").read_text())["screening"]["release_copies"] is True
    assert read_json(private_folder(out) / "quarantine" / "000001.json")["released"] is True
    assert run(words(workshop, trained, out)) == 2, "another set without the option"


def test_a_budget_too_small_keeps_what_was_accepted_and_says_what_is_missing(
    memorising: list[Path],
    workshop: Workshop,
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "set"
    command = words(workshop, trained, out, "--budget", "8")
    assert run(command) == 3
    said = capsys.readouterr().err
    assert said.startswith("short: 6 of 8 images accepted after 8 drawn")
    assert "Raise --budget" in said
    assert len(list((out / "images").iterdir())) == 6
    assert run([*command[:-1], "12"]) == 0
    assert len(list((out / "images").iterdir())) == 8


def test_photographs_that_were_not_trained_on_are_told(
    workshop: Workshop, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    assert run(["phantoms", "--count", "24", "--phases", "I", "--size", "48", "--seed", "9", "--out", str(other)]) == 0
    command = words(workshop, trained, tmp_path / "set")
    command[command.index("--real") + 1] = str(other)
    assert run(command) == 0
    assert "does not hold just the photographs" in capsys.readouterr().out


def test_a_literal_rule_that_accepts_no_photograph_draws_nothing(
    workshop: Workshop,
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the numbers and the ways out, once, exit code 2, no folder."""
    monkeypatch.setattr(generate, "draw_parts", None)
    assert run(words(workshop, trained, tmp_path / "set", "--policy", "spec")) == 2
    told = capsys.readouterr()
    assert re.search(r"error: policy spec accepts 0 of \d+ held-out real photographs \(0.0%; 95 % interval", told.err)
    assert re.search(r"real photographs reach \d.*Use policy calibrated \(accepts \d+ of the same \d+; 95 %", told.err)
    assert "accepts" not in told.out
    assert not (tmp_path / "set").exists()


def test_releasing_what_is_not_looked_for(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*WORDS, "--adapter", str(trained), "--out", str(tmp_path / "set"), "--release-copies"]) == 2
    assert "--real" in capsys.readouterr().err
    assert not (tmp_path / "set").exists()


@pytest.mark.slow
def test_an_earlier_checkpoint_guides(workshop: Workshop, trained: Path, tmp_path: Path) -> None:
    """Other images than the negative prompt gives, another set by its identity, and a guide of this base only."""
    earlier = next(trained.glob("checkpoints/*_000002"))
    command = [*WORDS, "--adapter", str(trained), "--guidance", "3"]
    assert run([*command, "--out", str(tmp_path / "plain")]) == 0
    assert run([*command, "--guide", str(earlier), "--out", str(tmp_path / "guided")]) == 0
    assert run([*command, "--guide", f"{earlier}*0.5", "--out", str(tmp_path / "half")]) == 0
    digests = {
        name: [row["sha256"] for row in read_jsonl(tmp_path / name / "manifest.jsonl")]
        for name in ("plain", "guided", "half")
    }
    assert digests["plain"] != digests["guided"] != digests["half"]
    assert "autoguidance" in (tmp_path / "guided" / "README.md").read_text()
    assert run([*command, "--guide", str(earlier), "--out", str(tmp_path / "plain")]) == 2
    assert run([*WORDS, "--adapter", str(trained), "--guidance", "1", "--guide", str(earlier), "--out", "x"]) == 2


def test_every_setting_reaches_the_sampler(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the options say is what is drawn with: the adapter twice, at a half and at a quarter, in half precision."""
    from woundgen.adapters.lora import fuse_lora
    from woundgen.adapters.saved import find_adapter
    from woundgen.models.base import load_base

    asked: list[tuple[Any, Any]] = []

    def drawing(base: Any, settings: Any, indices: Sequence[int], **named: object) -> list[np.ndarray]:
        asked.append((base, settings))
        return [np.zeros((len(indices), 32, 32, 3), np.uint8)]

    monkeypatch.setattr(generate, "draw_parts", drawing)
    command = [*WORDS, "--adapter", f"{trained}*0.5", "--adapter", f"{trained}*0.25", "--out", str(tmp_path / "set")]
    command += ["--sampler", "ddim", "--steps", "3", "--guidance", "4", "--guidance-low", "0.2", "--guidance-high"]
    command += ["0.8", "--seed", "5", "--block", "2", "--count", "2", "--precision", "fp16"]
    assert run(command) == 0
    base, settings = asked[0]
    assert (settings.sampler, settings.steps, settings.guidance_scale, settings.seed) == ("ddim", 3, 4.0, 5)
    assert (settings.guidance_interval, settings.block) == ((0.2, 0.8), 2)
    adapter = find_adapter(trained, weights="auto")

    def apart(strength: float) -> float:
        """From the base with the adapter once, at that strength: the greatest difference of a weight."""
        once = load_base(str(base.folder)).unet
        fuse_lora(once, [(adapter.file, strength)])
        drawn_with = base.unet.state_dict()
        return max(float((value - drawn_with[name].float()).abs().max()) for name, value in once.state_dict().items())

    assert apart(0.75) < 0.2 * min(apart(0.5), apart(1.0))
    assert base.unet.dtype.itemsize == 2


def in_two_processes(command: list[str], *, killed: tuple[int, str] | None = None) -> list[int]:
    """Wait statuses of two forks that draw one set; killed: (rank, the function of generate that is its last call)."""
    import torch

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        placed = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    children = []
    for rank in range(2):
        child = os.fork()
        if child == 0:
            code = 70
            try:
                torch.set_num_threads(1)  # no threads of the parent's are there after a fork
                os.environ.update(placed, RANK=str(rank), LOCAL_RANK=str(rank))
                if killed is not None and killed[0] == rank:
                    kill_at(generate, killed[1], 2, after=False)
                code = run(command)
            finally:
                os._exit(code)
        children.append(child)
    return [os.waitpid(child, 0)[1] for child in children]


@pytest.mark.slow
def test_two_processes_draw_the_set_of_one(
    memorising: list[Path], workshop: Workshop, trained: Path, tmp_path: Path
) -> None:
    """Twelve images in blocks of two, copies held back by whoever drew them; the budget is no multiple of a round."""
    more = ["--count", "12", "--block", "2", "--budget", "15"]
    assert run(words(workshop, trained, tmp_path / "one", *more)) == 0
    assert in_two_processes(words(workshop, trained, tmp_path / "two", *more, "--devices", "2")) == [0, 0]
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
    copies = [private_folder(tmp_path / name) / "quarantine" for name in ("one", "two")]
    assert contents(copies[0]) == contents(copies[1]) != {}


@pytest.mark.slow
def test_a_set_goes_on_after_a_kill_of_either_of_two_processes(
    memorising: list[Path], workshop: Workshop, trained: Path, tmp_path: Path
) -> None:
    """With the same bytes, by one process or two; what had been finished is not drawn again."""
    more = ["--count", "8", "--block", "2"]
    assert run(words(workshop, trained, tmp_path / "one", *more)) == 0
    for killed in (0, 1):
        out = tmp_path / f"two_{killed}"
        command = words(workshop, trained, out, *more)
        statuses = in_two_processes(command, killed=(killed, "draw_parts"))
        assert os.WTERMSIG(statuses[killed]) == signal.SIGKILL
        assert len(list(read_jsonl(journal_path(out)))) < 8
        assert (run(command) if killed else in_two_processes(command)) in (0, [0, 0])
        assert contents(out) == contents(tmp_path / "one")


def test_devices_that_did_not_come_together(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.environ.update(WORLD_SIZE="1", RANK="0")
    try:
        assert run([*WORDS, "--adapter", str(trained), "--out", str(tmp_path / "set"), "--devices", "2"]) == 2
    finally:
        del os.environ["WORLD_SIZE"], os.environ["RANK"]
    assert "--devices 2, but the launcher started 1 process" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--weights", "best"], ["--weights", "ema@0.9"], ["--guide", "run*strong"]])
def test_a_mistake_is_told_once_before_processes_are_started(
    wrong: list[str], trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from woundgen.runtime import processes

    started: list[str] = []
    monkeypatch.setattr(processes, "run_together", lambda words, count: started.append("started"))
    command = [*WORDS, "--adapter", str(trained), "--out", str(tmp_path / "set"), "--devices", "2"]
    assert run([*command, *wrong]) == 2
    assert wrong[0] in capsys.readouterr().err
    assert not started
    run(command)
    assert started, "without the mistake they are"


def test_two_commands_on_one_set(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is refused, the first named, be it for more images or a set just begun; nothing is changed."""
    out, command = tmp_path / "set", [*WORDS, "--adapter", str(trained), "--out", str(tmp_path / "set")]
    claim = generate.claim_output

    def claim_and_look(folder: Path, **named: Any) -> bool:
        """The other command has begun the set a moment before."""
        claimed = claim(folder, **named)
        stack.enter_context(only_writer(folder))
        return claimed

    with ExitStack() as stack, monkeypatch.context() as patched:
        patched.setattr(generate, "claim_output", claim_and_look)
        assert run(command) == 2
        assert f"{out} is being written by process {os.getpid()} on " in capsys.readouterr().err
    assert not (out / "set.json").exists()
    assert run(command) == 0, "what the other has left behind, dead, is gone on with"
    before = contents(out)
    with only_writer(out):
        assert run([*command, "--count", "12"]) == 2
    assert contents(out) == before


def test_another_number_of_threads_is_another_set(trained: Path, tmp_path: Path) -> None:
    """It rounds otherwise, so its images must not stand beside the others."""
    command = [*WORDS, "--adapter", str(trained), "--out", str(tmp_path / "set")]
    assert run(command) == 0
    assert run([*command, "--threads", "2"]) == 2
    assert json.loads((tmp_path / "set" / "set.json").read_text())["threads"] == 1


def from_a_photograph(workshop: Workshop, trained: Path, out: Path, photograph: Path, *more: str) -> list[str]:
    return words(workshop, trained, out, "--from", str(photograph), "--strength", "0.5", "--steps", "4", *more)


@pytest.mark.slow
def test_images_from_a_photograph_say_so_and_name_nobody(
    workshop: Workshop, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other images than from noise, the photograph's salted id in recipe and card, one or two processes."""
    photos = photographs_of(trained)
    photograph = Path(photos.photos[photos.rows("train")[2]].path)
    command = from_a_photograph(workshop, trained, tmp_path / "set", photograph)
    assert run(command) == 0
    assert "may still show that patient" in capsys.readouterr().out
    mark, strength = read_json(tmp_path / "set" / "set.json")["source"]
    assert strength == 0.5
    assert mark in read_json(trained / "run.json")["data"]["training_groups"]
    assert mark in (tmp_path / "set" / "README.md").read_text()
    shared = b"".join(contents(tmp_path / "set").values())
    assert str(photograph.parent).encode() not in shared
    assert run(words(workshop, trained, tmp_path / "noise", "--steps", "4")) == 0
    drawn, plain = (
        {row["sha256"] for row in read_jsonl(tmp_path / name / "manifest.jsonl")} for name in ("set", "noise")
    )
    assert not drawn & plain
    again = from_a_photograph(workshop, trained, tmp_path / "two", photograph)
    assert in_two_processes(again) == [0, 0]
    assert contents(tmp_path / "two") == contents(tmp_path / "set")


def test_the_ceiling_holds_for_copies_of_the_photograph_begun_from(
    workshop: Workshop, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that changes nothing of it: all are quarantined, the set stays empty, exit code 3."""
    photos = photographs_of(trained)
    row = photos.rows("train")[2]

    def drawing(base: object, settings: object, indices: Sequence[int], **named: object) -> list[np.ndarray]:
        assert named["beginning"] is not None
        return [np.stack([photos.images[row]] * len(indices))]

    monkeypatch.setattr(generate, "draw_parts", drawing)
    command = from_a_photograph(workshop, trained, tmp_path / "set", Path(photos.photos[row].path), "--budget", "8")
    assert run(command) == 3
    assert not list((tmp_path / "set" / "images").iterdir())
    assert len(list((private_folder(tmp_path / "set") / "quarantine").glob("??????.png"))) == 8


def test_a_photograph_to_begin_from_that_cannot_be(
    workshop: Workshop, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = photographs_of(trained)
    known, unseen = (Path(photos.photos[photos.rows(side)[0]].path) for side in ("train", "validation"))
    out = tmp_path / "set"
    plain = [*WORDS, "--adapter", str(trained), "--out", str(out)]
    cases = {
        "does not exist": from_a_photograph(workshop, trained, out, tmp_path / "none.png"),
        "is not among the photographs": from_a_photograph(workshop, trained, out, unseen),
        "--from without --real": [*plain, "--from", str(known), "--strength", "0.5"],
        "go together": words(workshop, trained, out, "--from", str(known)),
        "strength: 0.1 of 2 steps": words(workshop, trained, out, "--from", str(known), "--strength", "0.1"),
    }
    for said, command in cases.items():
        capsys.readouterr()
        assert run(command) == 2, said
        assert said in capsys.readouterr().err
        assert not out.exists(), said
