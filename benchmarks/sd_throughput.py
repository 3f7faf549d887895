"""What a step of training costs on Stable Diffusion's own architectures, and what it holds of the card.

    python benchmarks/sd_throughput.py                              # SD 2.1 at 128x128, batch 16, on the GPU
    python benchmarks/sd_throughput.py --name sd15 --ways example "lora bf16" limit
    python benchmarks/sd_throughput.py --device cpu --batch 1 --steps 2 --ways "lora fp32"

Random weights of the published shapes (architectures.py): what a step costs does not depend on what they are. Each way
is built, run and let go before the next, so that what it holds at most is its own; a card that does nothing else is
needed. "example" is what diffusers' text-to-image LoRA example does in bf16; "limit" the UNet's forward and backward
alone, all of it in bf16: no adapter, optimizer or data; "limit, graphs" the same as CUDA graphs, which is what the card
can do. The others are `woundgen train`'s own parts: one
model prepared, photographs encoded, what is needed no longer let go, the loop. "perceptual" takes one sample of each
step through a network of LPIPS-VGG's size; at the defaults the term is taken on fewer, and the last lines say what that
comes to. Milliseconds are medians of steps, with the least and the most.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from architectures import UNETS, build
from gpu_training import BenchmarkRun, Shape
from terms import ALWAYS, low_noise_part, vgg
from train_throughput import example_step

from woundgen.config.train import TrainConfig
from woundgen.models.base import BaseModel
from woundgen.models.cuda_graphs import ReplayedUNet
from woundgen.models.flat_parameters import flatten
from woundgen.training.perceptual_term import latent_distance
from woundgen.training.terms import ExtraTerm

GIB, SIDE, PHOTOGRAPHS = 1 << 30, 128, 32


@dataclass(frozen=True, slots=True)
class Way:
    """settings: of a config. perceptual: one sample of each step goes through the term."""

    settings: dict[str, Any] = field(default_factory=dict)
    perceptual: bool = False


KEPT = {"gradient_checkpointing": False}  # activations: they fit
LORA = KEPT | {"lora_rank": 16, "lora_alpha": 32, "lora_dropout": 0.0}
BF16 = LORA | {"mixed_precision": "bf16"}
WAYS = {
    "lora fp32": Way(LORA | {"mixed_precision": "no"}),
    "lora fp16": Way(LORA | {"mixed_precision": "fp16"}),
    "lora bf16": Way(BF16),
    "lora bf16, no graphs": Way(BF16 | {"cuda_graphs": False}),
    "lora bf16, dropout 0.1": Way(BF16 | {"lora_dropout": 0.1}),
    "lora bf16, checkpointing": Way(BF16 | {"gradient_checkpointing": True}),
    "lora bf16, compiled": Way(BF16 | {"compile": True}),
    "lora bf16, perceptual": Way(BF16, perceptual=True),
    "dora bf16": Way(BF16 | {"lora_dora": True}),
    "full bf16": Way(KEPT | {"training_method": "full", "mixed_precision": "bf16"}),
    "full bf16, adamw-8bit": Way(
        KEPT | {"training_method": "full", "mixed_precision": "bf16", "optimizer": "adamw-8bit"}
    ),
}


def ours(base: BaseModel, way: Way, options: argparse.Namespace) -> list[float]:
    """Seconds of each step of the loop."""
    device = torch.device(options.device)
    run = BenchmarkRun(Shape(options.name, SIDE, options.batch, device), way.settings, base=base)
    terms = []
    if way.perceptual:
        features = vgg()
        features.module.to(device)
        distance = latent_distance(base.vae, features, scale=base.latent_scale)
        terms = [ExtraTerm("perceptual", 0.1, 1 / options.batch, ALWAYS, distance)]
    run.free(decodes=bool(terms))
    count_from_here(device)
    run.run(options.warm + options.steps, terms=terms)
    for warning in run.warnings:
        print(warning)
    return run.seconds[options.warm :]


def limit(base: BaseModel, options: argparse.Namespace, *, replayed: bool) -> list[float]:
    """The gradient goes to the text states: through all of the UNet but its first convolution and block."""
    device, dtype = torch.device(options.device), torch.bfloat16
    for module in (base.vae, *base.text_encoders.values()):
        torch.nn.Module.to(module, "meta")
    unet = base.unet.to(device, dtype=dtype).train()
    noisy = torch.randn(options.batch, 4, SIDE // 8, SIDE // 8, device=device, dtype=dtype)
    width = unet.config.cross_attention_dim
    states = torch.randn(options.batch, 77, width, device=device, dtype=dtype, requires_grad=True)
    timesteps = torch.randint(0, 1000, (options.batch,), device=device)
    nothing = flatten({"nothing": torch.nn.Parameter(torch.zeros(1, device=device))})
    network = ReplayedUNet(unet, nothing) if replayed else unet

    def step() -> None:
        network(noisy, timesteps, states).sample.square().mean().backward()
        states.grad = None

    return timed(step, options)


def timed(step: Callable[[], None], options: argparse.Namespace) -> list[float]:
    seconds = []
    count_from_here(torch.device(options.device))
    for _ in range(options.warm + options.steps):
        started = time.perf_counter()
        step()
        if options.device != "cpu":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return seconds[options.warm :]


def count_from_here(device: torch.device) -> None:
    """What the card holds at most, that is."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def measure(name: str, photographs: np.ndarray, options: argparse.Namespace) -> float:
    """Median milliseconds of a step; the row is printed."""
    base = build(options.name, options.device)
    if name in WAYS:
        seconds = ours(base, WAYS[name], options)
    elif name == "example":
        step = example_step(base, photographs, options.batch, device=options.device, dtype=torch.bfloat16)
        seconds = timed(step, options)
    else:
        seconds = limit(base, options, replayed="graphs" in name)
    held = torch.cuda.max_memory_allocated() / GIB if options.device != "cpu" else float("nan")
    median = 1000 * statistics.median(seconds)
    print(
        f"| {name} | {median:.1f} ({1000 * min(seconds):.1f} to {1000 * max(seconds):.1f}) | "
        f"{1000 * options.batch / median:.0f} | {held:.1f} |",
        flush=True,
    )
    return median


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ["example", "limit", "limit, graphs", *WAYS]
    parser.add_argument("--name", choices=UNETS, default="sd21")
    parser.add_argument("--ways", nargs="+", choices=names, default=names)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warm", type=int, default=4, help="steps that are not counted")
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    card = torch.cuda.get_device_name() if options.device != "cpu" else "CPU"
    print(f"{options.name} at {SIDE}x{SIDE}, batch {options.batch}, {card}, torch {torch.__version__}")
    print("| way | ms a step, median (range) | images/s | GiB held at most |\n| --- | --- | --- | --- |")
    photographs = np.random.default_rng(0).integers(0, 256, (PHOTOGRAPHS, SIDE, SIDE, 3)).astype(np.uint8)
    medians: dict[str, float] = {}
    for name in options.ways:
        try:
            medians[name] = measure(name, photographs, options)
        except Exception as error:  # one way that fails is a row, and not the end of the others
            print(f"| {name} | {type(error).__name__}: {str(error).splitlines()[0][:160]} | | |", flush=True)
        gc.collect()
    for first, second in (
        ("example", "lora bf16"),
        ("lora bf16", "limit"),
        ("lora bf16", "limit, graphs"),
        ("lora bf16, dropout 0.1", "limit, graphs"),
    ):
        if first in medians and second in medians:
            print(f"{first} / {second}: {medians[first] / medians[second]:.2f}")
    if {"lora bf16", "lora bf16, perceptual"} <= medians.keys():
        config, base = TrainConfig(), build(options.name, options.device)
        share = low_noise_part(base.alphas_cumprod, config.loss.estimate_min_snr)
        samples = options.batch * config.perceptual.share * share
        added = (medians["lora bf16, perceptual"] / medians["lora bf16"] - 1) * samples
        print(f"perceptual term as it is by default: {samples:.3f} samples a step, {1 + added:.3f} of a step without")


if __name__ == "__main__":
    main()
