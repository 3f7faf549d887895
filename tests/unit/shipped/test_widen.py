"""Widening leaves the function as it is (Chen et al. 2016, Net2Net), and lets the copies part in training."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from woundgen.shipped.architecture import build_autoencoder
from woundgen.shipped.widen import copy_widened

NARROW, WIDE = (8, 16, 16, 16), (16, 32, 32, 32)


def test_a_wider_autoencoder_encodes_and_decodes_alike() -> None:
    torch.manual_seed(0)
    narrow, wide = build_autoencoder(NARROW).eval(), build_autoencoder(WIDE).eval()
    copy_widened(narrow, wide)
    images = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        latents = narrow.encode(images).latent_dist.mode()
        torch.testing.assert_close(wide.encode(images).latent_dist.mode(), latents, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(wide.decode(latents).sample, narrow.decode(latents).sample, atol=1e-5, rtol=1e-5)


def test_copies_of_a_channel_get_different_gradients() -> None:
    torch.manual_seed(0)
    narrow = nn.Sequential(nn.Conv2d(2, 3, 1), nn.Conv2d(3, 2, 1))
    wide = nn.Sequential(nn.Conv2d(2, 6, 1), nn.Conv2d(6, 2, 1))
    copy_widened(narrow, wide)
    wide(torch.rand(1, 2, 4, 4)).square().sum().backward()
    gradient = wide[0].weight.grad
    assert gradient is not None
    assert not torch.allclose(gradient[0], gradient[1])


def test_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be widened"):
        copy_widened(nn.Conv2d(2, 3, 1), nn.Conv2d(2, 5, 1))
