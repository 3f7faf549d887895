"""Dropout masks that depend on seed, step, sample and layer, and on nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from peft.tuners.lora.layer import Linear as LoraLinear
from scipy import stats
from torch import Tensor, nn

from woundgen.adapters.dropout import DropoutMasks, random_bytes, seed_of
from woundgen.adapters.lora import add_lora
from woundgen.adapters.lora_forward import run_by_position
from woundgen.config.method_groups import LoraOptions
from woundgen.diffusion.randomness import position_seed
from woundgen.models.base import BaseModel

LAYERS = ("first", "second")
SETTINGS = LoraOptions(rank=4, alpha=8.0, dropout=0.1, target_modules=("to_q", "to_k", "to_v", "to_out.0"))


def seeds_of(slots: Sequence[int], *, seed: int = 0, step: int = 0) -> Tensor:
    return torch.tensor([position_seed(seed, "adapter dropout", step, slot) for slot in slots])


def masks_of(
    slots: Sequence[int], *, seed: int = 0, step: int = 0, rate: float = 0.1, width: int = 50
) -> dict[str, Tensor]:
    masks = DropoutMasks(rate)
    masks.begin(seeds_of(slots, seed=seed, step=step))
    return {layer: masks.kept(seed_of(layer), torch.ones(len(slots), 3, width)) for layer in LAYERS}


def split_mix(seed: int, words: int) -> bytes:
    """Vigna's splitmix64.c (public domain), in whole numbers of any size."""
    most, state, found = 2**64 - 1, seed % 2**64, b""
    for _ in range(words):
        state = (state + 0x9E3779B97F4A7C15) & most
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & most
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & most
        found += (z ^ (z >> 31)).to_bytes(8, "little")
    return found


def test_bytes_are_those_of_splitmix64() -> None:
    """6457827717110365317 is the first number of seed 1234567 in published test vectors (Rosetta Code, Splitmix64)."""
    assert int.from_bytes(split_mix(1234567, 1), "little") == 6457827717110365317
    seeds = (0, 1234567, 2**63 - 1, -(2**63), -7)
    for seed, row in zip(seeds, random_bytes(torch.tensor(seeds), 37), strict=True):
        assert row.numpy().tobytes() == split_mix(seed, 5)[:37]


def test_bytes_are_uniform() -> None:
    counts = np.bincount(random_bytes(torch.tensor([position_seed(3, "dropout", 0, 1)]), 100_000)[0].numpy())
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("other", [{"seed": 1}, {"step": 1}])
def test_a_function_of_seed_and_step(other: dict[str, int]) -> None:
    one, again, changed = masks_of(range(4)), masks_of(range(4)), masks_of(range(4), **other)
    for layer in LAYERS:
        assert torch.equal(one[layer], again[layer])
        assert not torch.equal(one[layer], changed[layer])


def test_samples_and_layers_differ() -> None:
    masks = masks_of(range(4))
    rows = [row for layer in LAYERS for row in masks[layer]]
    assert not any(torch.equal(a, b) for i, a in enumerate(rows) for b in rows[i + 1 :])


@pytest.mark.parametrize("cut", [1, 3])
def test_equal_on_any_split_of_the_batch(cut: int) -> None:
    whole, left, right = masks_of(range(5)), masks_of(range(cut)), masks_of(range(cut, 5))
    for layer in LAYERS:
        assert torch.equal(whole[layer], torch.cat([left[layer], right[layer]]))


def test_a_layer_met_again_gets_its_mask() -> None:
    masks = DropoutMasks(0.1)
    masks.begin(seeds_of([0]))
    x = torch.ones(1, 3, 50)
    first, _ = masks.kept(seed_of("first"), x), masks.kept(seed_of("second"), x)
    assert torch.equal(masks.kept(seed_of("first"), x), first)


def test_each_micro_batch_begins_anew() -> None:
    masks, x = DropoutMasks(0.1), torch.ones(1, 3, 50)
    seen = []
    for step in (0, 1, 0):
        masks.begin(seeds_of([0], step=step))
        seen.append(masks.kept(seed_of("first"), x))
    assert torch.equal(seen[0], seen[2])
    assert not torch.equal(seen[0], seen[1])


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_rate_as_stated(rate: float) -> None:
    """round(256 rate) / 256 of the values are dropped, the others stay as they are; `keep` is their share."""
    values = masks_of(range(4), rate=rate, width=10_000)["first"].flatten()
    stated = round(rate * 256) / 256
    dropped = int((values == 0).sum())
    assert stats.binomtest(dropped, values.numel(), stated).pvalue > 1e-3
    assert set(values.tolist()) == {0.0, 1.0}
    assert DropoutMasks(rate).keep == 1 - stated


