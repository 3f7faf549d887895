"""A UNet that runs in half precision and keeps what is frozen of it so: half the memory, and not rounded at every call.

autocast rounds the weights of convolutions and linear layers each time it meets them, and keeps no rounded copy of
frozen ones. Rounded once they are the same numbers. What an adapter adds is computed apart (lora_forward.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def run_in_half(unet: UNet2DConditionModel, half: torch.dtype) -> None:
    """From now on `unet` runs under autocast to `half`, whoever calls it, and answers in `half`.

    Norms (but see HalfNorms), the first convolution (its precision is what diffusers takes for the UNet's, and latents
    for theirs) and what is trained keep their single precision.
    """
    for layer in unet.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d) and layer is not unet.conv_in and not _is_trained(layer):
            layer.to(half)
    device = unet.conv_in.weight.device.type
    # No cache of rounded weights: each is met once a pass, and a CUDA graph must not read what an earlier pass rounded.
    unet.forward = torch.autocast(device, half, cache_enabled=False)(unet.forward)


class HalfNorms:
    """Runs the frozen group and layer norms of `unet` in half precision while `enabled`; else as autocast does.

    A norm's mean and variance are taken in single precision either way, inside the kernel. What is rounded besides is
    its input, which convolutions and linear layers have given in half, its weights, and its output, which the next such
    layer would round; under autocast each norm casts its input up, and what follows works in twice the memory.
    """

    def __init__(self, unet: nn.Module, half: torch.dtype) -> None:
        self.enabled = False
        for layer in unet.modules():
            if isinstance(layer, nn.GroupNorm | nn.LayerNorm) and not _is_trained(layer):
                weights = [None if value is None else value.detach().to(half) for value in (layer.weight, layer.bias)]
                layer.forward = partial(self._forward, layer, layer.forward, *weights)  # type: ignore[method-assign]

    def _forward(
        self,
        layer: nn.GroupNorm | nn.LayerNorm,
        plain: Callable[[Tensor], Tensor],
        weight: Tensor | None,
        bias: Tensor | None,
        x: Tensor,
    ) -> Tensor:
        if not self.enabled or weight is None:
            return plain(x)
        with torch.autocast(x.device.type, enabled=False):
            if isinstance(layer, nn.GroupNorm):
                return F.group_norm(x.to(weight.dtype), layer.num_groups, weight, bias, layer.eps)
            return F.layer_norm(x.to(weight.dtype), layer.normalized_shape, weight, bias, layer.eps)


def _is_trained(layer: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in layer.parameters())
