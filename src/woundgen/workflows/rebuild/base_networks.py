"""The networks of the embedded base before their first step: random, or those of another base."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from woundgen.events import Info, Work
from woundgen.models.base import load_base
from woundgen.shipped.architecture import build_text_encoder, build_unet
from woundgen.shipped.move_vocabulary import move_vocabulary
from woundgen.shipped.tokenizer import build_tokenizer
from woundgen.training.optimizer_state import strip_prefix

# Words of the approved plan's prompts that no caption of a phantom uses; they get tokens all the same.
PROMPT_WORDS = (
    "medical photograph of diabetic foot ulcer in inflammatory phase, showing redness, swelling, acute "
    "inflammation, wound edges, clinical documentation, high detail",
    "medical photograph of diabetic foot ulcer in remodeling phase, showing wound contraction, "
    "epithelialization, scar tissue, mature healing, clinical documentation, high detail",
    "proliferative granulation tissue",
    "blurry, low quality, healthy skin, cartoon, artificial, watermark, text, smooth texture, unrealistic colors",
    "a photo of sks wound",
)


@dataclass(frozen=True, slots=True)
class BaseNetworks:
    """Tokenizer, UNet and text encoder; begun_from: digest of the base they come from, "" for random weights."""

    tokenizer: CLIPTokenizer
    unet: UNet2DConditionModel
    text_encoder: CLIPTextModel
    begun_from: str

    def load(self, weights: dict[str, Tensor]) -> None:
        """Load weights by name: `unet.` or `text_encoder.`, then the network's own."""
        self.unet.load_state_dict(strip_prefix("unet", weights))
        self.text_encoder.load_state_dict(strip_prefix("text_encoder", weights), strict=False)


def beginning(start: Path | None, *, captions: list[str], seed: int) -> Work[BaseNetworks]:
    """Build the networks, random or those of the base in `start`, and a tokenizer of the captions.

    Words that the base in `start` does not know get rows of their own.
    """
    tokenizer = build_tokenizer([*captions, *PROMPT_WORDS])
    if start is not None:
        base = load_base(str(start))
        if base.note:
            yield Info(base.note)
        text_encoder = base.text_encoder
        if base.tokenizer.get_vocab() != tokenizer.get_vocab():
            text_encoder = move_vocabulary(text_encoder, base.tokenizer, tokenizer, seed=seed)
        unet, text_encoder = base.unet.requires_grad_(True), text_encoder.requires_grad_(True)
        return BaseNetworks(tokenizer, unet, text_encoder, base.digest)
    torch.manual_seed(seed)
    unet = build_unet()
    text_encoder = build_text_encoder(len(tokenizer), start=tokenizer.bos_token_id, end=tokenizer.eos_token_id)
    return BaseNetworks(tokenizer, unet, text_encoder, "")
