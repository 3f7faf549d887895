"""What benchmarks/gpu_all.py measures: each item gives rows, and knows no clock but its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from gpu_drawing import drawing
from gpu_exactness import exactness, killed, repeatability, two_processes
from gpu_training import BenchmarkRun, Effort, Row, Shape, build, invent_photographs
from harness import GIB, forget_peak, peak_bytes, spread, time_steps
from torch import Tensor
from train_throughput import example_step

from woundgen.models.recorded_function import GraphRecorder
from woundgen.runtime.determinism import CUBLAS, WORKSPACE, deterministic_algorithms

KEPT = {"gradient_checkpointing": False}  # activations: they fit
LORA = KEPT | {"lora_rank": 16, "lora_alpha": 32, "lora_dropout": 0.0}
BF16, FP32 = LORA | {"mixed_precision": "bf16"}, LORA | {"mixed_precision": "no"}
FULL = KEPT | {"training_method": "full", "mixed_precision": "bf16"}
IN_ORDER = {CUBLAS: WORKSPACE}


@dataclass(frozen=True, slots=True)
class Item:
    """name: of its rows. seconds: that it may take on a card, so that none is begun that would not end.

    environment: of a process of its own, since cuBLAS reads its setting once a process; {}: of this one.
    """

    name: str
    seconds: float
    rows: Callable[[Shape, Effort], Iterator[Row]]
    environment: Mapping[str, str] = field(default_factory=dict)


def items() -> list[Item]:
    """Return the items in order of worth."""
    kinds = {"bf16": BF16, "fp16": LORA | {"mixed_precision": "fp16"}, "fp32": FP32}
    methods: Mapping[str, dict[str, Any]] = {
        "LoRA fp16": kinds["fp16"],
        "LoRA fp32": FP32,
        "LoRA bf16, dropout 0.1": BF16 | {"lora_dropout": 0.1},
        "LoRA bf16, checkpointing": BF16 | {"gradient_checkpointing": True},
        "LoRA bf16, no graphs": BF16 | {"cuda_graphs": False},
        "LoRA fp32, deterministic": FP32 | {"deterministic": True},
        "LoRA bf16, deterministic": BF16 | {"deterministic": True},
        "DoRA bf16": BF16 | {"lora_dora": True},
        "whole UNet bf16": FULL,
        "whole UNet bf16, 8-bit AdamW": FULL | {"optimizer": "adamw-8bit"},
        "DreamBooth bf16": FULL | {"training_method": "dreambooth"},
        "textual inversion bf16": KEPT | {"training_method": "textual_inversion", "mixed_precision": "bf16"},
    }
    sizes = [(f"batch {count}", {"batch": count}) for count in (8, 32, 64)]
    sizes += [(f"{times} times the side", {"times": times}) for times in (2, 4)]
    freely = ["as it is", "convolutions without TF32", "convolutions by deterministic kernels", "plain attention"]
    return [
        Item("training, LoRA bf16", 30, partial(_training, settings=BF16)),
        Item("the UNet alone, forward and backward, replayed", 20, _limit),
        Item("drawing", 60, drawing),
        *(Item(f"exactness, {kind}", 45, partial(exactness, settings=settings)) for kind, settings in kinds.items()),
        Item("repeatability, fp32", 45, partial(repeatability, settings=FP32, ways=freely)),
        Item(
            "repeatability, fp32, in order", 45,
            partial(repeatability, settings=FP32, ways=["cuBLAS's workspace set", "deterministic: true"]), IN_ORDER,
        ),
        *(Item(f"killed, {kind}", 75, partial(killed, settings=settings)) for kind, settings in kinds.items()),
        Item(
            "exactness, fp32, deterministic", 60, partial(exactness, settings=FP32 | {"deterministic": True}), IN_ORDER
        ),
        Item("diffusers' example, bf16", 30, _example),
        *(
            Item(f"training, {name}", 30, partial(_training, settings=way), IN_ORDER if "deterministic" in way else {})
            for name, way in methods.items()
        ),
        *(Item(f"training, LoRA bf16, {name}", 40, partial(_training, settings=BF16, **more)) for name, more in sizes),
        Item("two processes, LoRA bf16", 60, partial(two_processes, settings=BF16)),
    ]  # fmt: skip


def _training(
    shape: Shape, effort: Effort, *, settings: dict[str, Any], batch: int | None = None, times: int = 1
) -> Iterator[Row]:
    shape = replace(shape, batch=batch or shape.batch, side=times * shape.side)
    with deterministic_algorithms(bool(settings.get("deterministic"))):
        run = BenchmarkRun(shape, settings)
        run.free()
        forget_peak(shape.device)
        run.run(effort.warm + effort.steps)
        allocated, reserved = peak_bytes(shape.device)
        foreseen = foreseen_bytes(run)
    yield spread(run.seconds[effort.warm :], images=shape.batch) | {
        "batch": shape.batch,
        "side": shape.side,
        "GiB foreseen": None if foreseen is None else foreseen / GIB,
        "GiB allocated": None if allocated is None else allocated / GIB,
        "GiB reserved": None if reserved is None else reserved / GIB,
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
    seconds = _timed(lambda: function(noisy, timesteps, embeds), shape, effort)
    yield spread(seconds, images=shape.batch) | {"batch": shape.batch, "replayed": record is not None}


def _example(shape: Shape, effort: Effort) -> Iterator[Row]:
    base = build(shape.name, str(shape.device))
    photographs = invent_photographs(shape.side)
    step = example_step(base, photographs, shape.batch, device=str(shape.device), dtype=torch.bfloat16)
    yield spread(_timed(step, shape, effort), images=shape.batch) | {"batch": shape.batch}


def _timed(step: Callable[[], object], shape: Shape, effort: Effort) -> list[float]:
    return time_steps(step, shape.device, count=effort.steps, warm=effort.warm)
