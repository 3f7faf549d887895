"""Drawing, for benchmarks/gpu_all.py: ours, diffusers at its best documented settings, and the UNet alone."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from generate import NEGATIVE, PROMPT, pipeline_way, random_adapter
from gpu_rows import Effort, Row, interleaved, spread
from gpu_training import Shape, build
from harness import synchronize

from woundgen.adapters.lora import fuse_lora
from woundgen.generation.sampler import SamplerSettings, draw_block, initial_noise, place
from woundgen.models.base import encode_prompts
from woundgen.models.recorded_function import GraphRecorder
from woundgen.models.unet_pass import RecordedPasses, UNetPass, plain_pass
from woundgen.storage.names import ADAPTER_FILE


def drawing(shape: Shape, effort: Effort) -> Iterator[Row]:
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
