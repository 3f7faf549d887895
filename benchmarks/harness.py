"""Parts that the benchmarks share: options, ways that take turns, finished parts, training, drawing, shares of a whole.

What tests and benchmarks both use stands in tests/, and is imported after this module, which makes it findable.
"""

from __future__ import annotations

import argparse
import gc
import math
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import woundgen
from woundgen.adapters.post_hoc_ema import adapter_of
from woundgen.adapters.saved import Adapter, apply_trained
from woundgen.config.prompts import SHORT_PROMPT
from woundgen.config.quality import QualityConfig
from woundgen.config.train import TrainConfig
from woundgen.data.layouts.find_photos import find_photos
from woundgen.data.pixels.prepare import MARGIN, prepare_all
from woundgen.events import complete
from woundgen.generation.in_memory import draw_images
from woundgen.metrics.intervals import binomial_bounds
from woundgen.models.base import EMBEDDED, BaseModel, load_base
from woundgen.records import PHASES
from woundgen.screening.calibration import Calibration
from woundgen.screening.reference_statistics import References
from woundgen.storage.files import read_json, write_json
from woundgen.storage.names import METADATA_CSV
from woundgen.workflows.dataset.phantoms import write_phantoms
from woundgen.workflows.screen.job import calibrated_on
from woundgen.workflows.screen.networks import ScreenNetworks

sys.path.insert(0, str(Path(__file__).parents[1]))

CLOCKS: Mapping[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
GIB = 1 << 30
Seconds = dict[str, list[float]]


def make_parser(doc: str | None, *, clock: bool = False, **defaults: Any) -> argparse.ArgumentParser:
    """Return a parser that shows the file's docstring, with an option for each of `defaults`, and --clock.

    A default's type is the option's; Path itself stands for a path that has to be given, None for one that may be.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in defaults.items():
        option = f"--{name.replace('_', '-')}"
        if value is Path or value is None:
            parser.add_argument(option, type=Path, required=value is Path)
        else:
            parser.add_argument(option, type=type(value), default=value)
    if clock:
        parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: on a machine that is busy, 1 thread")
    return parser


def read_options(parser: argparse.ArgumentParser, words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, or `words`; take its --threads for torch, 1 without one, and make its --out or --work."""
    options = parser.parse_args(words)
    torch.set_num_threads(getattr(options, "threads", 1))
    for name in ("out", "work"):
        folder = getattr(options, name, None)
        if folder is not None and not folder.suffix:
            folder.mkdir(parents=True, exist_ok=True)
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


def time_steps(step: Callable[[], object], device: torch.device, *, count: int, warm: int) -> list[float]:
    """Seconds by the clock of each of `count` steps after `warm` others, until the card has done it."""

    def finish() -> None:
        step()
        synchronize(device)

    return [measure_seconds(finish, clock="wall") for _ in range(warm + count)][warm:]


def spread(seconds: Sequence[float], *, images: int) -> dict[str, float]:
    """Median, least and most milliseconds, how many, and images a second."""
    median = statistics.median(seconds)
    return {
        "ms": 1000 * median,
        "ms least": 1000 * min(seconds),
        "ms most": 1000 * max(seconds),
        "n": len(seconds),
        "images/s": images / median,
    }


def describe_milliseconds(seconds: Sequence[float]) -> str:
    """Return the median with the least and the most."""
    least, most = 1000 * min(seconds), 1000 * max(seconds)
    return f"{1000 * statistics.median(seconds):.1f} ({least:.1f} to {most:.1f})"


def ratios(seconds: Seconds, first: str, second: str) -> list[float]:
    """Return first / second, round by round: the machine's drift cancels."""
    return [a / b for a, b in zip(seconds[first], seconds[second], strict=True)]


def median_with_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Median and the order statistics that hold it with 95 % (binomial, normal approximation)."""
    ordered, n = sorted(values), len(values)
    reach = int(0.98 * math.sqrt(n)) + 1
    return statistics.median(ordered), ordered[max(0, n // 2 - reach)], ordered[min(n - 1, (n - 1) // 2 + reach)]


def compute_once(path: Path, make: Callable[[], Any]) -> Any:
    """JSON of a finished part, or make it now; whole at any moment."""
    if not path.exists():
        write_json(path, make())
    return read_json(path)


def share(hits: int, n: int) -> str:
    """`hits of n`, with the exact 95 % interval (Clopper & Pearson 1934)."""
    low, high = binomial_bounds(hits, n)
    return f"{hits} of {n} ({hits / n:.1%}; {low:.1%} to {high:.1%})"


def render_once(folder: Path, *, count: int, phase: str, seed: int) -> Path:
    """Return the folder with that many phantoms of a phase, each another patient's; write it if it is not there."""
    if not (folder / METADATA_CSV).exists():
        complete(write_phantoms(folder, count=count, phases=phase, seed=seed, size=128, views=1))
    return folder


def train_run(config: TrainConfig, data: Path, out: Path) -> Path:
    """Train with `woundgen.train`, or go on, and return the run's folder; exit where a signal stopped it half way."""
    trained = woundgen.train(config, data=data, out=out)
    if trained.exit_code:
        sys.exit(trained.exit_code)
    return trained.folder


def load_tuned(run: Path, *, weights: str = "auto") -> tuple[BaseModel, Adapter]:
    """The embedded base with what the run trained, by whatever method; and where that lies, with its prompt."""
    base, adapter = load_base(EMBEDDED), adapter_of(run, weights=weights)
    apply_trained(base, [(adapter.file, 1.0)])
    return base, adapter


def draw(
    base: BaseModel, *, count: int, guidance: float, seed: int, steps: int, prompt: str | list[str] = SHORT_PROMPT
) -> NDArray[np.uint8]:
    """Images of 128 pixels, uint8 [count, 128, 128, 3], without a negative prompt."""
    return draw_images(
        base, count=count, prompt=prompt, negative_prompt="", guidance_scale=guidance, steps=steps, seed=seed, size=128
    )


def prepared_photographs(data: Path) -> tuple[NDArray[np.uint8], list[str]]:
    """Photographs of all phases as the product prepares them, uint8 [N, 128, 128, 3], and the phase of each."""
    photos = find_photos(data, phases=PHASES)
    images = prepare_all(photos, resolution=128, margin=MARGIN, roots=[data], cache_dir=None, processes=1)
    return images, [photo.phase for photo in photos]


def calibrated(images: NDArray[np.uint8], networks: ScreenNetworks) -> tuple[References, Calibration]:
    """Calibrate screening on uint8 [N, S, S, 3], each of another patient, as the product does by default."""
    return calibrated_on(images, [str(row) for row in range(len(images))], QualityConfig(), networks)


def resident_megabytes() -> float:
    """The most that this process has held so far (Linux counts kilobytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def synchronize(device: torch.device) -> None:
    """Wait for the card."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def forget_peak(device: torch.device) -> None:
    """Free what the card holds for nobody, and forget the most that it has held."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_bytes(device: torch.device) -> tuple[int, int] | tuple[None, None]:
    """Return the most that torch has allocated and reserved of the card. What a recording used stays reserved."""
    if device.type != "cuda":
        return None, None
    return torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
