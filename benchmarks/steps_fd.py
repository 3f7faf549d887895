"""FD against sampler steps, and whether guiding only part of the way is faster and no worse.

    python benchmarks/steps_fd.py --work OUT                 # trains an adapter as gap_closed.py does: phase I, seed 0
    python benchmarks/steps_fd.py --work OUT --run RUN       # one that is there, trained on phantoms of phase I
    python benchmarks/steps_fd.py --work OUT --count 64 --table 32 --choice 16 --held-out 200     # a trial

The adapter's best guidance of 1, 1.5, 2, 3, 5 is chosen first, on seeds that are not measured. With it --count images
are drawn twice, guided at every step and inside --interval only, block by block in turn, on the same seeds: FD in the
embedded network's 64 features against phantoms of other patients, the difference with a paired 95 % interval
(delete-fold jackknife over seeds and phantoms), and processor seconds an image. Then --table images at each number of
steps. Blocks that are done are kept in OUT, so a stopped run goes on.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from gap_closed import HELD_OUT_SEED, best_guidance, train_one, tuned_base
from harness import compute_once, make_parser, read_options
from torch import Tensor

from woundgen.adapters.saved import find_adapter
from woundgen.config.load import load_train_config
from woundgen.config.prompts import SHORT_PROMPT
from woundgen.data.pixels.prepare import MARGIN
from woundgen.features.embedded import FeatureNetwork, feature_network
from woundgen.generation.sampler import SamplerSettings, draw_block
from woundgen.metrics.checks import check_preparations
from woundgen.metrics.frechet import frechet_distance
from woundgen.metrics.measure import pooled_features
from woundgen.metrics.paired import paired_set_difference
from woundgen.models.base import BaseModel, encode_prompts
from woundgen.storage.files import sha256_json
from woundgen.workflows.dataset.phantoms import draw_held_out
from woundgen.workflows.demo.job import PRESET

PHASE, BLOCK, DRAW_SEED = "I", 16, 23
STEPS = (15, 25, 50, 100)


@dataclass(frozen=True, slots=True)
class Bench:
    """All that draws and measures: work keeps the blocks; states [2, 77, D] are the prompt's and the empty one's.

    base: with the adapter of that digest.
    """

    work: Path
    base: BaseModel
    adapter: str
    states: Tensor
    network: FeatureNetwork
    real: np.ndarray


@dataclass(frozen=True, slots=True)
class Drawn:
    """features [n, 64] of images in index order; seconds: of processor time an image, by block."""

    features: np.ndarray
    seconds: list[float]


def main() -> None:
    options = parse()
    bench = make_bench(options)
    guidance, table = compute_once(
        options.work / f"guidance_{options.choice}_{options.steps}.json",
        lambda: best_guidance(bench.base, bench.real, count=options.choice, steps=options.steps),
    )
    told = ", ".join(f"{key}: {value:.2f}" for key, value in table.items())
    print(f"FD by guidance, n = {options.choice}: {told}; best {guidance:g}", flush=True)
    whole = settings_of(steps=options.steps, guidance=guidance)
    show_interval(bench, whole, interval=tuple(options.interval), count=options.count)
    show_steps(bench, whole, count=options.table)


def parse() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--run", type=Path, help="of `woundgen train`, on phantoms of phase I")
    parser.add_argument("--steps", type=int, default=25, help="of the two ways that are compared")
    parser.add_argument("--interval", type=float, nargs=2, default=(0.45, 0.85), metavar=("LOW", "HIGH"))
    parser.add_argument("--count", type=int, default=1008, help="images of each way, in blocks of 16")
    parser.add_argument("--table", type=int, default=208, help="images at each number of steps")
    parser.add_argument("--choice", type=int, default=96, help="images a guidance is chosen on")
    parser.add_argument("--held-out", type=int, default=1000, help="phantoms of other patients")
    return read_options(parser)


def make_bench(options: argparse.Namespace) -> Bench:
    run = options.run
    if run is None:
        trained = argparse.Namespace(data=None, out=options.work)
        run = train_one(trained, load_train_config(PRESET, []), PHASE, 0)
    (base, _, prepared), network = tuned_base(run), feature_network()[0]  # a LoRA run of the demo: SHORT_PROMPT
    margin = prepared.margin if prepared is not None and prepared.margin is not None else MARGIN
    held_out = draw_held_out(range(options.held_out), seed=HELD_OUT_SEED, phases=(PHASE,), margin=margin)
    check_preparations({"real": held_out.preparation, "generated": prepared})
    return Bench(
        work=options.work,
        base=base,
        adapter=find_adapter(run, weights="auto").digest,
        states=encode_prompts(base, [SHORT_PROMPT, ""]),
        network=network,
        real=pooled_features(network, held_out.images),
    )


def settings_of(*, steps: int, guidance: float) -> SamplerSettings:
    return SamplerSettings(
        sampler="dpmsolver++", steps=steps, guidance_scale=guidance, seed=DRAW_SEED, block=BLOCK, height=128, width=128
    )


def show_interval(bench: Bench, whole: SamplerSettings, *, interval: tuple[float, float], count: int) -> None:
    """Guided all the way against guided inside `interval`: FD, their difference, seconds."""
    everywhere, inside = drawn(bench, [whole, replace(whole, guidance_interval=interval)], count=count)
    fd = [frechet_distance(one.features, bench.real) for one in (everywhere, inside)]
    ratios = [slow / fast for slow, fast in zip(everywhere.seconds, inside.seconds, strict=True)]
    print(
        f"{whole.steps} steps, guidance {whole.guidance_scale:g}, n = {len(inside.features)} and {len(bench.real)}: FD "
        f"{fd[0]:.3f} guided everywhere, {fd[1]:.3f} inside {interval[0]:g} to {interval[1]:g}"
    )
    print(f"    {difference(bench, inside, everywhere, of=fd[0])}")
    print(
        f"    {statistics.median(everywhere.seconds):.3f} and {statistics.median(inside.seconds):.3f} s an image, "
        f"{statistics.median(ratios):.2f} times as fast (blocks {min(ratios):.2f} to {max(ratios):.2f})",
        flush=True,
    )


def show_steps(bench: Bench, whole: SamplerSettings, *, count: int) -> None:
    each = {steps: drawn(bench, [replace(whole, steps=steps)], count=count)[0] for steps in STEPS}
    most = each[STEPS[-1]]
    fd_most = frechet_distance(most.features, bench.real)
    for steps, one in each.items():
        against = "" if one is most else f"; {difference(bench, one, most, of=fd_most)}"
        print(
            f"{steps:>3} steps, n = {len(one.features)}: FD {frechet_distance(one.features, bench.real):.3f}, "
            f"{statistics.median(one.seconds):.2f} s an image{against}",
            flush=True,
        )


def difference(bench: Bench, one: Drawn, other: Drawn, *, of: float) -> str:
    """FD of `one` less that of `other`, in the FD's unit and in per cent of `of`."""
    found = paired_set_difference(frechet_distance, one.features, other.features, bench.real)
    return (
        f"difference {found.value:+.3f} (paired 95 % interval {found.low:+.3f} to {found.high:+.3f}; at most "
        f"{found.high / of:+.1%} of FD)"
    )


