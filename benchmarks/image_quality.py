"""Measure what a base's pictures give away: mesh, spectrum, sharpness, and a classifier that tells them from phantoms.

    python benchmarks/image_quality.py --out /tmp/quality                      # the shipped base
    python benchmarks/image_quality.py --out /tmp/quality --base rebuilt/base  # another base
    python benchmarks/image_quality.py --out /tmp/quality --two-sample 0       # without the classifier: seconds

Phantoms whole and cropped by turns, as the base was trained, on seeds that nothing was trained on. The ceiling is round
trips through the autoencoder against other phantoms, the value samples with captions of further phantoms. Writes
real.npy, round_trip.npy and samples.npy, uint8 [N, S, S, 3], for other measures; what is there already is not drawn
again.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from harness import draw, make_parser, read_options
from numpy.typing import NDArray
from PIL import Image

from woundgen.events import complete
from woundgen.metrics.artefact_rows import measure_artefacts
from woundgen.metrics.artefacts import image_traces
from woundgen.metrics.table import Beside
from woundgen.metrics.two_sample_rows import measure_two_sample
from woundgen.models.base import EMBEDDED, load_base
from woundgen.models.images import round_trip
from woundgen.records import MetricValue
from woundgen.reporting.pictures import image_grid
from woundgen.storage.arrays import keep_array
from woundgen.workflows.rebuild.model_card import draw_card_phantoms, write_prompts

REAL_SEED, CAPTION_SEED, DRAW_SEED = 910_001, 910_002, 5
Images = NDArray[np.uint8]


def make_sets(options: argparse.Namespace) -> tuple[Images, Images, Images]:
    """Phantoms, the same after the autoencoder, and samples with captions of other phantoms."""
    base = load_base(options.base)
    real = keep_array(options.out / "real.npy", lambda: draw_card_phantoms(range(options.count), seed=REAL_SEED).images)

    def samples() -> Images:
        others = draw_card_phantoms(range(options.count), seed=CAPTION_SEED)
        prompts = write_prompts(others, count=options.count, seed=1)
        return draw(base, count=options.count, guidance=1.0, seed=DRAW_SEED, steps=options.steps, prompt=prompts)

    through = keep_array(options.out / "round_trip.npy", lambda: round_trip(base.vae, real))
    return real, through, keep_array(options.out / "samples.npy", samples)


def show(row: MetricValue) -> None:
    print(
        f"{row.metric:16} {row.label or 'samples':8} {row.value:7.3f} ({row.low:.3f} to {row.high:.3f})  "
        f"n = {row.n[0]} and {row.n[1]}; {row.interval}",
        flush=True,
    )


def main() -> None:
    parser = make_parser(__doc__, out=Path, base=EMBEDDED, count=200, steps=15, permutations=0, threads=1)
    parser.add_argument("--two-sample", type=int, default=140, help="images a side for the classifier; 0 leaves it out")
    options = read_options(parser)
    started = time.process_time()
    real, through, samples = make_sets(options)
    rows = measure_artefacts(image_traces(samples), image_traces(real), beside=Beside(through=image_traces(through)))
    for row in rows:
        show(row)
    if options.two_sample:
        some = slice(0, options.two_sample)
        found = complete(
            measure_two_sample(samples[some], real[some], through=through[some], permutations=options.permutations)
        )
        for row in found.rows:
            show(row)
        rows += found.rows
        sides = (found.patches.generated, found.patches.photographs)
        sheet = np.concatenate([image_grid(side, columns=8, gap=0) for side in sides])
        Image.fromarray(sheet).save(options.out / "patches.png")
    (options.out / "results.json").write_text(json.dumps([row.to_json() for row in rows], indent=1))
    print(f"{time.process_time() - started:.0f} s of processor time")


if __name__ == "__main__":
    main()