def test_no_source_no_dropout() -> None:
    masks = DropoutMasks(0.1)
    assert not masks.active
    masks.begin(seeds_of([0]))
    assert masks.active
    masks.begin(None)
    assert not masks.active


def gradients(base: BaseModel, *, rate: float, checkpointing: bool = False) -> tuple[Tensor, list[Tensor]]:
    """Output and adapter gradients of one step of two samples, with a filled adapter."""
    parameters = add_lora(base.unet, SETTINGS, seed=1)
    source = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in parameters.values():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=source))
    if checkpointing:
        base.unet.enable_gradient_checkpointing()
    masks = run_by_position(base.unet, dropout=rate)
    base.unet.train()
    if masks is not None:
        masks.begin(seeds_of(range(2)))
    noisy, text = torch.randn(2, 4, 8, 8, generator=source), torch.randn(2, 7, 16, generator=source)
    output = base.unet(noisy, torch.tensor([5, 600]), text).sample
    output.square().sum().backward()
    return output.detach(), [p.grad for p in parameters.values() if p.grad is not None]


def test_recomputing_does_not_change_the_masks(make_base: Callable[[], BaseModel]) -> None:
    """Gradient checkpointing runs the forward pass a second time, in another order."""
    plain, recomputed = (gradients(make_base(), rate=0.1, checkpointing=on) for on in (False, True))
    assert torch.equal(plain[0], recomputed[0])
    for left, right in zip(plain[1], recomputed[1], strict=True):
        torch.testing.assert_close(right, left, rtol=1e-6, atol=1e-7)


def test_dropout_is_not_idle(make_base: Callable[[], BaseModel]) -> None:
    without, with_dropout = gradients(make_base(), rate=0.0), gradients(make_base(), rate=0.1)
    assert not torch.allclose(without[0], with_dropout[0], rtol=1e-3)


def test_one_layer_by_hand(fresh_base: BaseModel) -> None:
    """W x + alpha / rank * B A (mask x / keep), for the first layer that is met."""
    name = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    parameters = add_lora(fresh_base.unet, SETTINGS, seed=1)
    low, high = (parameters[f"{name}.lora_{which}.default.weight"] for which in "AB")
    masks = run_by_position(fresh_base.unet, dropout=0.1)
    assert masks is not None
    layer, source = fresh_base.unet.get_submodule(name).train(), torch.Generator().manual_seed(3)
    with torch.no_grad():
        high.normal_(generator=source)
    x = torch.randn(2, 9, 16, generator=source)
    masks.begin(seeds_of([0, 1], seed=7, step=4))
    keep = (256 - 26) / 256
    noise = random_bytes(seeds_of([0, 1], seed=7, step=4) ^ seed_of(name), 9 * 16)
    kept = x * (noise.view(2, 9, 16) >= 26) / keep
    base = layer.get_base_layer()
    expected = x @ base.weight.T + 2.0 * kept @ low.T @ high.T
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("decomposed", [False, True])
def test_the_same_mask_gives_what_peft_gives(decomposed: bool, fresh_base: BaseModel) -> None:
    """peft's own forward pass of the layer, with our mask in place of its dropout."""

    class Masked(nn.Module):
        def __init__(self, mask: Tensor) -> None:
            super().__init__()
            self.mask = mask

        def forward(self, x: Tensor) -> Tensor:
            return x * self.mask

    name = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    parameters = add_lora(fresh_base.unet, SETTINGS.model_copy(update={"dora": decomposed}), seed=1)
    source = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for key, parameter in parameters.items():
            if key.startswith(name):
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=source))
    masks = run_by_position(fresh_base.unet, dropout=0.1)
    assert masks is not None
    layer = fresh_base.unet.get_submodule(name).train()
    x = torch.randn(2, 9, 16, generator=source)
    masks.begin(seeds_of([0, 1], seed=7, step=4))
    ours = layer(x)
    layer.lora_dropout["default"] = Masked(masks.kept(seed_of(name), torch.ones_like(x)) / masks.keep)  # type: ignore[operator,index]
    theirs = LoraLinear.forward(layer, x)  # type: ignore[arg-type]
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(theirs, layer.get_base_layer()(x), rtol=1e-2)  # type: ignore[operator]
