"""What each difference between the consultation's values and the tuned ones is worth, on the embedded base.

    python benchmarks/ablation.py --out /tmp/ablation                     # phases I and R, three seeds: hours
    python benchmarks/ablation.py --out /tmp/ablation --phases I --only consultation tuned --seeds 0

Every variant trains the same number of steps on the same phantoms and is drawn with the same seeds at the same
neutral prompt; only what it names differs. "consultation" and "tuned as shipped" take their values from configs/;
"tuned" has the rate that the embedded base needs, and the others differ from it in one thing. Gap closed as in
benchmarks/gap_closed.py (64 pooled features, held-out phantoms, n from the halves of that set), with the 95 % interval
of each seed and the spread over seeds. EMA lengths and guidance scales are variants of a run that is there already.
A finished part is not done again, so variants can be added; the table is printed and written to ablation.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from gap_closed import HELD_OUT, HELD_OUT_SEED, draw, ensure_phantoms, figures_of, train_one
from harness import compute_once, make_parser, read_options

from woundgen.adapters.lora import fuse_lora
from woundgen.adapters.post_hoc_ema import adapter_of
from woundgen.adapters.saved import saved_preparation
from woundgen.config.load import load_train_config
from woundgen.features.embedded import feature_network
from woundgen.metrics.prepared import PreparedImages, gap_closed_of_images
from woundgen.models.base import EMBEDDED, load_base
from woundgen.storage.files import sha256_json
from woundgen.workflows.dataset.phantoms import draw_held_out
from woundgen.workflows.demo.job import PRESET

DRAW_SEED = 22
CONFIGS = Path(__file__).parent.parent / "configs"
# Equal for all: what the comparison holds still. The saves are for EMA lengths.
COMMON = {
    "batch_size_per_gpu": 16, "gradient_accumulation": 1, "planned_devices": 1, "perceptual_network": "embedded",
    "augmentation_variations": 4,
}  # fmt: skip
SAVES = {
    "save_every_n_epochs": 3, "sample_images": 0, "probe_steps": 0, "keep_last_n_checkpoints": 1,
    "post_hoc_ema": "true",
}  # fmt: skip
# What a config brings to its variant. Base, batch, prompts, sizes and precision are the comparison's.
OF_A_CONFIG = (
    "learning_rate", "lr_scheduler", "lora_rank", "lora_alpha", "lora_dropout", "data_augmentation",
    "min_snr_gamma", "noise_offset", "perceptual_weight", "ema_decay", "ema_warmup",
)  # fmt: skip
TUNED_GUIDANCE = 1.5


def values_of(name: str, **others: Any) -> dict[str, Any]:
    """Settings of a shipped config that a variant takes over, with `others` on top; what is unset stays out."""
    config = load_train_config(CONFIGS / name)
    found = {key: getattr(config, key) for key in OF_A_CONFIG} | others
    return {key: value for key, value in found.items() if value is not None}


# Warm-up: the part of the run that it is at each config's own epochs on 100 photographs (100 of 313 steps, 50 of 1250).
CONSULTATION = values_of("phase_I_config.yaml", lr_warmup_steps=48)
SHIPPED = values_of("phase_I_tuned.yaml", lr_warmup_steps=6)
# On the embedded base: its own learning rate, no min-SNR (it predicts v), an average that fits the fewer steps.
TUNED = SHIPPED | {"learning_rate": 5e-4, "min_snr_gamma": None, "ema_decay": 0.99}


@dataclass(frozen=True, slots=True)
class Variant:
    """settings: over COMMON; weights and guidance: how the run is drawn."""

    settings: dict[str, Any] = field(default_factory=lambda: dict(TUNED))
    weights: str = "ema"
    guidance: float = TUNED_GUIDANCE


VARIANTS: dict[str, Variant] = {
    "consultation": Variant(CONSULTATION, guidance=12.0),
    "consultation, guidance 1.5": Variant(CONSULTATION),
    "tuned as shipped": Variant(SHIPPED, guidance=2.0),
    "tuned": Variant(),
    "tuned, rate 1e-5": Variant(TUNED | {"learning_rate": 1e-5}),
    "tuned, rate 1e-4": Variant(TUNED | {"learning_rate": 1e-4}),
    "tuned, rate 1e-3": Variant(TUNED | {"learning_rate": 1e-3}),
    "tuned, guidance 1": Variant(guidance=1.0),
    "tuned, guidance 2": Variant(guidance=2.0),
    "tuned, guidance 3": Variant(guidance=3.0),
    "tuned, guidance 12": Variant(guidance=12.0),
    "tuned, raw weights": Variant(weights="raw"),
    "tuned, EMA length 0.03": Variant(weights="ema@0.03"),
    "tuned, EMA length 0.10": Variant(weights="ema@0.1"),
    "tuned, EMA length 0.20": Variant(weights="ema@0.2"),
    "tuned, EMA 0.9999 without warm-up": Variant(TUNED | {"ema_decay": 0.9999, "ema_warmup": "false"}),
    "tuned, no augmentation": Variant(TUNED | {"data_augmentation": "false"}),
    "tuned, 1 variation": Variant(TUNED | {"augmentation_variations": 1}),
    "tuned, dropout 0.1": Variant(TUNED | {"lora_dropout": 0.1}),
    "tuned, alpha 32": Variant(TUNED | {"lora_alpha": 32}),
    "tuned, perceptual 0.1": Variant(TUNED | {"perceptual_weight": 0.1}),
    "tuned, perceptual 0.1 on all samples": Variant(TUNED | {"perceptual_weight": 0.1, "perceptual_share": 1}),
    "tuned, discriminator 0.01": Variant(TUNED | {"adversarial_weight": 0.01}),
    "tuned, min-SNR 5": Variant(TUNED | {"min_snr_gamma": 5}),
    "tuned, region 3": Variant(TUNED | {"region_weight": 3}),
}


def run_of(options: argparse.Namespace, phase: str, seed: int, settings: dict[str, Any]) -> Path:
    """Trained once, whatever it is drawn with; the folder is named by its settings."""
    pairs = COMMON | SAVES | settings | {"max_steps": options.train_steps}
    pairs = {key: value for key, value in pairs.items() if value is not None}
    config = load_train_config(PRESET, [f"{key}={value}" for key, value in pairs.items()])
    place = argparse.Namespace(out=options.out / sha256_json(pairs)[:12], data=options.out / "photographs" / phase)
    ensure_phantoms(place.data, phase)
    return train_one(place, config, phase, seed)


def measure(options: argparse.Namespace, phase: str, name: str, seed: int, real: PreparedImages) -> dict[str, Any]:
    one = VARIANTS[name]
    run = run_of(options, phase, seed, one.settings)
    network, _ = feature_network()
    untuned = part_of_base(options, phase)
    tuned = load_base(EMBEDDED)
    adapter = adapter_of(run, weights=one.weights).file
    fuse_lora(tuned.unet, [(adapter, 1.0)])
    images = draw(tuned, count=options.count, guidance=one.guidance, seed=DRAW_SEED, steps=options.steps)
    drawn = PreparedImages(images, saved_preparation(adapter))
    return figures_of(gap_closed_of_images(network, base=untuned, tuned=drawn, real=real))


def part_of_base(options: argparse.Namespace, phase: str) -> np.ndarray:
    """uint8 [N, S, S, 3] of the untuned base, the same images for every variant."""
    path = options.out / f"base_images_{phase}.npy"
    if not path.exists():
        base = load_base(EMBEDDED)
        images = draw(base, count=options.count, guidance=1.5, seed=DRAW_SEED, steps=options.steps)
        np.save(path, images, allow_pickle=False)
    return np.load(path, allow_pickle=False)


def row_of(name: str, phase: str, seeds: list[dict[str, Any]]) -> str:
    shares = [one["gap_closed"] for one in seeds]
    intervals = ", ".join(f"{one['low']:.2f} to {one['high']:.2f}" for one in seeds)
    return (
        f"| {name} | {phase} | {statistics.mean(shares):.2f} ({min(shares):.2f} to {max(shares):.2f}) | {intervals} "
        f"| {seeds[0]['n']} |"
    )


def main() -> None:
    parser = make_parser(__doc__, count=160, threads=2)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--phases", nargs="+", default=["I", "R"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--train-steps", type=int, default=150, help="of every variant alike")
    parser.add_argument("--steps", type=int, default=15, help="of the sampler")
    options = read_options(parser)
    results: dict[str, Any] = {}
    rows = []
    for phase in options.phases:
        margin = load_train_config(PRESET, []).box_margin
        real = draw_held_out(range(HELD_OUT), seed=HELD_OUT_SEED, phases=(phase,), margin=margin)
        for name in options.only:
            found = [
                compute_once(
                    options.out / f"{phase}_{seed}_{name.replace(', ', '__').replace(' ', '_')}.json",
                    lambda phase=phase, name=name, seed=seed, real=real: measure(options, phase, name, seed, real),
                )
                for seed in options.seeds
            ]
            results.setdefault(phase, {})[name] = dict(zip(map(str, options.seeds), found, strict=True))
            rows.append(row_of(name, phase, found))
            print(rows[-1], flush=True)
    (options.out / "ablation.json").write_text(json.dumps(results, indent=1))
    print("\n| variant | phase | gap closed, mean of seeds (range) | 95 % of each seed | n |")
    print("| --- | --- | --- | --- | --- |")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
