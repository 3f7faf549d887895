"""A random base model of Stable Diffusion's shape, small enough to draw with in milliseconds."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from woundgen.models.base import BaseModel
from woundgen.shipped.tokenizer import END, START, build_tokenizer

WIDTH = 16
WORDS = ["medical photograph of a wound , redness", "blurry , low quality , cartoon"]


def build_parts() -> tuple[UNet2DConditionModel, AutoencoderKL, CLIPTextModel]:
    """Random weights; the caller sets the seed."""
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=2,
        norm_num_groups=8,
    )
    vae = AutoencoderKL(
        latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=32,
        scaling_factor=0.5,
    )
    text = CLIPTextConfig(
        vocab_size=len(build_tokenizer(WORDS)),
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        bos_token_id=build_tokenizer(WORDS).convert_tokens_to_ids(START),
        eos_token_id=build_tokenizer(WORDS).convert_tokens_to_ids(END),
    )
    return unet, vae, CLIPTextModel(text)


def sharpen(unet: UNet2DConditionModel, vae: AutoencoderKL) -> None:
    """Make random weights matter: prompts change the prediction, and pixels use their whole range."""
    with torch.no_grad():
        for name, parameter in unet.named_parameters():
            if "attn2.to_out.0.weight" in name or "attn2.to_v.weight" in name:
                parameter.mul_(6)
        unet.conv_out.weight.mul_(3)
        vae.decoder.conv_out.weight.mul_(3)


def save_base(folder: Path, *, prediction: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        unet, vae, text_encoder = build_parts()
    sharpen(unet, vae)
    unet.save_pretrained(folder / "unet")
    vae.save_pretrained(folder / "vae")
    text_encoder.save_pretrained(folder / "text_encoder")
    build_tokenizer(WORDS).save_pretrained(folder / "tokenizer")
    # One as Stable Diffusion ships it, one with diffusers' defaults, which its pipeline overrides.
    shipped = {"steps_offset": 1, "clip_sample": False} if prediction == "v_prediction" else {}
    DDPMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type=prediction,
        **shipped,
    ).save_pretrained(folder / "scheduler")


def save_sdxl(folder: Path) -> None:
    """As SDXL: two text encoders, of which the second projects, and a UNet that takes a pooled text and a size."""
    save_base(folder, prediction="epsilon")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        unet, vae, text_encoder = build_parts()
        kept = {key: value for key, value in unet.config.items() if not key.startswith("_")}
        config = kept | {
            "cross_attention_dim": 2 * WIDTH,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": WIDTH - 4 + 6 * 8,
        }
        unet = UNet2DConditionModel.from_config(config)
        # Two layers each: the last but one is what SDXL reads.
        layers = text_encoder.config.to_dict() | {"num_hidden_layers": 2}
        first = CLIPTextModel(CLIPTextConfig(**layers))
        second = CLIPTextModelWithProjection(CLIPTextConfig(**layers | {"projection_dim": WIDTH - 4}))
    sharpen(unet, vae)
    unet.save_pretrained(folder / "unet")
    first.save_pretrained(folder / "text_encoder")
    second.save_pretrained(folder / "text_encoder_2")
    build_tokenizer(WORDS).save_pretrained(folder / "tokenizer_2")
    DDPMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, clip_sample=False
    ).save_pretrained(folder / "scheduler")


def save_four_levels(folder: Path) -> None:
    """Into a folder of `save_base`: UNet and autoencoder with the levels and layers of SD 1 and 2, narrow."""
    down, up = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        UNet2DConditionModel(
            sample_size=8,
            block_out_channels=(16, 16, 32, 32),
            layers_per_block=2,
            down_block_types=(down, down, down, "DownBlock2D"),
            up_block_types=("UpBlock2D", up, up, up),
            cross_attention_dim=WIDTH,
            attention_head_dim=2,
            norm_num_groups=8,
        ).save_pretrained(folder / "unet")
        AutoencoderKL(
            block_out_channels=(8, 8, 16, 16),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            norm_num_groups=4,
            scaling_factor=0.5,
        ).save_pretrained(folder / "vae")


def pipeline_of(base: BaseModel, *, unet: UNet2DConditionModel | None = None) -> StableDiffusionPipeline:
    """diffusers' own pipeline over the parts of a base: what tests hold ours against."""
    return StableDiffusionPipeline(
        vae=base.vae,
        text_encoder=base.text_encoder,
        tokenizer=base.tokenizer,
        unet=unet or base.unet,
        scheduler=base.scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
