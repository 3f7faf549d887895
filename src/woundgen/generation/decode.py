"""From clean latents to pixels: a block at once, in single precision where half overflows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from woundgen.errors import UserError
from woundgen.models.base import BaseModel


@torch.inference_mode()
def decode_latents(base: BaseModel, latents: Tensor) -> np.ndarray:
    """Return uint8 [N, H, W, 3] of latents [N, C, h, w], rounded as VaeImageProcessor does.

    In half precision a decoder's activations can exceed what fp16 holds (SDXL's do): such a block is decoded again in
    single precision. UserError where the latents themselves are not finite.
    """
    decoded = _run_decoder(base, latents)
    if base.vae.dtype != torch.float32 and not decoded.isfinite().all():
        if not latents.isfinite().all():
            raise UserError(
                f"The UNet of {base.name} gives numbers that are not finite in {str(latents.dtype)[6:]}.",
                "Give --precision bf16 or --precision fp32.",
            )
        decoded = _decode_in_single(base, latents)
    unit = (decoded * 0.5 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).float()
    return (unit * 255).round().to(torch.uint8).cpu().numpy()


def _run_decoder(base: BaseModel, latents: Tensor) -> Tensor:
    return base.vae.decode((latents / base.latent_scale).to(base.vae.dtype), return_dict=False)[0]


def _decode_in_single(base: BaseModel, latents: Tensor) -> Tensor:
    """Decode with the same weights in fp32, and put them back: a rounded weight is itself in either precision."""
    half = base.vae.dtype
    with torch.inference_mode(mode=False):
        torch.nn.Module.to(base.vae, torch.float32)
    try:
        return _run_decoder(base, latents.float())
    finally:
        with torch.inference_mode(mode=False):
            torch.nn.Module.to(base.vae, half)