def drawn(bench: Bench, ways: Sequence[SamplerSettings], *, count: int) -> list[Drawn]:
    """`count` images of each way, a block of each in turn, so that what else the machine does falls on all."""
    kept: list[list[tuple[np.ndarray, float]]] = [[] for _ in ways]
    for first in range(0, count, BLOCK):
        for way, settings in enumerate(ways):
            kept[way].append(block(bench, settings, first))
    return [Drawn(np.concatenate([one for one, _ in way])[:count], [seconds for _, seconds in way]) for way in kept]


def block(bench: Bench, settings: SamplerSettings, first: int) -> tuple[np.ndarray, float]:
    """Features [BLOCK, 64] and processor seconds an image, drawn now or read."""
    path = bench.work / sha256_json([asdict(settings), bench.adapter])[:16] / f"{first:05d}.npz"
    if not path.exists():
        started = time.process_time()
        prompt, negative = bench.states.split(1)
        images = draw_block(
            bench.base, settings, range(first, first + BLOCK), prompt_states=prompt, negative_states=negative,
            notice=print,
        )  # fmt: skip
        seconds = (time.process_time() - started) / BLOCK
        path.parent.mkdir(exist_ok=True)
        np.savez(path, features=pooled_features(bench.network, images), seconds=seconds)
    with np.load(path, allow_pickle=False) as stored:
        return stored["features"], float(stored["seconds"])


if __name__ == "__main__":
    main()
