"""What screening costs, and whether a large set is drawn in constant memory.

    python benchmarks/screening.py                          # 1,000 phantoms against 200
    python benchmarks/screening.py --images 100             # a sample, said to be one
    python benchmarks/screening.py --memory --images 10000  # draw and write, a random base of 32 pixels

Screening is timed as `woundgen generate` does it: blocks of 16, described, measured, judged. Seconds by the
clock and of processor time, since other work on the machine does not count in the second. Memory: the most that the
process has held, after each tenth of the set; images of 32 x 32 pixels, two steps, screened against 24 phantoms with
--screened.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from harness import calibrated, make_parser, read_options, resident_megabytes

from tests.tiny_base import save_base
from woundgen.generation.draw_until import Judge, draw_until
from woundgen.generation.image_set import Recipe, open_set
from woundgen.generation.sampler import SamplerSettings, draw_block
from woundgen.models.base import encode_prompts, load_base
from woundgen.phantoms import draw_phantoms
from woundgen.screening.rules import Rule
from woundgen.workflows.screen.job import verdicts_of
from woundgen.workflows.screen.networks import shipped_networks

NETWORKS = shipped_networks()
BLOCK, SIDE = 16, 32


def main() -> None:
    parser = make_parser(__doc__, images=1000, references=200, threads=2)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--screened", action="store_true", help="with --memory: judge every image")
    options = read_options(parser)
    if options.memory:
        memory(options.images, screened=options.screened)
    else:
        speed(options.images, references=options.references, threads=options.threads)


@contextmanager
def timed(what: str) -> Iterator[None]:
    wall, processor = time.monotonic(), time.process_time()
    yield
    print(f"{what}: {time.monotonic() - wall:.1f} s, processor {time.process_time() - processor:.1f} s", flush=True)


def speed(count: int, *, references: int, threads: int) -> None:
    print(f"{count} phantoms of 128 pixels against {references}, {threads} threads of torch")
    photographs = draw_phantoms(range(references), seed=8_001).images
    images = draw_phantoms(range(count), seed=8_002).images
    with timed("references described and calibrated"):
        known, calibration = calibrated(photographs, NETWORKS)
    with timed(f"{count} images screened"):
        for first in range(0, count, BLOCK):
            verdicts_of(images[first : first + BLOCK], known, calibration, Rule(), NETWORKS)
    print(f"at most {resident_megabytes():.0f} MB held")


def memory(count: int, *, screened: bool) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        save_base(Path(temporary) / "base", prediction="epsilon")
        base = load_base(str(Path(temporary) / "base"))
        states = encode_prompts(base, ["a wound"])
        settings = SamplerSettings("ddim", steps=2, guidance_scale=1.0, seed=0, block=BLOCK, height=SIDE, width=SIDE)
        tenths = 0

        def draw(indices: Sequence[int]) -> np.ndarray:
            return draw_block(base, settings, indices, prompt_states=states, negative_states=None)

        with timed(f"{count} images drawn and written"):
            for tally in draw_until(
                count,
                budget=count,
                block=BLOCK,
                draw=draw,
                judge=judge_of() if screened else None,
                writer=open_set(Path(temporary) / "set", recipe(settings, count)),
            ):
                if tally.drawn * 10 // count > tenths:
                    tenths = tally.drawn * 10 // count
                    held = resident_megabytes()
                    print(f"{tally.drawn} drawn, {tally.accepted} kept: at most {held:.0f} MB held", flush=True)


def judge_of() -> Judge:
    references, calibration = calibrated(draw_phantoms(range(24), seed=8_001, size=SIDE).images, NETWORKS)
    return lambda images, indices: verdicts_of(images, references, calibration, Rule(policy="report"), NETWORKS)


def recipe(settings: SamplerSettings, count: int) -> Recipe:
    return Recipe(
        label="I", prompt="a wound", negative_prompt="", base="random", adapters=(), precision="fp32",
        sampler=settings, count=count, screening={},
    )  # fmt: skip


if __name__ == "__main__":
    main()
