"""What a step of training costs on Stable Diffusion's own architectures, and what it holds of the card.

    python benchmarks/sd_throughput.py                              # SD 2.1 at 128x128, batch 16, on the GPU
    python benchmarks/sd_throughput.py --name sd15 --ways example "lora bf16" limit
    python benchmarks/sd_throughput.py --device cpu --batch 1 --steps 2 --ways "lora fp32"

Random weights of the published shapes (tests/published_architectures.py): what a step costs does not depend on them.
Each way is built, run and let go before the next, so that what it holds at most is its own; a card that does nothing
else is needed. "example" is what diffusers' text-to-image LoRA example does in bf16; "limit" the UNet's forward and
backward alone, all of it in bf16: no adapter, optimizer or data; "limit, graphs" the same as CUDA graphs, which is what
the card can do. The others are `woundgen train`'s own parts: one model prepared, photographs encoded, what is needed no
longer let go, the loop. "perceptual" takes one sample of each step through a network of LPIPS-VGG's size; at the
defaults the term is taken on fewer, and the last lines say what that comes to. Milliseconds are medians of steps, with
the least and the most.
"""

from __future__ import annotations

import argparse
import gc
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from gpu_training import BenchmarkRun, Shape, invent_photographs
from harness import GIB, describe_milliseconds, forget_peak, make_parser, measure_seconds, read_options, synchronize
from train_throughput import example_step, low_noise_part, perceptual_term, vgg_extractor

from tests.published_architectures import UNETS, build
from woundgen.config.train import TrainConfig
from woundgen.models.base import BaseModel
from woundgen.models.cuda_graphs import ReplayedUNet
from woundgen.models.flat_parameters import flatten

SIDE = 128


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
        features = vgg_extractor()
        features.module.to(device)
        terms = perceptual_term(base, features, share=1 / options.batch)
    run.free(decodes=bool(terms))
    forget_peak(device)
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
    device = torch.device(options.device)
    forget_peak(device)

    def waited() -> None:
        step()
        synchronize(device)

    return [measure_seconds(waited, clock="wall") for _ in range(options.warm + options.steps)][options.warm :]


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
    row = [name, describe_milliseconds(seconds), f"{1000 * options.batch / median:.0f}", f"{held:.1f}"]
    print(f"| {' | '.join(row)} |", flush=True)
    return median


def main() -> None:
    parser = make_parser(__doc__, device="cuda", batch=16, steps=20)
    names = ["example", "limit", "limit, graphs", *WAYS]
    parser.add_argument("--name", choices=UNETS, default="sd21")
    parser.add_argument("--ways", nargs="+", choices=names, default=names)
    parser.add_argument("--warm", type=int, default=4, help="steps that are not counted")
    options = read_options(parser)
    card = torch.cuda.get_device_name() if options.device != "cpu" else "CPU"
    print(f"{options.name} at {SIDE}x{SIDE}, batch {options.batch}, {card}, torch {torch.__version__}")
    print("| way | ms a step, median (range) | images/s | GiB held at most |\n| --- | --- | --- | --- |")
    photographs = invent_photographs(SIDE)
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
