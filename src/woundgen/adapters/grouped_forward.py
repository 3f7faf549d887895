"""The products of LoRA layers in half precision, fewer and larger: q, k and v of an attention at once.

Layer by layer a UNet of Stable Diffusion casts 256 matrices A and B in each pass, multiplies 128 frozen weights and 256
thin matrices, and adds 256 gradients. At 128x128 a card spends more time on beginning such kernels than on computing.
Here all matrices are cast as a vector, whose gradient comes back as a vector, and layers of equal shape that read the
same tensor share their products: W of all as a matrix, A of all as another, B in a batch.

Equal to layer by layer up to rounding: s B A x is added to W x in the product's fp32 sum, and layer by layer it is
rounded to half precision three times on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any

import torch
import torch.nn.functional as F
from peft.tuners.lora.layer import Linear as LoraLinear
from torch import Tensor, nn

from woundgen.adapters.dropout import DropoutMasks, seed_of
from woundgen.adapters.lora_forward import ADAPTER, layer_parts
from woundgen.models.flat_parameters import FlatParameters

SHARED = ("to_q", "to_k", "to_v")


@dataclass(slots=True, eq=False)
class Group:
    """Layers of equal shape that are given the same tensor, by name; often a single layer.

    weight: frozen, of all layers, [G * out, in]; the layers' weights are views of it. bias: of a single layer, or None.
    low, high: A of all [G * r, in] and B [G, out, r], of this pass. read, outputs: of the first layer's call, until the
    others have fetched theirs.
    """

    layers: dict[str, LoraLinear]
    weight: Tensor
    bias: Tensor | None
    scale: float
    low: Tensor | None = None
    high: Tensor | None = None
    read: Tensor | None = None
    outputs: dict[str, Tensor] = field(default_factory=dict)


class GroupedLora:
    """Runs the LoRA layers of `unet` in groups while `enabled`; else each as before.

    trainable: holds the matrices by the names that they have in the UNet. masks: of dropout.
    """

    def __init__(self, unet: nn.Module, trainable: FlatParameters, masks: DropoutMasks | None) -> None:
        self.trainable, self.masks, self.enabled = trainable, masks, False
        self.groups = list(_find_groups(unet))
        layers = [(name, part) for part in "AB" for group in self.groups for name in group.layers]
        places = {name: number for number, name in enumerate(trainable.names)}
        self._order = [places[f"{name}.lora_{part}.{ADAPTER}.weight"] for name, part in layers]
        for group in self.groups:
            for name, layer in group.layers.items():
                layer.forward = partial(self._forward, group, name, layer.forward)  # type: ignore[method-assign]
        unet.register_forward_pre_hook(lambda module, inputs: self.begin())
        unet.register_forward_hook(lambda module, inputs, output: self.end())

    def begin(self) -> None:
        """Cast all matrices for a pass, as a vector."""
        if not self.enabled or not self.groups:
            return
        pieces = list(self.trainable.split(self.trainable.values.to(self.groups[0].weight.dtype)).values())
        ordered = [pieces[number] for number in self._order]
        sizes = [sum(piece.numel() for piece in part) for part in self._parts(ordered)]
        for number, matrix in enumerate(torch.cat([piece.reshape(-1) for piece in ordered]).split(sizes)):
            group = self.groups[number % len(self.groups)]
            layer = next(iter(group.layers.values()))
            _, low, high = layer_parts(layer)
            if number < len(self.groups):
                group.low = matrix.view(-1, low.in_features)
            else:
                group.high = matrix.view(-1, high.out_features, high.in_features)

    def end(self) -> None:
        """Drop the pass's graph, and keep the matrices for checkpointed layers that are computed again.

        What holds a graph holds the node that adds to the vector's gradient, and with it the stream of its pass; a
        recording on another stream then fails.
        """
        for group in self.groups:
            group.low, group.high = _as_leaf(group.low), _as_leaf(group.high)

    def _parts(self, ordered: list[Tensor]) -> Iterator[list[Tensor]]:
        """Yield the matrices A of each group, then the matrices B of each."""
        rest = iter(ordered)
        for _ in "AB":
            for group in self.groups:
                yield [next(rest) for _ in group.layers]

    def _forward(self, group: Group, name: str, alone: Any, x: Tensor, *args: object, **unused: object) -> Tensor:
        if not self.enabled:
            return alone(x)
        if group.read is not x or name not in group.outputs:
            group.read, group.outputs = x, dict(zip(group.layers, self._run(group, x), strict=True))
        output = group.outputs.pop(name)
        if not group.outputs:
            group.read = None
        return output

    def _run(self, group: Group, x: Tensor) -> tuple[Tensor, ...]:
        """Return W x + s B A x of each layer of the group, x [..., in]."""
        count, masks = len(group.layers), self.masks
        assert group.low is not None
        assert group.high is not None
        flat = x.reshape(-1, x.shape[-1]).to(group.weight.dtype)
        layer = next(iter(group.layers.values()))
        if masks is not None and masks.active and layer.training:
            dropped = torch.stack(
                [masks.kept(seed_of(name), flat.view(x.shape)).view_as(flat) for name in group.layers]
            )
            low, scale = dropped @ group.low.view(count, -1, flat.shape[1]).transpose(1, 2), group.scale / masks.keep
        else:
            low, scale = F.linear(flat, group.low).view(len(flat), count, -1).transpose(0, 1), group.scale
        output = _AddUpdates.apply(flat, low, group.high, group.weight, group.bias, scale)
        return output.view(*x.shape[:-1], -1).chunk(count, dim=-1)


class _AddUpdates(torch.autograd.Function):
    """flat W' + bias, to whose part g scale * low[g] high[g]' is added in place."""

    @staticmethod
    def forward(
        ctx: Any, flat: Tensor, low: Tensor, high: Tensor, weight: Tensor, bias: Tensor | None, scale: float
    ) -> Tensor:
        """flat [M, in], low [G, M, r], high [G, out, r], weight [G * out, in] -> [M, G * out]."""
        ctx.save_for_backward(low, high)
        ctx.weight, ctx.scale = weight, scale  # frozen
        output = F.linear(flat, weight, bias)
        _by_layer(output, len(high)).baddbmm_(low, high.transpose(1, 2), alpha=scale)
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of flat (through W alone), low and high."""
        low, high = ctx.saved_tensors
        of_each = _by_layer(gradient, len(high))
        unused = gradient.new_empty(())
        to_low = torch.baddbmm(unused, of_each, high, beta=0, alpha=ctx.scale)
        to_high = torch.baddbmm(unused, of_each.transpose(1, 2), low, beta=0, alpha=ctx.scale)
        to_flat = gradient @ ctx.weight if ctx.needs_input_grad[0] else None
        return to_flat, to_low, to_high, None, None, None


