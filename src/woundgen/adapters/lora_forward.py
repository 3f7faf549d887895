"""The forward pass of LoRA layers, our way: equal to peft's, to rounding.

Two things of peft's are replaced: in single precision without dropout the merged weight W + s B A costs one GEMM a
layer instead of three thin ones, and with dropout the mask comes from the sample's position in the run
(adapters/dropout.py) instead of a global generator. DoRA (Liu et al. 2024) then gives each row of the merged weight the
length that is learned for it.
"""

from __future__ import annotations

from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from peft.tuners.lora.layer import Linear as LoraLinear
from torch import Tensor, nn

from woundgen.adapters.dropout import DropoutMasks, seed_of

ADAPTER = "default"


def run_by_position(module: nn.Module, *, dropout: float) -> DropoutMasks | None:
    """Replace the forward of every LoRA layer by ours; returns the mask source to advance at each step."""
    masks = DropoutMasks(dropout) if dropout > 0 else None
    for name, layer in module.named_modules():
        if isinstance(layer, LoraLinear):
            layer.forward = partial(_forward, layer, masks, seed_of(name))  # type: ignore[method-assign]
    return masks


def _forward(
    layer: LoraLinear, masks: DropoutMasks | None, seed: int, x: Tensor, *args: object, **unused: object
) -> Tensor:
    """Merged where nothing is dropped and the weight is in single precision, else apart. seed: of the layer."""
    base, low, _ = layer_parts(layer)
    drops = masks is not None and masks.active and layer.training
    if not drops and base.weight.dtype == low.weight.dtype:
        return _merged_forward(layer, x)
    if not drops:
        return _apart_forward(layer, x, x, 1.0)
    assert masks is not None
    return _apart_forward(layer, x, masks.kept(seed, x), masks.keep)


def _merged_forward(layer: LoraLinear, x: Tensor, *args: object, **unused: object) -> Tensor:
    """F.linear(x, W + s B A), its rows scaled under DoRA: equal to peft's three products, gradients included."""
    base = layer_parts(layer)[0]
    weight = _merged(layer)
    stretch = _stretch(layer, weight)
    if stretch is not None:
        weight = weight * stretch[:, None]
    return F.linear(x, weight.to(x.dtype), base.bias)


def _merged(layer: LoraLinear) -> Tensor:
    base, low, high = layer_parts(layer)
    return torch.addmm(base.weight.to(high.weight.dtype), high.weight, low.weight, alpha=layer.scaling[ADAPTER])


def _stretch(layer: LoraLinear, weight: Tensor) -> Tensor | None:
    """DoRA's m / |W + s B A| for each row, the norm a constant to the gradient (its section 4.3); None without DoRA."""
    if ADAPTER not in layer.lora_magnitude_vector:
        return None
    magnitude = cast(Tensor, layer.lora_magnitude_vector[ADAPTER].weight)
    return magnitude / weight.detach().norm(dim=1)


def _apart_forward(layer: LoraLinear, x: Tensor, dropped: Tensor, keep: float) -> Tensor:
    """W x + s B A dropped / keep, as peft. dropped: x with elements at 0; keep: the share that is not."""
    base, low, high = layer_parts(layer)
    is_stretched = ADAPTER in layer.lora_magnitude_vector
    stretches_all = is_stretched and dropped is x  # then W x is computed once, without the bias
    answer = F.linear(x.to(base.weight.dtype), base.weight) if stretches_all else base(x)
    update = high(low(dropped.to(low.weight.dtype))) * (layer.scaling[ADAPTER] / keep)
    if not is_stretched:
        return answer + update.to(answer.dtype)
    with torch.autocast(x.device.type, enabled=False):
        stretch = _stretch(layer, _merged(layer))
    assert stretch is not None
    if stretches_all:
        stretched = stretch * (answer + update.to(answer.dtype))
        return (stretched if base.bias is None else stretched + base.bias).to(answer.dtype)
    # As peft: what DoRA adds is all of the dropped input.
    update = stretch * update + (stretch - 1) / keep * F.linear(dropped.to(base.weight.dtype), base.weight)
    return answer + update.to(answer.dtype)


def layer_parts(layer: LoraLinear) -> tuple[nn.Linear, nn.Linear, nn.Linear]:
    """Return the base layer, A and B."""
    return cast(
        tuple[nn.Linear, nn.Linear, nn.Linear], (layer.get_base_layer(), layer.lora_A[ADAPTER], layer.lora_B[ADAPTER])
    )
