r"""How much of the gap between the untuned base and real images an adapter closes.

    python benchmarks/gap_closed.py --out /tmp/gap                       # phantoms, 3 seeds, phases I and R
    python benchmarks/gap_closed.py --out /tmp/gap_whole --framing whole  # whole pictures instead of crops to the wound
    python benchmarks/gap_closed.py --out /tmp/gap_R --phases R --guidance 1   # a guidance for all, none chosen
    python benchmarks/gap_closed.py --out /tmp/gap_word --phases R --set training_method=textual_inversion \
        token_vectors=4 learning_rate=5e-3 max_steps=1000                  # a learned word in place of an adapter
    python benchmarks/gap_closed.py --out /tmp/gap_ema --phases I --set post_hoc_ema=true save_every_n_epochs=3 \
        --weights ema@0.1                                                  # an average of another length
    python benchmarks/gap_closed.py --out /tmp/gap_real --data PHOTOGRAPHS --seeds 0 --set train_val_split=0.5

Per phase and seed: `woundgen train` with the demo preset, then base and tuned each at its best guidance of
1, 1.5, 2, 3, 5 (chosen on other seeds than those measured), pooled features, n given by the halves of the
held-out set. Held-out phantoms are cropped to the wound's box as those trained on are; with --framing whole neither is.
Beside them, on phantoms, the untuned base with captions of the phase in place of the neutral prompt,
the recall of a classifier that reads colour only, and what the training took. Writes results.json and a picture; a
finished part is not done again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from harness import compute_once, draw, load_tuned, make_parser, read_options, render_once, train_run
from PIL import Image

from woundgen.adapters.saved import saved_preparation
from woundgen.config.load import load_train_config
from woundgen.config.prompts import SHORT_PROMPT
from woundgen.config.train import TrainConfig
from woundgen.features.embedded import feature_network
from woundgen.metrics.frechet import frechet_distance
from woundgen.metrics.gap import GapClosed
from woundgen.metrics.measure import pooled_features
from woundgen.metrics.prepared import PreparedImages, gap_closed_of_images
from woundgen.models.base import EMBEDDED, BaseModel, load_base
from woundgen.models.images import round_trip
from woundgen.phantoms import captions, draw_phantoms
from woundgen.reporting.pictures import image_grid
from woundgen.storage.files import read_json, write_json
from woundgen.storage.names import RUN_JSON
from woundgen.workflows.dataset.phantoms import draw_held_out
from woundgen.workflows.demo.colour_reader import fit_colour_reader, recall_of
from woundgen.workflows.demo.job import PRESET
from woundgen.workflows.evaluate.sets import held_out_of

GUIDANCES = (1.0, 1.5, 2.0, 3.0, 5.0)
WHOLE_MARGIN = 3  # sevenfold the wound's longer side: more than all but one phantom in 200 has room for
HELD_OUT, HELD_OUT_SEED = 450, 710_001
CHOICE_SEED, DRAW_SEED, CAPTION_SEED = 21, 22, 99


def cost_of(run: Path, adapter: Path) -> dict[str, float]:
    """Parameters trained, seconds by the clock, and kilobytes of the adapter."""
    record = read_json(run / RUN_JSON)
    return {
        "parameters": record["parameters"]["trainable"],
        "training_seconds": round(record["seconds"]["training"]),
        "adapter_kB": round(adapter.stat().st_size / 1000),
    }


def best_guidance(
    base: BaseModel, real: np.ndarray, *, count: int, steps: int, guidances: Sequence[float], prompt: str = SHORT_PROMPT
) -> tuple[float, dict[str, float]]:
    """The guidance of least FD to `real` [N, d], on images that are not measured afterwards; one alone is taken."""
    if len(guidances) == 1:
        return guidances[0], {}
    network, _ = feature_network()
    table = {}
    for guidance in guidances:
        images = draw(base, count=count, guidance=guidance, seed=CHOICE_SEED, steps=steps, prompt=prompt)
        table[f"{guidance:g}"] = frechet_distance(pooled_features(network, images), real[:count])
    best = min(table, key=lambda key: table[key])
    return float(best), table


def held_out(data: Path | None, phase: str, run: Path, config: TrainConfig) -> PreparedImages:
    """What the run held out of photographs, or fresh phantoms: prepared as those that it was trained on."""
    if data is not None:
        found = held_out_of(run, phase=phase).held_out
        return PreparedImages(found.images, found.preparation)
    return draw_held_out(range(HELD_OUT), seed=HELD_OUT_SEED, phases=(phase,), margin=config.photographs.box_margin)


def told_in_words(base: BaseModel, phase: str, *, count: int, steps: int) -> np.ndarray:
    """The untuned base with the captions of other phantoms of the phase: what words alone get out of it."""
    parameters = draw_phantoms(range(count), seed=CAPTION_SEED, phases=(phase,)).parameters
    prompts = captions(parameters, np.random.default_rng(CAPTION_SEED))
    return draw(base, count=count, guidance=1.0, seed=DRAW_SEED, steps=steps, prompt=prompts)


def train_one(options: argparse.Namespace, config: TrainConfig, phase: str, seed: int) -> Path:
    """On photographs, or on 118 phantoms, of which the split holds out 18."""
    data = options.data or render_once(options.out / "photographs" / phase, count=118, phase=phase, seed=3)
    return train_run(config.with_values(phases=(phase,), seed=seed), data, options.out / f"run_{phase}_{seed}")


def measure_phase(options: argparse.Namespace, config: TrainConfig, phase: str, reader: Any) -> dict[str, Any]:
    """Return what results.json says of a phase, and write its picture."""
    network, _ = feature_network()
    runs = {seed: train_one(options, config, phase, seed) for seed in options.seeds}
    real = held_out(options.data, phase, runs[options.seeds[0]], config)
    assert real.preparation is not None, "of photographs and phantoms it is known"
    features, half = pooled_features(network, real.images), len(real.images) // 2
    guidances = GUIDANCES if options.guidance is None else (options.guidance,)
    base_guidances = guidances if options.base_guidance is None else (options.base_guidance,)
    count, steps = options.count or min(224, len(real.images)), options.steps
    choose = partial(best_guidance, real=features, count=max(24, min(options.choice, half)), steps=steps)
    untuned = load_base(EMBEDDED)
    base_guidance, base_table = choose(untuned, guidances=base_guidances)
    tuned, adapter = load_tuned(runs[options.seeds[0]], weights=options.weights)
    tuned_guidance, tuned_table = choose(tuned, guidances=guidances, prompt=adapter.prompt)
    base_images = draw(untuned, count=count, guidance=base_guidance, seed=DRAW_SEED, steps=steps)
    result: dict[str, Any] = {
        "preparation": real.preparation.to_json(),
        "base_guidance": base_guidance,
        "base_fd_by_guidance": base_table,
        "tuned_guidance": tuned_guidance,
        "tuned_fd_by_guidance": tuned_table,
        "seeds": {},
    }
    if options.data is None and options.words:
        # Words frame a wound as the base has learned it, in whole pictures: no preparation of theirs is known.
        told = PreparedImages(told_in_words(untuned, phase, count=count, steps=steps), None)
        result["told_in_words"] = figures_of(gap_closed_of_images(network, base=base_images, tuned=told, real=real))
    pictures = [real.images[:8], base_images[:8]]
    for seed, run in runs.items():
        tuned, adapter = load_tuned(run, weights=options.weights)
        images = draw(
            tuned, count=count, guidance=tuned_guidance, seed=DRAW_SEED, steps=steps, prompt=adapter.prompt
        )  # fmt: skip
        pictures.append(images[:8])
        drawn = PreparedImages(images, saved_preparation(adapter.file))
        row = figures_of(gap_closed_of_images(network, base=base_images, tuned=drawn, real=real))
        row |= cost_of(run, adapter.file)
        if reader is not None:
            some = replace(drawn, images=images[:200])
            for name, shown in (("recall_real", real), ("recall_generated", some)):
                value = recall_of(reader, shown, phase, label=name)
                row[name] = [value.value, value.low, value.high, value.n[0]]
        result["seeds"][str(seed)] = row
        print(phase, seed, json.dumps(row), flush=True)
    ceiling = pooled_features(network, round_trip(untuned.vae, real.images))
    result["fd_ceiling"] = frechet_distance(ceiling[:half], features[half : 2 * half])
    result["ceiling_n"] = half
    Image.fromarray(image_grid(np.concatenate(pictures), columns=8, gap=0)).save(options.out / f"phase_{phase}.png")
    return result


def figures_of(found: GapClosed) -> dict[str, Any]:
    """As results.json keeps them."""
    figures = {"gap_closed": found.share.value, "low": found.share.low, "high": found.share.high}
    return figures | {"n": found.n, "fd_base": found.base, "fd_tuned": found.tuned, "fd_floor": found.floor}


def main() -> None:
    parser = make_parser(__doc__, out=Path, data=None, steps=20, threads=2, weights="auto")
    parser.add_argument("--phases", nargs="+", default=["I", "R"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--count", type=int)
    parser.add_argument("--guidance", type=float, help="for base and tuned alike; without it each gets its best")
    parser.add_argument("--base-guidance", type=float, help="for the base alone")
    parser.add_argument("--framing", choices=("crop", "whole"), default="crop")
    parser.add_argument("--words", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--choice", type=int, default=48, help="images a guidance is chosen on")
    parser.add_argument("--set", nargs="*", default=[], dest="overrides")
    options = read_options(parser)
    whole = [f"box_margin={WHOLE_MARGIN}"] if options.framing == "whole" else []
    config = load_train_config(PRESET, [*options.overrides, *whole])
    reader = fit_colour_reader(per_phase=600, margin=config.photographs.box_margin) if options.data is None else None
    started = time.monotonic()
    results = {
        phase: compute_once(options.out / f"phase_{phase}.json", partial(measure_phase, options, config, phase, reader))
        for phase in options.phases
    }
    for phase, result in results.items():
        shares = [row["gap_closed"] for row in result["seeds"].values()]
        lows = [row["low"] for row in result["seeds"].values()]
        print(
            f"phase {phase}: gap closed {statistics.mean(shares):.2f} (seeds {min(shares):.2f} to {max(shares):.2f}, "
            f"least lower 95 % end {min(lows):.2f}), guidance base {result['base_guidance']:g} "
            f"tuned {result['tuned_guidance']:g}"
        )
    write_json(options.out / "results.json", results)
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
