"""Each training method on the embedded base at equal steps: parameters, seconds a step, size, gap closed.

    python benchmarks/methods.py --out /tmp/methods                 # phase I, 60 phantoms, one seed
    python benchmarks/methods.py --out /tmp/methods --only lora full

Through `woundgen train` and the sampler, with the demo's preset and one guidance for all, so that rows differ by the
method and its rate alone. Nothing here says which is better on Stable Diffusion. A finished row is not done again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from woundgen.adapters.saved import apply_trained, find_adapter, saved_preparation
from woundgen.config.load import load_train_config
from woundgen.config.prompts import SHORT_PROMPT
from woundgen.events import complete
from woundgen.features.embedded import feature_network
from woundgen.generation.in_memory import draw_images
from woundgen.metrics.prepared import PreparedImages, gap_closed_of_images
from woundgen.models.base import EMBEDDED, BaseModel, load_base
from woundgen.runtime.console import Console
from woundgen.storage.files import read_json
from woundgen.workflows.dataset.phantoms import draw_held_out, write_phantoms
from woundgen.workflows.demo.job import PRESET
from woundgen.workflows.train.job import train_adapter
from woundgen.workflows.train.request import TrainOptions, TrainRequest
from woundgen.workflows.train.session import TrainingJob

GUIDANCE, DRAW_SEED, HELD_OUT_SEED = 1.5, 22, 710_001
LORA = ["learning_rate=1e-3"]
METHODS: dict[str, list[str]] = {
    "lora": LORA,
    "lora, rsLoRA": [*LORA, "lora_rslora=true"],
    "lora, DoRA": [*LORA, "lora_dora=true"],
    "lora, text encoder": [*LORA, "lora_text_encoder=true"],
    "full": ["training_method=full", "learning_rate=1e-4"],
    "dreambooth": ["training_method=dreambooth", "learning_rate=1e-4", "class_images=32"],
    "dreambooth, no prior": ["training_method=dreambooth", "learning_rate=1e-4", "prior_weight=0"],
    "textual inversion": ["training_method=textual_inversion", "learning_rate=2e-2"],
    "textual inversion, 4 rows": ["training_method=textual_inversion", "learning_rate=2e-2", "token_vectors=4"],
}


def drawn(base: BaseModel, prompt: str, options: argparse.Namespace) -> NDArray[np.uint8]:
    """Images on the same seeds."""
    images = draw_images(
        base, count=options.count, prompt=prompt, negative_prompt="", guidance_scale=GUIDANCE,
        steps=options.sampler_steps, seed=DRAW_SEED, size=128,
    )  # fmt: skip
    return images


def measure(
    name: str, options: argparse.Namespace, data: Path, real: PreparedImages, untuned: NDArray[np.uint8]
) -> dict[str, Any]:
    common = ["phases=[I]", "prompts=short", f"max_steps={options.steps}", "sample_images=0", "metric_images=0"]
    config = load_train_config(PRESET, [*common, "save_every_n_epochs=1000", *METHODS[name]])
    run = options.out / name.replace(", ", "_").replace(" ", "_")
    request = TrainRequest(config, data, run, TrainOptions(command=("benchmarks/methods.py",)))
    trained = train_adapter(TrainingJob(request, Console()))
    if trained.exit_code:  # stopped by a signal: half a run is no row
        sys.exit(trained.exit_code)
    adapter = find_adapter(run, weights="auto")
    tuned = load_base(EMBEDDED)
    apply_trained(tuned, [(adapter.file, 1.0)])
    images = PreparedImages(drawn(tuned, adapter.prompt, options), saved_preparation(adapter.file))
    found = gap_closed_of_images(feature_network()[0], base=untuned, tuned=images, real=real)
    record = read_json(run / "run.json")
    return {
        "parameters": record["parameters"]["trainable"],
        "kB": round(adapter.file.stat().st_size / 1000),
        "seconds": round(record["seconds"]["training"]),
        "gap_closed": found.share.value,
        "low": found.share.low,
        "high": found.share.high,
        "n": found.n,
        "fd": [found.base, found.tuned, found.floor],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--count", type=int, default=64, help="images of each model")
    parser.add_argument("--sampler-steps", type=int, default=15)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    data = options.out / "photographs"
    if not (data / "metadata.csv").exists():
        complete(write_phantoms(data, count=60, phases="I", seed=3, size=128, views=1))
    margin = load_train_config(PRESET, []).box_margin
    real = draw_held_out(range(2 * options.count), seed=HELD_OUT_SEED, phases=("I",), margin=margin)
    # The base is asked with the plain prompt: the word of a method means nothing to it.
    untuned = drawn(load_base(EMBEDDED), SHORT_PROMPT, options)
    path = options.out / "results.json"
    rows = json.loads(path.read_text()) if path.exists() else {}
    started = time.monotonic()
    for name in options.only:
        if name not in rows:
            rows[name] = measure(name, options, data, real, untuned)
            path.write_text(json.dumps(rows, indent=1))
        row = rows[name]
        print(
            f"| {name} | {row['parameters']:,} | {row['kB']} | {row['seconds']} | "
            f"{row['gap_closed']:.2f} [{row['low']:.2f}, {row['high']:.2f}] | {row['n']} |",
            flush=True,
        )
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
