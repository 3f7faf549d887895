"""Stable Diffusion's own architectures, from their published configurations, with random weights: one step at 128x128.

Nothing can be fetched here. Counts of parameters are the published ones, and hold that what is built is the real
thing. SDXL's UNet (2.57 billion parameters, 10 GB in fp32) is built a fifth as wide: the blocks, both encoders' kinds
and the conditions on pooled text and size are SDXL's, the widths are not.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from woundgen.config import TrainConfig, prompts_for
from woundgen.models.base import BaseModel
from woundgen.models.flat import flatten
from woundgen.models.lora_forward import run_by_position
from woundgen.models.text import TextTower, take_off_pooled
from woundgen.models.vocabulary import build_tokenizer
from woundgen.training.loop import LoopSettings, LoopState, StepReport, train
from woundgen.training.state import new_optimizer
from woundgen.workflows.methods import prepare_method
from woundgen.workflows.setup import PromptTable, encode_variations

DOWN, CROSS_DOWN = "DownBlock2D", "CrossAttnDownBlock2D"
UP, CROSS_UP = "UpBlock2D", "CrossAttnUpBlock2D"
SD: dict[str, Any] = {
    "sample_size": 64,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": (CROSS_DOWN, CROSS_DOWN, CROSS_DOWN, DOWN),
    "up_block_types": (UP, CROSS_UP, CROSS_UP, CROSS_UP),
    "layers_per_block": 2,
}
UNETS: dict[str, dict[str, Any]] = {
    "sd15": SD | {"cross_attention_dim": 768, "attention_head_dim": 8},
    "sd21": SD | {"cross_attention_dim": 1024, "attention_head_dim": (5, 10, 20, 20), "use_linear_projection": True},
    "sdxl": {
        "sample_size": 128,
        "block_out_channels": (64, 128, 256),  # 320, 640, 1280
        "down_block_types": (DOWN, CROSS_DOWN, CROSS_DOWN),
        "up_block_types": (CROSS_UP, CROSS_UP, UP),
        "layers_per_block": 2,
        "transformer_layers_per_block": (1, 2, 10),
        "attention_head_dim": (1, 2, 4),  # 5, 10, 20
        "cross_attention_dim": 768 + 1280,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 1280 + 6 * 256,
    },
}
CLIP_L = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
OPEN_CLIP_H = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23, "num_attention_heads": 16}
OPEN_CLIP_G = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 4, "num_attention_heads": 20}  # 32
# Parameters of UNet and first text encoder as their publishers and diffusers' documents give them, and of rank 16 on
# to_q, to_k, to_v, to_out.0 (rank 4 on SD 1.5 is 797,184; SD 2.1: 16 (14 c + 2 x 1024) in each of 5, 5, 6 blocks of
# width c).
PUBLISHED = {"sd15": (859_520_964, 123_060_480, 4 * 797_184), "sd21": (865_910_724, 340_387_840, 3_319_808)}


def text_config(sizes: dict[str, int], projection: int) -> CLIPTextConfig:
    return CLIPTextConfig(vocab_size=49408, max_position_embeddings=77, projection_dim=projection, **sizes)


def build(name: str) -> BaseModel:
    """Random weights of the real shape; prompts go through a small vocabulary, whose ids are among CLIP's."""
    torch.manual_seed(0)
    vae = AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=4,
        sample_size=512,
        scaling_factor=0.18215,
    )
    unet = UNet2DConditionModel(in_channels=4, out_channels=4, **UNETS[name])
    encoder = CLIPTextModel(text_config(OPEN_CLIP_H if name == "sd21" else CLIP_L, 512))
    tokenizer = build_tokenizer([prompts_for(TrainConfig(), "I")[0]])
    second = None
    if name == "sdxl":
        second = TextTower(CLIPTextModelWithProjection(text_config(OPEN_CLIP_G, 1280)), tokenizer)
        take_off_pooled(unet, pooled=1280, pixels=8)
    scheduler = DDPMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction" if name == "sd21" else "epsilon",
    )
    base = BaseModel(
        name=name, folder=Path(), digest="", unet=unet, vae=vae, text_encoder=encoder, tokenizer=tokenizer,
        scheduler=scheduler, alphas_cumprod=scheduler.alphas_cumprod.float(),
        prediction=scheduler.config.prediction_type, latent_scale=0.18215, second=second,
    )  # fmt: skip
    for module in base.modules:
        module.requires_grad_(False).eval()
    return base


@pytest.mark.slow
@pytest.mark.parametrize("name", UNETS)
def test_one_step_at_128(name: str) -> None:
    base = build(name)
    config = TrainConfig()
    method = prepare_method(base, config)
    if name in PUBLISHED:
        unet, text, trained = PUBLISHED[name]
        assert sum(p.numel() for n, p in base.unet.named_parameters() if ".lora_" not in n) == unet
        assert sum(p.numel() for p in base.text_encoder.parameters()) == text
        assert method.expected == trained
    assert sum(p.numel() for p in base.vae.parameters()) == 83_653_863
    trainable = flatten(method.parameters)
    images = np.random.default_rng(0).integers(0, 256, (2, 128, 128, 3)).astype(np.uint8)
    latents = encode_variations(base, images, count=1, seed=0, say=print)
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
        contexts=PromptTable(base, [prompts_for(config, "I")[0]] * 2),
        alphas_cumprod=base.alphas_cumprod,
        prediction=base.prediction,
        dropout=run_by_position(base.unet, dropout=0.1),
        settings=LoopSettings(
            seed=0, steps=1, global_batch=1, micro_batch=1, prompt_dropout=0.1, snr_gamma=None, noise_offset=0.0,
            max_grad_norm=1.0, ema_decay=None, ema_warmup=True, precision="fp32",
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
