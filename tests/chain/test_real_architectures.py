"""Stable Diffusion's own architectures, from their published configurations, with random weights: one step at 128x128.

Nothing can be fetched here. Counts of parameters are the published ones, and hold that what is built is the real thing
(tests/published_architectures.py).
"""

from __future__ import annotations

import time

import numpy as np
import psutil
import pytest
import torch

from woundgen.adapters.lora_forward import run_by_position
from woundgen.adapters.methods import prepare_method
from woundgen.config.optimization_groups import AveragingOptions, LossOptions
from woundgen.config.train import TrainConfig, prompts_for
from woundgen.models.flat_parameters import flatten
from woundgen.models.prompts import PromptEncoder
from woundgen.training.loop import StepReport, train
from woundgen.training.loop_state import LoopSettings, LoopState
from woundgen.training.state import new_optimizer
from woundgen.workflows.train.dataset import encode_variations

from .. import published_architectures as architectures


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in architectures.UNETS if name != "tiny"])
def test_one_step_at_128(name: str) -> None:
    base = architectures.build(name)
    config = TrainConfig()
    method = prepare_method(base, config)
    if name in architectures.PUBLISHED:
        unet, text, trained = architectures.PUBLISHED[name]
        assert sum(p.numel() for n, p in base.unet.named_parameters() if ".lora_" not in n) == unet
        assert sum(p.numel() for p in base.text_encoder.parameters()) == text
        assert method.expected == trained
    assert sum(p.numel() for p in base.vae.parameters()) == 83_653_863
    trainable = flatten(method.parameters)
    images = np.random.default_rng(0).integers(0, 256, (2, 128, 128, 3)).astype(np.uint8)
    latents = encode_variations(base, images, count=1, seed=0)
    assert latents.mean.shape[2:] == (4, 16, 16)
    before = trainable.values.detach().clone()
    reports: list[StepReport] = []
    started = time.monotonic()
    train(
        unet=base.unet,
        trainable=trainable,
        optimizer=new_optimizer(trainable, betas=(0.9, 0.999), weight_decay=0.01),
        scaler=torch.amp.GradScaler("cpu", enabled=False),
        learning_rate=lambda step: 1e-4,
        latents=latents,
        prompt_embeds=PromptEncoder(base, [prompts_for(config, "I")[0]] * 2),
        alphas_cumprod=base.alphas_cumprod,
        prediction=base.prediction,
        dropout=run_by_position(base.unet, dropout=0.1),
        settings=LoopSettings(
            seed=0, steps=1, global_batch=1, micro_batch=1, max_gradient_norm=1.0, loss=LossOptions(),
            averaging=AveragingOptions(), precision="fp32",
        ),
        state=LoopState(step=0, average=None),
        after_step=lambda report: bool(reports.append(report)),
    )  # fmt: skip
    seconds = time.monotonic() - started
    (report,) = reports
    assert np.isfinite(report.loss)
    assert report.gradient_norm > 0
    assert not torch.equal(trainable.values.detach(), before)
    resident = psutil.Process().memory_info().rss / 2**30
    print(f"{name}: {method.expected:,} trained, one step {seconds:.1f} s, {resident:.1f} GiB resident")
