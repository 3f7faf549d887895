"""Groups of training settings: what is trained: base, adapter, learned word, prior preservation."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from woundgen.config.prompts import SHORT_PROMPT
from woundgen.config.setting import setting
from woundgen.config.strict import STRICT


class ModelOptions(BaseModel):
    """The base model, what is trained of it, and the size of the images."""

    model_config = STRICT

    base: str = setting(
        "stabilityai/stable-diffusion-2-1-base",
        "what is adapted: `embedded`, `sd21-base` (or the approved plan's name for it), or a diffusers folder",
        flat="base_model",
    )
    method: Literal["lora", "full", "dreambooth", "textual_inversion"] = setting(
        "lora", "what is trained", flat="training_method"
    )
    resolution: int = setting(
        128, "side of the square images, pixels", flat="resolution", ge=32, le=1024, multiple_of=8
    )
    train_resolution: int | None = setting(
        None,
        "side that is trained and drawn at, reduced to resolution at the end; null: resolution",
        flat="train_resolution",
        ge=32,
        le=1024,
        multiple_of=8,
    )


class LoraOptions(BaseModel):
    """The LoRA adapter (Hu et al. 2021) and its variants: rsLoRA (Kalajdzievski 2023), DoRA (Liu et al. 2024)."""

    model_config = STRICT

    rank: int = setting(16, "rank r of the update B A of each layer", flat="lora_rank", ge=1, le=1024)
    alpha: float = setting(32, "the update is scaled by alpha / rank", flat="lora_alpha", gt=0)
    dropout: float = setting(0.1, "share of a layer's inputs dropped before A", flat="lora_dropout", ge=0, lt=1)
    target_modules: tuple[str, ...] = setting(
        ("to_q", "to_k", "to_v", "to_out.0"),
        "names of the adapted layers of the UNet",
        flat="lora_target_modules",
        min_length=1,
    )
    rslora: bool = setting(False, "scale alpha / sqrt(rank) instead of alpha / rank", flat="lora_rslora")
    dora: bool = setting(False, "learn direction and length of each row apart", flat="lora_dora")
    text_encoder: bool = setting(False, "adapt what reads the prompts, too", flat="lora_text_encoder")


class TokenOptions(BaseModel):
    """The word that DreamBooth and textual inversion bind what they learn to."""

    model_config = STRICT

    word: str | None = setting(
        None,
        "a rare word in the prompts; null: sks for dreambooth, <wound-PHASE> to learn",
        flat="instance_token",
        min_length=1,
    )
    vectors: int = setting(1, "textual_inversion: rows that the token stands for", flat="token_vectors", ge=1, le=16)
    initializer: str = setting(
        "wound",
        "textual_inversion: initialise the token with the mean embedding of these words",
        flat="token_initializer",
    )


class PriorOptions(BaseModel):
    """Prior preservation of DreamBooth (Ruiz et al. 2023)."""

    model_config = STRICT

    weight: float = setting(
        1.0, "dreambooth: of the loss on class images (prior preservation); 0: none", flat="prior_weight", ge=0, le=100
    )
    prompt: str = setting(SHORT_PROMPT, "dreambooth: what class images are drawn with", flat="class_prompt")
    images: int = setting(100, "dreambooth: drawn once by the untrained base", flat="class_images", ge=1, le=10000)
