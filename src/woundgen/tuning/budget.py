"""The budget of a study, and what it buys: proposals in generations, repeats of the leaders, trainings that confirm."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from woundgen.errors import UserError

CONFIRMED = 3  # the winner and the two next
SEEDS = 3  # fresh seeds of each configuration that is confirmed
MOST_LEADERS = 4
RUNGS = (1 / 3, 1.0)
"""Shares of a trial's steps at whose ends a generation is measured; the better half goes on (successive halving)."""
FEWEST_TRIALS, MOST_TRIALS = 4, 10_000
LONGEST = 366 * 24 * 3600.0  # seconds of a search


@dataclass(frozen=True, slots=True)
class Budget:
    """Either seconds of the search, or a number of trials."""

    seconds: float | None = None
    trials: int | None = None


def parse_budget(text: str) -> Budget:
    """Parse 2h, 90m or 40-trials. UserError for anything else."""
    collected = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(h|m|-?\s?trials?)\s*", text)
    if collected is None:
        raise UserError(f"--budget {text!r} is not understood.", "Write 2h, 90m or 40-trials.")
    number, unit = float(collected[1]), collected[2]
    if unit in ("h", "m"):
        seconds = number * (3600 if unit == "h" else 60)
        if not 0 < seconds <= LONGEST:
            raise UserError(f"--budget {text}: no time, or more than a year.", "Write 2h, 90m or 40-trials.")
        return Budget(seconds=seconds)
    if number != int(number) or number < FEWEST_TRIALS:
        raise UserError(f"--budget {text}: a search needs {FEWEST_TRIALS} trials or more.", "Such as 20-trials.")
    if number > MOST_TRIALS:
        raise UserError(f"--budget {text}: more than {MOST_TRIALS:,} trials.", "Such as 40-trials.")
    return Budget(trials=int(number))


@dataclass(frozen=True, slots=True)
class TrialLayout:
    """Division of a number of trials. generations: proposals in each. leaders x repeats: trainings with other seeds."""

    generations: tuple[int, ...]
    leaders: int
    repeats: int

    @property
    def proposals(self) -> int:
        """Configurations that are proposed."""
        return sum(self.generations)

    def to_json(self) -> dict[str, Any]:
        """Return the layout as JSON values."""
        return asdict(self) | {"generations": list(self.generations)}


def lay_out(trials: int, *, generation: int) -> TrialLayout:
    """Divide trials among proposals and repeats of the leaders, a fifth for these where there are 10 or more.

    generation: proposals made at once; it decides the trials, the number of processes does not.
    """
    spare = trials // 5 if trials >= 10 else 0
    leaders = min(MOST_LEADERS, spare)
    repeats = spare // leaders if leaders else 0
    proposals = trials - leaders * repeats
    full, rest = divmod(proposals, generation)
    return TrialLayout((generation,) * full + ((rest,) if rest else ()), leaders, repeats)


def survivors(ranks: Sequence[tuple[float, ...]], *, keep: int) -> list[int]:
    """Return the places of the `keep` lowest ranks, in their order; the earlier wins a tie."""
    best = sorted(range(len(ranks)), key=lambda place: (ranks[place], place))[:keep]
    return sorted(best)


def shares_remaining(generation: int) -> list[float]:
    """Return which share of a generation is trained up to each rung."""
    return [remaining_at(rung, generation) / generation for rung in range(len(RUNGS))]


def remaining_at(rung: int, started: int) -> int:
    """Return how many of a generation are trained up to rung `rung` (0 is the first): half of them each time."""
    for _ in range(rung):
        started = math.ceil(started / 2)
    return started


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds. sample: of training on a photograph. image: of drawing one. fixed: of each unit, loading and evaluating.

    encoded: of encoding the photographs for a seed, once for all trials that share it.
    """

    sample: float
    image: float
    fixed: float
    encoded: float


def cost_of_trial(cost: Cost, *, samples: float, images: Sequence[int], remaining: Sequence[float]) -> float:
    """Return the mean seconds of a trial. samples: trained on to its end. images: drawn at each rung.

    remaining: share of the trials that get to each rung.
    """
    total, before = 0.0, 0.0
    for rung, share in enumerate(RUNGS):
        seconds = (share - before) * samples * cost.sample + images[rung] * cost.image + cost.fixed
        total, before = total + remaining[rung] * seconds, share
    return total


def trials_in(budget: Budget, seconds_a_trial: float, *, processes: int) -> int:
    """Return how many trials the budget buys. UserError where it buys fewer than FEWEST_TRIALS."""
    if budget.trials is not None:
        return budget.trials
    assert budget.seconds is not None
    trials = min(MOST_TRIALS, int(budget.seconds * processes / seconds_a_trial))
    if trials < FEWEST_TRIALS:
        raise UserError(
            f"--budget buys {trials} trials of about {seconds_a_trial / 60:.0f} min; a search needs {FEWEST_TRIALS}.",
            "Give more time, or fewer steps (--set max_steps).",
        )
    return trials
