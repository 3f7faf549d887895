"""`woundgen doctor` and `train` on machines that are faked by a program named nvidia-smi."""

from __future__ import annotations

from pathlib import Path

import pytest

from woundgen.cli import run


@pytest.fixture
def old_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A card whose driver is too old for CUDA 13, and a torch that has no CUDA (this one)."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho '0, NVIDIA GeForce RTX 4090, 550.54.14, 24564, 24060'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)


def test_a_machine_without_a_card_is_ready_for_the_embedded_base(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert run(["doctor", "--set", "base_model=embedded", "--set", "device=cpu"]) == 0
    out = capsys.readouterr().out
    for name in ("torch", "memory", "disk", "base embedded", "ships with woundgen", "ready"):
        assert name in out


def test_a_base_that_is_not_fetched_is_named_with_the_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert run(["doctor", "--set", "device=cpu"]) == 2
    error = capsys.readouterr().err
    assert "woundgen fetch sd21-base" in error
    assert "--set base_model=embedded" in error


def test_an_unusable_card_stops_doctor_and_training_but_not_the_cpu(
    old_driver: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["doctor", "--set", "base_model=embedded"]) == 2
    told = capsys.readouterr()
    assert "RTX 4090, driver 550.54.14, 23.5 of 24.0 GiB free" in told.out
    assert "--index-url https://download.pytorch.org/whl/cu126" in told.err
    train = ["train", "--data", str(tmp_path / "none"), "--out", str(tmp_path / "run"), "--set", "base_model=embedded"]
    assert run(train) == 2
    assert "whl/cu126" in capsys.readouterr().err
    assert run([*train, "--set", "device=cpu"]) == 2  # goes on to the photographs, of which there are none
    assert "none" in capsys.readouterr().err


def test_feature_networks_that_a_config_measures_with_have_to_be_there(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("WOUNDGEN_WEIGHTS", str(tmp_path))
    words = ["doctor", "--set", "base_model=embedded", "--set", "device=cpu"]
    assert run([*words, "--set", "features=[embedded,inception]"]) == 2
    assert "woundgen fetch inception" in capsys.readouterr().err
    assert run(["doctor"]) == 0
    assert "features lpips-vgg" in capsys.readouterr().out