def _as_leaf(matrix: Tensor | None) -> Tensor | None:
    """Return the same numbers without their history, None where they have none."""
    return matrix.detach().requires_grad_() if matrix is not None and matrix.requires_grad else None


def _by_layer(output: Tensor, count: int) -> Tensor:
    """View [M, G * out] as [G, M, out]."""
    return output.view(len(output), count, -1).transpose(0, 1)


def _find_groups(unet: nn.Module) -> Iterator[Group]:
    """Yield the LoRA layers in groups, without those that DoRA scales. Frozen weights become parts of their group's."""
    layers = {
        name: layer
        for name, layer in unet.named_modules()
        if isinstance(layer, LoraLinear) and ADAPTER not in layer.lora_magnitude_vector
    }
    modules = dict(unet.named_modules())

    def key(name: str) -> tuple[str, str]:
        """The attention that a layer belongs to, and which of its inputs it reads."""
        parent, _, layer = name.rpartition(".")
        if layer not in SHARED:
            return parent, layer
        crosses = getattr(modules[parent], "is_cross_attention", True)
        return parent, "query" if crosses and layer == "to_q" else "context" if crosses else "both"

    def alikeness(name: str) -> tuple[torch.Size, str]:
        """Return what layers of a group have in common; a layer with a bias is alone."""
        base = layer_parts(layers[name])[0]
        return base.weight.shape, "" if base.bias is None else name

    for _, names in groupby(sorted(layers, key=key), key):
        for _, alike in groupby(list(names), alikeness):
            yield _join({name: layers[name] for name in alike})


@torch.no_grad()
def _join(layers: dict[str, LoraLinear]) -> Group:
    """Make a group, and the layers' frozen weights views of its weight."""
    bases = [layer_parts(layer)[0] for layer in layers.values()]
    weight = bases[0].weight.data if len(bases) == 1 else torch.cat([base.weight for base in bases])
    for base, part in zip(bases, weight.chunk(len(bases)), strict=True):
        base.weight.data = part
    return Group(layers, weight, bases[0].bias, next(iter(layers.values())).scaling[ADAPTER])
