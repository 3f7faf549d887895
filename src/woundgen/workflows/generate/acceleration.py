"""How a set is drawn as fast as the device allows: by CUDA graphs, and as many images at once as its memory holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from woundgen.generation.grouped import images_at_once
from woundgen.generation.sampler import draw_block
from woundgen.models.recorded_function import GraphRecorder
from woundgen.models.unet_pass import RecordedPasses, UNetPass, plain_pass
from woundgen.workflows.generate.model import DrawModel

MemoryMeter = Callable[[Callable[[], object]], tuple[int, int]]
"""Runs a function and returns (bytes it took above what was held before, bytes free before), of the device."""

MEASURED_STEPS = 2  # a guided or an unguided pass, and the decoder, show what a block takes


def choose_unet_pass(device: torch.device, *, faults: list[str]) -> UNetPass:
    """Return how the UNet is run: recorded as CUDA graphs on a GPU, each checked first, else plainly."""
    return RecordedPasses(GraphRecorder(), faults=faults) if device.type == "cuda" else plain_pass


def choose_group(model: DrawModel, *, memory: MemoryMeter) -> int:
    """Return how many images are drawn at once: as many whole blocks as the device's free memory holds."""
    block = model.recipe.sampler.block
    settings = replace(model.recipe.sampler, steps=MEASURED_STEPS)

    def draw_first_block() -> object:
        return draw_block(
            model.base, settings, range(block), prompt_states=model.prompt, negative_states=model.negative,
            guide=model.guide,
        )  # fmt: skip

    block_bytes, free_bytes = memory(draw_first_block)
    return images_at_once(block, block_bytes=block_bytes, free_bytes=free_bytes)


def measure_card(run: Callable[[], object]) -> tuple[int, int]:
    """Measure `run` on the current CUDA device, as a MemoryMeter."""
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info()
    held = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    run()
    return torch.cuda.max_memory_allocated() - held, free
