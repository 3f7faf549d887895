"""What benchmarks/gpu_all.py measures: each item gives rows, and knows no clock but its own."""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from generate import NEGATIVE, PROMPT, pipeline_way, random_adapter
from gpu_training import BenchmarkRun, Shape, build
from torch import Tensor
from train_throughput import example_step

from woundgen.adapters.lora import fuse_lora
from woundgen.generation.guidance import RecordedPasses, UNetPass, plain_pass
from woundgen.generation.sampler import SamplerSettings, draw_block, initial_noise, place
from woundgen.models.base import encode_prompts
from woundgen.models.recorded_function import GraphRecorder
from woundgen.runtime.determinism import deterministic_algorithms
from woundgen.storage.names import ADAPTER_FILE

GIB = 1 << 30
Row = dict[str, Any]
"""item, and numbers by name; None where the device does not count it."""


@dataclass(frozen=True, slots=True)
class Effort:
    """Steps of training that are not counted and that are; steps of the sampler; rounds of drawing, interleaved."""

    warm: int
    steps: int
    sampler_steps: int
    rounds: int


KEPT = {"gradient_checkpointing": False}  # activations: they fit
LORA = KEPT | {"lora_rank": 16, "lora_alpha": 32, "lora_dropout": 0.0}
BF16 = LORA | {"mixed_precision": "bf16"}
FULL = KEPT | {"training_method": "full", "mixed_precision": "bf16"}


@dataclass(frozen=True, slots=True)
class Item:
    """name: of its rows. seconds: that it may take on a card, so that none is begun that would not end.

    alone: in a process of its own, since cuBLAS reads its setting once a process.
    """

    name: str
    seconds: float
    rows: Callable[[Shape, Effort], Iterator[Row]]
    alone: bool = False


def items() -> list[Item]:
    """Return the items in order of worth."""
    training = partial(_training, settings=BF16)
    exact = {kind: LORA | {"mixed_precision": kind} for kind in ("bf16", "fp16", "no")}
    methods: Mapping[str, dict[str, Any]] = {
        "LoRA fp16": LORA | {"mixed_precision": "fp16"},
        "LoRA fp32": LORA | {"mixed_precision": "no"},
        "LoRA bf16, dropout 0.1": BF16 | {"lora_dropout": 0.1},
        "LoRA bf16, checkpointing": BF16 | {"gradient_checkpointing": True},
        "LoRA bf16, no graphs": BF16 | {"cuda_graphs": False},
        "LoRA fp32, deterministic": LORA | {"mixed_precision": "no", "deterministic": True},
        "LoRA bf16, deterministic": BF16 | {"deterministic": True},
        "DoRA bf16": BF16 | {"lora_dora": True},
        "whole UNet bf16": FULL,
        "whole UNet bf16, 8-bit AdamW": FULL | {"optimizer": "adamw-8bit"},
        "DreamBooth bf16": FULL | {"training_method": "dreambooth"},
        "textual inversion bf16": KEPT | {"training_method": "textual_inversion", "mixed_precision": "bf16"},
    }
    batches = [(f"batch {count}", {"batch": count}) for count in (8, 32, 64)]
    sides = [(f"{times} times the side", {"times": times}) for times in (2, 4)]
    return [
        Item("training, LoRA bf16", 30, training),
        Item("the UNet alone, forward and backward, replayed", 20, _limit),
        Item("drawing", 60, _drawing),
        *(Item(f"exactness, {kind}", 45, partial(_exactness, settings=settings)) for kind, settings in exact.items()),
        Item(
            "exactness, no, deterministic", 60, partial(_exactness, settings=exact["no"] | {"deterministic": True}),
            alone=True,
        ),
        Item("diffusers' example, bf16", 30, _example),
        *(
            Item(f"training, {name}", 30, partial(_training, settings=way), alone="deterministic" in way)
            for name, way in methods.items()
        ),
        *(Item(f"training, LoRA bf16, {name}", 40, partial(training, **more)) for name, more in (*batches, *sides)),
    ]  # fmt: skip


