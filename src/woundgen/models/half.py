"""A UNet that runs in half precision and keeps what is frozen of it so: half the memory, and not rounded at every call.

autocast rounds the weights of convolutions and linear layers each time it meets them, and keeps no rounded copy of
frozen ones. Rounded once they are the same numbers. What an adapter is added to stays in single precision: added to a
rounded weight, a small change of it would be rounded away.
"""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel
from peft.tuners.lora.layer import Linear as LoraLinear
from torch import nn

HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def run_in_half(unet: UNet2DConditionModel, half: torch.dtype) -> None:
    """From now on `unet` runs under autocast to `half`, whoever calls it, and answers in `half`.

    Norms, the first convolution (its precision is what diffusers takes for the UNet's, and latents for theirs) and
    what is trained keep their single precision.
    """
    kept = {layer.get_base_layer() for layer in unet.modules() if isinstance(layer, LoraLinear)} | {unet.conv_in}
    for layer in unet.modules():
        frozen = not any(parameter.requires_grad for parameter in layer.parameters())
        if isinstance(layer, nn.Linear | nn.Conv2d) and layer not in kept and frozen:
            layer.to(half)
    device = unet.conv_in.weight.device.type
    unet.forward = torch.autocast(device, half)(unet.forward)
