"""One vector instead of many tensors: the same training."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import nn

from woundgen.models.flat_parameters import FlatParameters, flatten


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3, bias=False))


def flat_network() -> tuple[nn.Module, FlatParameters]:
    model = network()
    return model, flatten(dict(model.named_parameters()))


def inputs(step: int) -> torch.Tensor:
    return torch.randn(4, 5, generator=torch.Generator().manual_seed(step))


def test_adamw_over_the_vector_equals_adamw_over_tensors() -> None:
    """Five steps with weight decay and clipping: both see every element alone, and one norm."""
    many, (one, flat) = network(), flat_network()
    of_many = torch.optim.AdamW(many.parameters(), lr=0.01, betas=(0.9, 0.99), weight_decay=0.1, foreach=False)
    of_one = torch.optim.AdamW([flat.values], lr=0.01, betas=(0.9, 0.99), weight_decay=0.1, fused=True)
    for step in range(5):
        for model, optimizer in ((many, of_many), (one, of_one)):
            model(inputs(step)).square().sum().backward()
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
        of_many.zero_grad()
        flat.gradient.zero_()
    start = torch.cat([p.detach().flatten() for p in network().parameters()])
    expected = torch.cat([p.detach().flatten() for p in many.parameters()])
    assert (expected - start).abs().max() > 0.02
    torch.testing.assert_close(flat.values.detach(), expected, rtol=1e-6, atol=1e-6)


def test_parameters_and_gradients_stay_views() -> None:
    """After a backward pass, an update and a load, the model's tensors are still the vector's memory."""
    model, flat = flat_network()
    optimizer = torch.optim.AdamW([flat.values], lr=0.1, fused=True)
    model(inputs(0)).square().sum().backward()
    optimizer.step()
    flat.load(flat.values.detach() * 2)
    for values, gradient, parameter in zip(
        flat.split(flat.values).values(), flat.split(flat.gradient).values(), model.parameters(), strict=True
    ):
        assert parameter.data_ptr() == values.data_ptr()
        assert parameter.grad is not None
        assert parameter.grad.data_ptr() == gradient.data_ptr()
        assert torch.equal(parameter, values)
        assert gradient.abs().max() > 0


def test_gradients_add_up_over_backward_passes() -> None:
    """Micro-batches: two passes give the sum, as autograd accumulates."""
    model, flat = flat_network()
    model(inputs(0)).sum().backward()
    once = flat.gradient.clone()
    model(inputs(0)).sum().backward()
    torch.testing.assert_close(flat.gradient, 2 * once)


def test_flattening_changes_no_value() -> None:
    model, flat = flat_network()
    plain = network()
    assert flat.names == tuple(name for name, _ in plain.named_parameters())
    assert torch.equal(model(inputs(0)), plain(inputs(0)))


def test_split_and_join_are_inverse() -> None:
    """In the vector's own order, whatever the order of the names given."""
    _, flat = flat_network()
    vector = torch.arange(flat.values.numel(), dtype=torch.float32)
    tensors = flat.split(vector)
    assert {name: tensor.shape for name, tensor in tensors.items()} == dict(zip(flat.names, flat.shapes, strict=True))
    assert torch.equal(flat.join(dict(reversed(tensors.items()))), vector)


def test_half_precision_becomes_single() -> None:
    model = deepcopy(network()).half()
    assert flatten(dict(model.named_parameters())).values.dtype == torch.float32
