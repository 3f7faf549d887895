"""Shapes of the embedded base model: Stable Diffusion's parts, small enough to train on two CPU cores.

The published Stable Diffusion parts are built from their own config.json; only this one is written here.
"""

from __future__ import annotations

from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

IMAGE_SIZE = 128
LATENT_CHANNELS = 8
TEXT_WIDTH, TEXT_LAYERS = 96, 3
CONTEXT = 77


ENCODER_WIDTHS = (16, 32, 64, 64)
DECODER_WIDTHS = (32, 64, 128, 128)
"""Twice the encoder's: widen.py makes the first stage wider without changing its latents before the decoder goes on."""


def build_autoencoder(widths: tuple[int, ...] = ENCODER_WIDTHS) -> AutoencoderKL:
    """128x128x3 in [-1, 1] <-> 8x16x16. Eight channels: four could not hold texture (docs/results.md)."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=LATENT_CHANNELS,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=widths,
        layers_per_block=1,
        norm_num_groups=8,
        mid_block_add_attention=False,  # lets 64-pixel crops stand for whole images in training
        sample_size=IMAGE_SIZE,
        scaling_factor=1.0,
    )


def build_unet() -> UNet2DConditionModel:
    """Build the UNet that ships: about 11 M parameters, attention at 16x16, 8x8 and 4x4.

    `rebuild base --start` keeps the shape of the base that it begins from.
    """
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=(64, 128, 192),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D",) * 3,
        up_block_types=("CrossAttnUpBlock2D",) * 3,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def build_text_encoder(vocabulary: int, *, start: int, end: int) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=TEXT_WIDTH,
            intermediate_size=2 * TEXT_WIDTH,
            projection_dim=TEXT_WIDTH,
            num_hidden_layers=TEXT_LAYERS,
            num_attention_heads=4,
            max_position_embeddings=CONTEXT,
            hidden_act="gelu",
            bos_token_id=start,
            eos_token_id=end,
            pad_token_id=end,
        )
    )


def build_scheduler() -> DDPMScheduler:
    """Cosine noise schedule (Nichol & Dhariwal 2021), v-prediction.

    Stable Diffusion's own betas leave seven hundredths of the picture in the last timestep, and with it the mean
    brightness, which sampling from pure noise cannot know (Lin et al. 2023); and they spend half of the steps above
    a noise of 1.6 deviations, where 16x16 latents have little left to learn. The cosine schedule ends in pure noise.
    """
    return DDPMScheduler(
        num_train_timesteps=1000,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        clip_sample=False,
        steps_offset=1,
        timestep_spacing="trailing",  # sampling starts at the last timestep, where training's noise ends
    )
