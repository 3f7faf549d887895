"""Cards as nvidia-smi tells of them, and when torch cannot use them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from woundgen.runtime.hardware import Card, installed_cards, unusable_cards

RTX_4090 = "0, NVIDIA GeForce RTX 4090, {driver}, 24564, 24060"


def card(driver: str) -> Card:
    return Card(index=0, name="NVIDIA GeForce RTX 4090", driver=driver, memory_total=24564, memory_free=24060)


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name, first on the path; tests say what it prints."""
    program = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return program


def prints(program: Path, *lines: str, code: int = 0) -> None:
    program.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines) + f"exit {code}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_a_pair_of_cards_is_read(nvidia_smi: Path) -> None:
    prints(nvidia_smi, RTX_4090.format(driver="580.95.05"), "1" + RTX_4090.format(driver="580.95.05")[1:])
    first, second = installed_cards()
    assert first == card("580.95.05")
    assert (second.index, second.memory_total) == (1, 24564)


def test_no_cards_without_the_program_or_when_it_fails(nvidia_smi: Path) -> None:
    assert installed_cards() == []
    prints(nvidia_smi, "NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver", code=9)
    assert installed_cards() == []


def test_a_line_that_is_no_card_is_left_out(nvidia_smi: Path) -> None:
    prints(nvidia_smi, "0, Some MIG slice, 580.1, [N/A], [N/A]")
    assert installed_cards() == []


@pytest.mark.parametrize(
    ("driver", "cuda", "says"),
    [
        ("550.54.14", "13.0", "whl/cu126"),  # CUDA 13 needs 580; this driver serves any CUDA 12
        ("580.95.05", None, "whl/cu130"),  # a CPU build on a machine with a card
        ("550.54.14", None, "whl/cu126"),
        ("470.82.01", "12.6", "Update the driver"),
        ("580.95.05", "13.0", "which fits the driver"),  # nothing wrong with the build
    ],
)
def test_a_card_that_torch_cannot_use_is_an_error_with_its_remedy(driver: str, cuda: str | None, says: str) -> None:
    error = unusable_cards([card(driver)], torch_version="2.13.0+cpu", torch_cuda=cuda, usable=False)
    assert error is not None
    assert says in str(error)
    assert "device: cpu" in str(error)
    if "whl" in says:
        assert "torch==2.13.0 " in error.fix


def test_nothing_is_said_where_nothing_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    told = {"torch_version": "2.13.0", "torch_cuda": "13.0"}
    assert unusable_cards([], usable=False, **told) is None
    assert unusable_cards([card("580.95.05")], usable=True, **told) is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert unusable_cards([card("550.54.14")], usable=False, **told) is None
