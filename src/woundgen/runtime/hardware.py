"""Read what the machine has: NVIDIA cards as the driver reports them, memory, disk; check that torch can use them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from woundgen.errors import UserError

# Least driver for a CUDA major version, minor versions being compatible with one another
# (NVIDIA, CUDA Compatibility, "Minor Version Compatibility", table 1), and torch's index with such a build.
DRIVERS: tuple[tuple[int, int, str], ...] = ((13, 580, "cu130"), (12, 525, "cu126"))
WHEELS = "https://download.pytorch.org/whl"
QUERY = "index,name,driver_version,memory.total,memory.free"
SECONDS_TO_ANSWER = 20


@dataclass(frozen=True, slots=True)
class Card:
    """An NVIDIA card as nvidia-smi reports it. memory_total, memory_free: MiB."""

    index: int
    name: str
    driver: str
    memory_total: int
    memory_free: int


def installed_cards() -> list[Card]:
    """Return the cards that the driver knows; none where nvidia-smi is missing or fails."""
    command = ["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_TO_ANSWER, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [card for line in answer.stdout.splitlines() if (card := _card(line)) is not None]


def _card(line: str) -> Card | None:
    fields = [field.strip() for field in line.split(",")]
    try:
        index, name, driver, total, free = fields
        return Card(int(index), name, driver, int(total), int(free))
    except ValueError:  # "[N/A]", or a line that is no card
        return None


def hidden_cards() -> bool:
    """Whether CUDA_VISIBLE_DEVICES hides all cards."""
    return os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")


def unusable_cards(
    cards: Sequence[Card], *, torch_version: str, torch_cuda: str | None, usable: bool
) -> UserError | None:
    """Return the error for cards that torch cannot use, with the pip line of a build that fits; None if all is well.

    torch_version: torch.__version__. torch_cuda: torch.version.cuda, None for a CPU build.
    usable: torch.cuda.is_available().
    """
    if not cards or usable or hidden_cards():
        return None
    card = f"{cards[0].name} (driver {cards[0].driver})"
    driver = int(cards[0].driver.split(".")[0])
    fitting = next((index for _, least, index in DRIVERS if driver >= least), None)
    if fitting is None:
        return UserError(
            f"{card} cannot be used: CUDA 12 needs driver {DRIVERS[-1][1]} or newer.",
            "Update the driver, or set device: cpu.",
        )
    build = "a CPU build" if torch_cuda is None else f"built for CUDA {torch_cuda}"
    if torch_cuda is not None and driver >= _least_driver(torch_cuda):
        return UserError(
            f"{card} cannot be used, though torch {torch_version} is {build}, which fits the driver.",
            "Read the output of `python -c 'import torch; torch.cuda.init()'` (a reboot after a driver update often "
            "helps), or set device: cpu.",
        )
    version = torch_version.split("+")[0]
    return UserError(
        f"{card} cannot be used: torch {torch_version} is {build}.",
        f"pip install --force-reinstall torch=={version} --index-url {WHEELS}/{fitting} (or set device: cpu to run "
        "without the card).",
    )


def _least_driver(cuda: str) -> int:
    """Return the least driver for a CUDA version; that of the newest known version for newer ones."""
    major = int(cuda.split(".")[0])
    return next((least for known, least, _ in DRIVERS if major >= known), 0)


def memory_gib() -> tuple[float, float]:
    """Return (available, total) main memory in GiB."""
    memory = psutil.virtual_memory()
    return memory.available / 2**30, memory.total / 2**30


def disk_gib(folder: Path) -> float:
    """Return the free space in GiB where `folder` is, or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free / 2**30
