"""Stable Diffusion's own architectures, from their published configurations, with random weights.

For measuring where nothing can be fetched: what a step costs does not depend on what the weights are. SDXL's UNet
(2.57 billion parameters, 10 GB in fp32) is built a fifth as wide: the blocks, both encoders' kinds and the conditions
on pooled text and size are SDXL's, the widths are not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from woundgen.config.train import TrainConfig, prompts_for
from woundgen.models.base import BaseModel
from woundgen.models.text_encoding import TextTower, take_off_pooled
from woundgen.shipped.tokenizer import build_tokenizer

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
    "tiny": {  # of nothing published: to try a script on a CPU
        "sample_size": 8,
        "block_out_channels": (16, 32),
        "down_block_types": (CROSS_DOWN, DOWN),
        "up_block_types": (UP, CROSS_UP),
        "layers_per_block": 1,
        "cross_attention_dim": 16,
        "attention_head_dim": 2,
        "norm_num_groups": 8,
    },
}
CLIP_L = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
TINY_CLIP = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
OPEN_CLIP_H = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23, "num_attention_heads": 16}
OPEN_CLIP_G = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 4, "num_attention_heads": 20}  # 32
# Parameters of UNet and first text encoder as their publishers and diffusers' documents give them, and of rank 16 on
# to_q, to_k, to_v, to_out.0 (rank 4 on SD 1.5 is 797,184; SD 2.1: 16 (14 c + 2 x 1024) in each of 5, 5, 6 blocks of
# width c).
PUBLISHED = {"sd15": (859_520_964, 123_060_480, 4 * 797_184), "sd21": (865_910_724, 340_387_840, 3_319_808)}


def text_config(sizes: dict[str, Any], projection: int) -> CLIPTextConfig:
    return CLIPTextConfig(vocab_size=49408, max_position_embeddings=77, projection_dim=projection, **sizes)


def build(name: str, device: str = "cpu") -> BaseModel:
    """Random weights of the real shape; prompts go through a small vocabulary, whose ids are among CLIP's."""
    torch.manual_seed(0)
    with torch.device(device):
        unet, vae, encoder, second = _networks(name)
    tokenizer = build_tokenizer([prompts_for(TrainConfig(), "I")[0]])
    tower = None
    if second is not None:
        tower = TextTower(second, tokenizer)
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
        prediction=scheduler.config.prediction_type, latent_scale=0.18215, second=tower,
    )  # fmt: skip
    for module in base.modules:
        module.requires_grad_(False).eval()
    return base


def _networks(
    name: str,
) -> tuple[UNet2DConditionModel, AutoencoderKL, CLIPTextModel, CLIPTextModelWithProjection | None]:
    widths = (8, 8, 8, 8) if name == "tiny" else (128, 256, 512, 512)
    vae = AutoencoderKL(
        block_out_channels=widths,
        norm_num_groups=8 if name == "tiny" else 32,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=4,
        sample_size=512,
        scaling_factor=0.18215,
    )
    unet = UNet2DConditionModel(in_channels=4, out_channels=4, **UNETS[name])
    encoder = CLIPTextModel(text_config({"sd21": OPEN_CLIP_H, "tiny": TINY_CLIP}.get(name, CLIP_L), 512))
    second = CLIPTextModelWithProjection(text_config(OPEN_CLIP_G, 1280)) if name == "sdxl" else None
    return unet, vae, encoder, second
