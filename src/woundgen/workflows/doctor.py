"""The job of `woundgen doctor`: can this machine run, what is missing, and the one command for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from woundgen.config.train import TrainConfig
from woundgen.errors import UserError
from woundgen.features.load import NAMES, check_names
from woundgen.models.base import EMBEDDED, PINNED, find_base
from woundgen.runtime.devices import choose_device
from woundgen.runtime.hardware import disk_gib, installed_cards, memory_gib
from woundgen.runtime.provenance import versions


@dataclass(frozen=True, slots=True)
class CheckedPart:
    """name: of the thing examined. state: of it, in words. remedy: the command or change that mends it; "" if fine."""

    name: str
    state: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Examination:
    """The state of this machine, in the order of a first run."""

    findings: tuple[CheckedPart, ...]

    @property
    def is_ready(self) -> bool:
        """Whether nothing stands in the way."""
        return not any(finding.remedy for finding in self.findings)

    def lines(self) -> list[str]:
        """Return a line for each finding, and "ready" at the end where that is so."""
        width = max(len(finding.name) for finding in self.findings)
        lines = [f"{finding.name:<{width}}  {finding.state}" for finding in self.findings]
        return [*lines, "ready"] if self.is_ready else lines

    def to_json(self) -> dict[str, Any]:
        """Return whether the machine is ready, and each finding with its remedy ("" where none is needed)."""
        return {"ready": self.is_ready, "findings": [asdict(finding) for finding in self.findings]}

    def refuse_faults(self) -> None:
        """Raise UserError, with every remedy, where something stands in the way."""
        faults = [finding for finding in self.findings if finding.remedy]
        if faults:
            raise UserError(" ".join(fault.state for fault in faults), " ".join(fault.remedy for fault in faults))


def examine(config: TrainConfig | None, *, folder: Path) -> Examination:
    """Examine everything; a finding with a remedy stands in the way of a first run.

    config: what is to be run; without one, models that are not fetched are listed but stand in nobody's way.
    folder: where runs would be written.
    """
    bases = _bases(None) if config is None else _bases(config.model.base)
    features = (
        _features(NAMES, needed=False) if config is None else _features(config.evaluation.feature_networks, needed=True)
    )
    return Examination((*_software(), *_cards(config), *_room(folder), *bases, *features))


def _software() -> list[CheckedPart]:
    installed = versions()
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU build"
    rest = ", ".join(f"{name} {installed[name]}" for name in ("diffusers", "transformers", "peft"))
    return [
        CheckedPart("woundgen", f"{installed['woundgen']}, Python {installed['python']}"),
        CheckedPart("torch", f"{installed['torch']} ({build})"),
        CheckedPart("libraries", rest),
    ]


def _cards(config: TrainConfig | None) -> list[CheckedPart]:
    """Each card, then the device a run would take."""
    cards = installed_cards()
    findings = [
        CheckedPart(
            f"card {card.index}",
            f"{card.name}, driver {card.driver}, "
            f"{card.memory_free / 1024:.1f} of {card.memory_total / 1024:.1f} GiB free",
        )
        for card in cards
    ]
    asked = "auto" if config is None else config.compute.device
    if asked == "cpu":
        return [*findings, CheckedPart("device", "cpu, as the config asks")]
    try:
        device = choose_device(asked)
    except UserError as refused:
        return [*findings, CheckedPart("device", refused.what, refused.fix)]
    names = "no NVIDIA card found" if device.type == "cpu" else f"{torch.cuda.device_count()} card(s)"
    return [*findings, CheckedPart("device", f"{device.type} ({names})")]


def _room(folder: Path) -> list[CheckedPart]:
    available, total = memory_gib()
    return [
        CheckedPart("memory", f"{available:.1f} of {total:.1f} GiB available"),
        CheckedPart("disk", f"{disk_gib(folder):.0f} GiB free at {folder}"),
    ]


def _bases(asked: str | None) -> list[CheckedPart]:
    """The base that is asked for, or all that have a name; of the latter none has to be there."""
    if asked is not None:
        return [_base(asked, needed=True)]
    return [_base(name, needed=False) for name in (EMBEDDED, *PINNED)]


def _base(name: str, *, needed: bool) -> CheckedPart:
    try:
        folder = find_base(name)
    except UserError as error:
        if needed:
            return CheckedPart(f"base {name}", error.what, error.fix)
        return CheckedPart(f"base {name}", f"not fetched (woundgen fetch {name})")
    return CheckedPart(f"base {name}", "ships with woundgen" if name == EMBEDDED else f"found in {folder}")


def _features(names: Sequence[str], *, needed: bool) -> list[CheckedPart]:
    """Feature networks: those a config measures with have to be there."""
    findings = []
    for name in names:
        try:
            check_names((name,))
            findings.append(CheckedPart(f"features {name}", "ready"))
        except UserError as error:
            state = (error.what, error.fix) if needed else (f"not fetched (woundgen fetch {name})", "")
            findings.append(CheckedPart(f"features {name}", *state))
    return findings
