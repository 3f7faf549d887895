"""What a step of training costs on Stable Diffusion's own architectures, and what it holds of the card.

    python benchmarks/sd_throughput.py                              # SD 2.1 at 128x128, batch 16, on the GPU
    python benchmarks/sd_throughput.py --name sd15 --ways example "LoRA bf16" limit
    python benchmarks/sd_throughput.py --device cpu --batch 1 --steps 2 --ways "LoRA fp32"

Random weights of the published shapes (tests/published_architectures.py): what a step costs does not depend on them.
Each way is built, run and freed before the next, so that what it holds at most is its own; a card that does nothing
else is needed. "example" is what diffusers' text-to-image LoRA example does in bf16; "limit" the UNet's forward and
backward alone, all of it in bf16: no adapter, optimizer or data; "limit, graphs" the same as CUDA graphs, which is what
the card can do. The others are `woundgen train`'s own parts, as gpu_all.py has them (gpu_items.py). "perceptual" takes
one sample of each step through a network of LPIPS-VGG's size; at the defaults the term is taken on fewer, and the last
lines say what that comes to. Milliseconds are medians of steps, with the least and the most.
"""

from __future__ import annotations

import argparse
import gc
import statistics
from collections.abc import Callable, Iterator
from functools import partial

import torch
from gpu_items import BF16, Effort, Row, items
from gpu_training import BenchmarkRun, Shape, invent_photographs
from harness import GIB, forget_peak, make_parser, measure_seconds, read_options, synchronize
from train_throughput import example_step, low_noise_part, perceptual_term, vgg_extractor

from tests.published_architectures import UNETS, build
from woundgen.config.train import TrainConfig
from woundgen.models.cuda_graphs import ReplayedUNet
from woundgen.models.flat_parameters import flatten

Way = Callable[[Shape, Effort], Iterator[Row]]
SIDE = 128


def list_ways() -> dict[str, Way]:
    """The trainings of gpu_items.py at one size that need no process of their own, and what is here alone."""
    training = {item.name.removeprefix("training, "): item.rows for item in items() if item.name.startswith("training")}
    others = ("batch", "side", "deterministic")
    return {
        "example": example,
        "limit": partial(limit, replayed=False),
        "limit, graphs": partial(limit, replayed=True),
        **{name: rows for name, rows in training.items() if not any(word in name for word in others)},
        "LoRA bf16, compiled": partial(ours, settings=BF16 | {"compile": True}, perceptual=False),
        "LoRA bf16, perceptual": partial(ours, settings=BF16, perceptual=True),
    }


def ours(shape: Shape, effort: Effort, *, settings: dict[str, object], perceptual: bool) -> Iterator[Row]:
    run, terms = BenchmarkRun(shape, settings), []
    if perceptual:
        features = vgg_extractor()
        features.module.to(shape.device)
        terms = perceptual_term(run.base, features, share=1 / shape.batch)
    run.free(decodes=perceptual)
    forget_peak(shape.device)
    run.run(effort.warm + effort.steps, terms=terms)
    yield _row(run.seconds[effort.warm :], shape) | {"warnings": run.warnings}


def example(shape: Shape, effort: Effort) -> Iterator[Row]:
    base, device = build(shape.name, str(shape.device)), str(shape.device)
    step = example_step(base, invent_photographs(shape.side), shape.batch, device=device, dtype=torch.bfloat16)
    yield _timed(step, shape, effort)