def _training(
    shape: Shape, effort: Effort, *, settings: dict[str, Any], batch: int | None = None, times: int = 1
) -> Iterator[Row]:
    shape = replace(shape, batch=batch or shape.batch, side=times * shape.side)
    with deterministic_algorithms(bool(settings.get("deterministic"))):
        run = BenchmarkRun(shape, settings)
        run.free()
        count_from_here(shape.device)
        run.run(effort.warm + effort.steps)
        held = peak_bytes(shape.device)
        foreseen = foreseen_bytes(run)
    yield spread(run.seconds[effort.warm :], images=shape.batch) | {
        "batch": shape.batch,
        "side": shape.side,
        "GiB foreseen": None if foreseen is None else foreseen / GIB,
        "GiB reserved": None if held is None else held / GIB,
        "warnings": run.warnings,
    }


def foreseen_bytes(run: BenchmarkRun) -> int | None:
    """Bytes of a step that the plan foresees; a fault of the foresight goes to the warnings, and costs no time."""
    try:
        return run.foresee().total
    except RuntimeError as error:
        run.warnings.append(f"memory not foreseen: {str(error).partition(chr(10))[0][:100]}")
        return None


def _limit(shape: Shape, effort: Effort) -> Iterator[Row]:
    """The gradient goes to the prompt embeddings: through all of the UNet but its first convolution and block."""
    base = build(shape.name, str(shape.device))
    unet = base.unet.to(shape.device, dtype=torch.bfloat16).train()
    inputs = [
        torch.randn(shape.batch, unet.config.in_channels, shape.side // 8, shape.side // 8),
        torch.randint(0, 1000, (shape.batch,)),
        torch.randn(shape.batch, 77, unet.config.cross_attention_dim),
    ]
    noisy, timesteps, embeds = (
        value.to(shape.device, torch.bfloat16 if value.is_floating_point() else value.dtype) for value in inputs
    )

    def both_passes(noisy: Tensor, timesteps: Tensor, embeds: Tensor) -> Tensor:
        leaf = embeds.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(unet(noisy, timesteps, leaf).sample.square().mean(), leaf)
        return gradient

    record = GraphRecorder() if shape.device.type == "cuda" else None
    function = both_passes if record is None else record(both_passes, [noisy, timesteps, embeds])
    seconds = timed(lambda: function(noisy, timesteps, embeds), shape.device, effort)
    yield spread(seconds, images=shape.batch) | {"batch": shape.batch, "replayed": record is not None}


def _example(shape: Shape, effort: Effort) -> Iterator[Row]:
    base = build(shape.name, str(shape.device))
    photographs = np.random.default_rng(0).integers(0, 256, (32, shape.side, shape.side, 3)).astype(np.uint8)
    step = example_step(base, photographs, shape.batch, device=str(shape.device), dtype=torch.bfloat16)
    yield spread(timed(step, shape.device, effort), images=shape.batch) | {"batch": shape.batch}


def _exactness(shape: Shape, effort: Effort, *, settings: dict[str, Any]) -> Iterator[Row]:
    """The same steps again, stopped half way and gone on with, and without graphs: which are equal to the bit."""
    steps = effort.warm + effort.steps
    with deterministic_algorithms(bool(settings.get("deterministic"))):
        whole, losses, warnings = trained(shape, settings, steps)
        again, losses_again, _ = trained(shape, settings, steps)
        resumed, _, _ = trained(shape, settings, steps, stop=steps // 2)
        plain, _, _ = trained(shape, settings | {"cuda_graphs": False}, steps)
    yield {
        "steps": steps,
        "repeats": torch.equal(again, whole) and losses_again == losses,
        "resumes": torch.equal(resumed, whole),
        "graphs equal eager": torch.equal(plain, whole),
        "apart, repeated": ((again - whole).norm() / whole.norm()).item(),
        "apart, eager": ((plain - whole).norm() / whole.norm()).item(),
        "warnings": warnings,
    }


def trained(
    shape: Shape, settings: dict[str, Any], steps: int, *, stop: int | None = None
) -> tuple[Tensor, list[float], list[str]]:
    """Values on the CPU, losses and warnings of a run of its own. stop: where another process would go on."""
    run = BenchmarkRun(shape, settings)
    if stop is not None:
        run.run(stop)
        checkpoint, run = run.save(), BenchmarkRun(shape, settings)
        run.restore(checkpoint)
    run.run(steps)
    return run.trainable.values.detach().cpu(), run.losses, run.warnings


def _drawing(shape: Shape, effort: Effort) -> Iterator[Row]:
    """A block of 16 with guidance: ours, diffusers at its best documented settings, the UNet alone; interleaved."""
    device = shape.device
    half = torch.float16 if device.type == "cuda" else torch.float32
    settings = SamplerSettings("dpmsolver++", effort.sampler_steps, 3.0, 0, shape.batch, shape.side, shape.side)
    warnings: list[str] = []
    record = GraphRecorder() if device.type == "cuda" else None
    recorded: UNetPass = plain_pass if record is None else RecordedPasses(record, faults=warnings)
    with tempfile.TemporaryDirectory() as folder:
        adapter = random_adapter(build(shape.name, str(device)), Path(folder))
        stock = pipeline_way(build(shape.name, str(device)), adapter, settings, device, half, best=True)
        base = build(shape.name, str(device))
        fuse_lora(base.unet, [(adapter / ADAPTER_FILE, 1.0)])
    place(base, device=device, dtype=half)
    prompt, negative = encode_prompts(base, [PROMPT, NEGATIVE]).split(1)

    def ours(unet_pass: UNetPass) -> object:
        return draw_block(
            base, settings, range(shape.batch), prompt_states=prompt, negative_states=negative,
            unet_pass=unet_pass,
        )  # fmt: skip

    pair = torch.cat([negative, prompt]).repeat_interleave(shape.batch, 0).to(device, half)
    latents = torch.randn(2 * shape.batch, base.unet.config.in_channels, shape.side // 8, shape.side // 8)
    latents, t = latents.to(device, half), torch.tensor(500, device=device)

    @torch.inference_mode()
    def unet_alone() -> object:
        for _ in range(effort.sampler_steps):
            recorded(base.unet, latents, t, pair)
        return synchronize(device)

    ways = {
        "ours": partial(ours, recorded),
        "ours, kernel by kernel": partial(ours, plain_pass),
        "diffusers' pipeline, fused, channels-last": stock,
        "the UNet alone, replayed": unet_alone,
        "the starting noise, on the CPU": partial(initial_noise, base, settings, range(shape.batch)),
    }
    seconds = interleaved(ways, rounds=effort.rounds)
    for way, times in seconds.items():
        ratios = [other / own for own, other in zip(seconds["ours"], times, strict=True)]
        yield spread(times, images=shape.batch) | {
            "way": way,
            "times ours": statistics.median(ratios),
            "warnings": warnings,
        }


def interleaved(ways: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, list[float]]:
    """Seconds of each way in each round; a first one, which records and warms up, is not counted."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for way, run in ways.items():
            started = time.perf_counter()
            run()
            if number:
                seconds[way].append(time.perf_counter() - started)
    return seconds


def timed(step: Callable[[], object], device: torch.device, effort: Effort) -> list[float]:
    seconds = []
    for _ in range(effort.warm + effort.steps):
        started = time.perf_counter()
        step()
        synchronize(device)
        seconds.append(time.perf_counter() - started)
    return seconds[effort.warm :]


def spread(seconds: list[float], *, images: int) -> Row:
    """Median, least and most milliseconds, how many, and images a second."""
    median = statistics.median(seconds)
    return {
        "ms": 1000 * median,
        "ms least": 1000 * min(seconds),
        "ms most": 1000 * max(seconds),
        "n": len(seconds),
        "images/s": images / median,
    }


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def count_from_here(device: torch.device) -> None:
    """Forget what the card has held at most before."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_bytes(device: torch.device) -> int | None:
    """Return the most that torch has reserved of the card; recordings keep memory that counts as free between steps."""
    return torch.cuda.max_memory_reserved() if device.type == "cuda" else None
