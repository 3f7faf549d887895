"""A UNet that runs in half precision and keeps what is frozen of it so: half the memory, and not rounded at every call.

autocast rounds the weights of convolutions and linear layers each time it meets them, and keeps no rounded copy of
frozen ones. Rounded once they are the same numbers. What an adapter adds is computed apart (lora_forward.py).
"""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel
from torch import nn

HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def run_in_half(unet: UNet2DConditionModel, half: torch.dtype) -> None:
    """From now on `unet` runs under autocast to `half`, whoever calls it, and answers in `half`.

    Norms, the first convolution (its precision is what diffusers takes for the UNet's, and latents for theirs) and
    what is trained keep their single precision.
    """
    for layer in unet.modules():
        frozen = not any(parameter.requires_grad for parameter in layer.parameters())
        if isinstance(layer, nn.Linear | nn.Conv2d) and layer is not unet.conv_in and frozen:
            layer.to(half)
    device = unet.conv_in.weight.device.type
    # No cache of rounded weights: each is met once a pass, and a CUDA graph must not read what an earlier pass rounded.
    unet.forward = torch.autocast(device, half, cache_enabled=False)(unet.forward)