def limit(shape: Shape, effort: Effort, *, replayed: bool) -> Iterator[Row]:
    """The gradient goes to the prompt embeddings: through all of the UNet but its first convolution and block."""
    base, device, dtype = build(shape.name, str(shape.device)), shape.device, torch.bfloat16
    for module in (base.vae, *base.text_encoders.values()):
        torch.nn.Module.to(module, "meta")
    unet = base.unet.to(device, dtype=dtype).train()
    noisy = torch.randn(shape.batch, 4, shape.side // 8, shape.side // 8, device=device, dtype=dtype)
    width = unet.config.cross_attention_dim
    embeds = torch.randn(shape.batch, 77, width, device=device, dtype=dtype, requires_grad=True)
    timesteps = torch.randint(0, 1000, (shape.batch,), device=device)

    nothing = flatten({"nothing": torch.nn.Parameter(torch.zeros(1, device=device))})
    network = ReplayedUNet(unet, nothing) if replayed else unet

    def step() -> None:
        network(noisy, timesteps, embeds).sample.square().mean().backward()
        embeds.grad = None

    yield _timed(step, shape, effort)


def _timed(step: Callable[[], None], shape: Shape, effort: Effort) -> Row:
    forget_peak(shape.device)

    def waited() -> None:
        step()
        synchronize(shape.device)

    seconds = [measure_seconds(waited, clock="wall") for _ in range(effort.warm + effort.steps)]
    return _row(seconds[effort.warm :], shape)


def _row(seconds: list[float], shape: Shape) -> Row:
    held = torch.cuda.max_memory_allocated() / GIB if shape.device.type == "cuda" else None
    median = statistics.median(seconds)
    times = {"ms": 1000 * median, "ms least": 1000 * min(seconds), "ms most": 1000 * max(seconds)}
    return times | {"images/s": shape.batch / median, "GiB allocated": held}


def measure(name: str, way: Way, shape: Shape, effort: Effort) -> float:
    """Median milliseconds of a step; the row is printed."""
    (row,) = way(shape, effort)
    held = next((row[key] for key in ("GiB allocated", "GiB reserved") if row.get(key) is not None), float("nan"))
    times = f"{row['ms']:.1f} ({row['ms least']:.1f} to {row['ms most']:.1f})"
    print(f"| {name} | {times} | {row['images/s']:.0f} | {held:.1f} |", flush=True)
    for warning in row.get("warnings", []):
        print(warning)
    return row["ms"]


def main() -> None:
    parser = make_parser(__doc__, device="cuda", batch=16, steps=20)
    ways = list_ways()
    parser.add_argument("--name", choices=UNETS, default="sd21")
    parser.add_argument("--ways", nargs="+", choices=list(ways), default=list(ways))
    parser.add_argument("--warm", type=int, default=4, help="steps that are not counted")
    options: argparse.Namespace = read_options(parser)
    shape = Shape(options.name, SIDE, options.batch, torch.device(options.device))
    effort = Effort(warm=options.warm, steps=options.steps, sampler_steps=0, rounds=0)
    card = torch.cuda.get_device_name() if shape.device.type == "cuda" else "CPU"
    print(f"{shape.name} at {SIDE}x{SIDE}, batch {shape.batch}, {card}, torch {torch.__version__}")
    print("| way | ms a step, median (range) | images/s | GiB held at most |\n| --- | --- | --- | --- |")
    medians: dict[str, float] = {}
    for name in options.ways:
        try:
            medians[name] = measure(name, ways[name], shape, effort)
        except Exception as error:  # one way that fails is a row, and not the end of the others
            print(f"| {name} | {type(error).__name__}: {str(error).partition(chr(10))[0][:160]} | | |", flush=True)
        gc.collect()
    for first, second in (("example", "LoRA bf16"), ("LoRA bf16", "limit"), ("LoRA bf16", "limit, graphs")):
        if first in medians and second in medians:
            print(f"{first} / {second}: {medians[first] / medians[second]:.2f}")
    if {"LoRA bf16", "LoRA bf16, perceptual"} <= medians.keys():
        config, base = TrainConfig(), build(options.name, options.device)
        share = low_noise_part(base.alphas_cumprod, config.loss.estimate_min_snr)
        samples = options.batch * config.perceptual.share * share
        added = (medians["LoRA bf16, perceptual"] / medians["LoRA bf16"] - 1) * samples
        print(f"perceptual term as it is by default: {samples:.3f} samples a step, {1 + added:.3f} of a step without")


if __name__ == "__main__":
    main()
