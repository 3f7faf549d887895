"""Choose where a job computes: device, threads, precision, process group."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from woundgen.errors import UserError
from woundgen.runtime.hardware import installed_cards, unusable_cards
from woundgen.runtime.processes import Place
from woundgen.runtime.ranks import ALONE, Ranks, process_group


def choose_device(name: str) -> torch.device:
    """Return the device. auto: the GPU if there is one; a card that torch cannot use is a UserError, not a CPU run."""
    if name != "cpu":
        error = unusable_cards(
            installed_cards(),
            torch_version=torch.__version__,
            torch_cuda=torch.version.cuda,
            usable=torch.cuda.is_available(),
        )
        if error is not None:
            raise error
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device: cuda, but torch sees no usable GPU.", "Use device: auto or cpu.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


@contextmanager
def threads_fixed(count: int | None) -> Iterator[None]:
    """Run torch with `count` CPU threads while inside, since sums depend on their number; None changes nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def join_ranks(place: Place | None, *, asked: int | None, device: str) -> Iterator[Ranks]:
    """Join the processes that a launcher has started; without a launcher, this process is alone.

    asked: how many the user wants, or None. UserError where the launcher started another number.
    """
    if place is None:
        yield ALONE
        return
    chosen = choose_device(device)
    if chosen.type == "cuda":
        if place.local >= torch.cuda.device_count():
            raise UserError(
                f"{place.size} processes, and {torch.cuda.device_count()} GPU(s) here: each needs its own.",
                "Ask for as many --devices as there are cards, or for the CPU (device: cpu).",
            )
        torch.cuda.set_device(place.local)
    with process_group(place.rank, place.size, asked=asked, device=chosen) as ranks:
        yield ranks


def choose_precision(mixed: str, device: torch.device) -> tuple[str, str]:
    """Return fp32 | bf16 | fp16, by `mixed_precision` of the config and the device, and a note where it is another."""
    if mixed == "no":
        return "fp32", ""
    if device.type == "cpu" and mixed == "fp16":
        return "fp32", f"mixed_precision {mixed}: no GPU here, fp32 is used"
    return mixed, ""
