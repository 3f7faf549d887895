"""Requests of a user for `woundgen tune`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from woundgen.config.train import TrainConfig
from woundgen.data.splits.fixed_split import Shares
from woundgen.errors import UserError
from woundgen.tuning.budget import Budget, parse_budget
from woundgen.tuning.objective import Kind

SHARES = Shares(train=0.6, validation=0.2, holdout=0.2)
"""Of training, selection and confirmation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneOptions:
    """How settings are searched.

    budget: "40-trials", "90m" or "2h"; the confirmation comes on top. fixed: settings to leave as the config has them,
    or draw-time ones as "key=value". searched: "key=low..high" or "key=[a, b]". cards: numbers of GPUs, a trial each;
    (): this process alone. objective: "kid" or "fd", of the first network of `features`. images: drawn for a
    measurement at most, 8 to 1000. least_recall: to hold, in 0..1; None: half of what photographs reach. two_sample:
    whether the confirmation trains a classifier to know images from photographs. shares: of photographs, in 0..1, for
    training (train), selection (validation) and confirmation (holdout). generation: trials proposed at once. seed: of
    the division, the proposals and the images. dry_run: print the plan and stop. command: words that start the study
    again.
    """

    budget: str = "20-trials"
    fixed: tuple[str, ...] = ()
    searched: tuple[str, ...] = ()
    cards: tuple[int, ...] = ()
    objective: str = "kid"
    images: int = 64
    least_recall: float | None = None
    two_sample: bool = False
    shares: Shares = SHARES
    generation: int = 4
    seed: int = 0
    dry_run: bool = False
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TuneRequest:
    """A checked request. config: the starting config. budget, objective: those of `options`, parsed."""

    config: TrainConfig
    data: Path
    out: Path
    budget: Budget
    objective: Kind
    options: TuneOptions


def make_request(config: TrainConfig, *, data: Path | None, out: Path | None, options: TuneOptions) -> TuneRequest:
    """Return the request of a study. data, out: by default the config's folder, and tuned/phase_X.

    UserError where no photographs are named, and for a budget or an objective that does not exist.
    """
    photographs = data or (Path(config.photographs.folder) if config.photographs.folder else None)
    if photographs is None:
        raise UserError("No photographs are named.", "Give --data FOLDER, or `data:` in the config.")
    return TuneRequest(
        config=config,
        data=photographs,
        out=out or Path("tuned") / f"phase_{'_'.join(config.photographs.phases)}",
        budget=parse_budget(options.budget),
        objective=parse_kind(options.objective),
        options=options,
    )


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
