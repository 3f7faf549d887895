"""Parts that the benchmarks share: options, ways that take turns, parts computed once, shares with intervals."""

from __future__ import annotations

import argparse
import json
import math
import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

CLOCKS: Mapping[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
Seconds = dict[str, list[float]]


def make_parser(doc: str | None, *, clock: bool = False, **defaults: int) -> argparse.ArgumentParser:
    """Return a parser that shows the file's docstring, with an integer option for each of `defaults`, and --clock."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)
    if clock:
        parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: on a machine that is busy, 1 thread")
    return parser


def read_options(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Read the command line; take its --threads for torch, 1 without one, and make its --out or --work."""
    options = parser.parse_args()
    import torch

    torch.set_num_threads(getattr(options, "threads", 1))
    for name in ("out", "work"):
        if getattr(options, name, None) is not None:
            getattr(options, name).mkdir(parents=True, exist_ok=True)
    return options


def take_turns(ways: Mapping[str, Callable[[], object]], *, rounds: int, clock: str = "wall", warm: int = 1) -> Seconds:
    """Seconds of each way in each round, one after the other, so that the machine's moods fall on all alike.

    warm: rounds before, which are not counted. A way that works on a GPU ends in something that waits for it.
    """
    for _ in range(warm):
        for step in ways.values():
            step()
    seconds: Seconds = {name: [] for name in ways}
    for _ in range(rounds):
        for name, step in ways.items():
            seconds[name].append(measure_seconds(step, clock=clock))
    return seconds


def measure_seconds(work: Callable[[], object], *, clock: str = "cpu") -> float:
    """Seconds of one call; of processor time by default, so that other work on the machine does not count."""
    started = CLOCKS[clock]()
    work()
    return CLOCKS[clock]() - started


def ratio(seconds: Seconds, first: str, second: str) -> float:
    """Median of first / second, round by round: the machine's drift cancels."""
    return statistics.median(a / b for a, b in zip(seconds[first], seconds[second], strict=True))


def median_with_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Median and the order statistics that hold it with 95 % (binomial, normal approximation)."""
    ordered, n = sorted(values), len(values)
    reach = int(0.98 * math.sqrt(n)) + 1
    return statistics.median(ordered), ordered[max(0, n // 2 - reach)], ordered[min(n - 1, (n - 1) // 2 + reach)]


def compute_once(path: Path, make: Callable[[], Any]) -> Any:
    """JSON of a finished part, or make it now."""
    if not path.exists():
        path.write_text(json.dumps(make(), indent=1))
    return json.loads(path.read_text())


def share(hits: int, n: int) -> str:
    """`hits of n`, with the exact 95 % interval (Clopper & Pearson 1934)."""
    from woundgen.metrics.intervals import binomial_bounds

    low, high = binomial_bounds(hits, n)
    return f"{hits} of {n} ({hits / n:.1%}; {low:.1%} to {high:.1%})"


def resident_megabytes() -> float:
    """The most that this process has held so far (Linux counts kilobytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
