"""Drawing, for benchmarks/gpu_all.py: ours, diffusers at its best documented settings, and the UNet alone."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from generate import our_drawing, pipeline_way, random_adapter
from gpu_training import Effort, Row, Shape, build
from harness import ratios, spread, synchronize, take_turns

from woundgen.generation.sampler import SamplerSettings, initial_noise
from woundgen.models.recorded_function import GraphRecorder
from woundgen.models.unet_pass import RecordedPasses, UNetPass, plain_pass


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
        ours = our_drawing(build(shape.name, str(device)), adapter, device, half)
    unet = ours.base.unet
    pair = torch.cat([ours.negative, ours.prompt]).repeat_interleave(shape.batch, 0).to(device, half)
    latents = torch.randn(2 * shape.batch, unet.config.in_channels, shape.side // 8, shape.side // 8)
    latents, t = latents.to(device, half), torch.tensor(500, device=device)

    @torch.inference_mode()
    def unet_alone() -> object:
        for _ in range(effort.sampler_steps):
            recorded(unet, latents, t, pair)
        return synchronize(device)

    ways = {
        "ours": partial(ours, settings, recorded),
        "ours, kernel by kernel": partial(ours, settings),
        "diffusers' pipeline, fused, channels-last": stock,
        "the UNet alone, replayed": unet_alone,
        "the starting noise, on the CPU": partial(initial_noise, ours.base, settings, range(shape.batch)),
    }
    seconds = take_turns(ways, rounds=effort.rounds)  # the round before, which records, is not counted
    for way, times in seconds.items():
        beside = {"way": way, "times ours": statistics.median(ratios(seconds, way, "ours")), "warnings": warnings}
        yield spread(times, images=shape.batch) | beside
