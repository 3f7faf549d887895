"""What a user asks `woundgen tune` for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from woundgen.config.train import TrainConfig
from woundgen.data.splits.fixed_split import Shares
from woundgen.errors import UserError
from woundgen.tuning.budget import Budget
from woundgen.tuning.objective import Kind

SHARES = Shares(train=0.6, validation=0.2, holdout=0.2)
"""Of training, selection and confirmation."""


@dataclass(frozen=True, slots=True)
class TuneRequest:
    """config: the starting config. command: words that start the study again.

    fixed, searched: changes of the search space. cards: entry trial each, or () for this process alone.
    images: drawn for each measurement at most. least_recall: None takes half of what photographs reach.
    two_sample: whether a classifier is trained to know images from photographs in the confirmation.
    generation: proposals made at once.
    """

    config: TrainConfig
    data: Path
    out: Path
    budget: Budget
    command: tuple[str, ...]
    fixed: tuple[str, ...] = ()
    searched: tuple[str, ...] = ()
    cards: tuple[int, ...] = ()
    objective: Kind = "kid"
    images: int = 64
    least_recall: float | None = None
    two_sample: bool = False
    shares: Shares = SHARES
    generation: int = 4
    seed: int = 0
    dry_run: bool = False


def parse_shares(text: str) -> Shares:
    """Parse 0.6,0.2,0.2: training, selection, confirmation. UserError for anything else."""
    try:
        training, selection, confirmation = (float(part) for part in text.split(","))
    except ValueError:
        raise UserError(f"--shares {text!r} are not three numbers.", "Such as 0.6,0.2,0.2.") from None
    return Shares(training, selection, confirmation)


def parse_kind(text: str) -> Kind:
    """Parse the name of an objective. UserError where it does not exist."""
    if text == "kid":
        return "kid"
    if text == "fd":
        return "fd"
    raise UserError(f"--objective {text!r} is unknown.", "Use kid | fd.")
