"""Loss terms against a mesh in the decoder's pictures, at the period of the latent grid.

A decoder that enlarges by nearest neighbours can pay for missing texture with a checkerboard of 2 and 4 pixels, which
a distance of pixels or of trained features hardly sees. Two terms forbid it: texture is compared in windows at random
offsets to the grid, and fine detail has to be equally strong at all places inside a cell of 8 x 8 pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

CELL = 8
"""Pixels a latent spans."""


def local_texture(images: Tensor, *, offset: tuple[int, int]) -> Tensor:
    """Local root-mean-square of fine detail in 8 x 8 windows that begin at `offset` (down, across; 0..7).

    images: [N, 3, H, W]. Returns [N, 4, h, w]: luminance minus its blur (all directions), its differences across, down
    and along the diagonals, so that detail along the axes cannot stand for detail along the diagonals.
    """
    luminance = images.mean(1, keepdim=True)[:, :, offset[0] :, offset[1] :]
    smooth = F.avg_pool2d(F.pad(luminance, (1, 1, 1, 1), mode="replicate"), 3, 1)
    across = F.pad(luminance.diff(dim=3), (0, 1, 0, 0))
    down = F.pad(luminance.diff(dim=2), (0, 0, 0, 1))
    diagonal = F.pad(luminance[:, :, 1:, 1:] - luminance[:, :, :-1, :-1], (0, 1, 0, 1))
    bands = torch.cat([luminance - smooth, across, down, diagonal], dim=1)
    return F.avg_pool2d(bands.square(), CELL).add(1e-6).sqrt()


def texture_distance(decoded: Tensor, inputs: Tensor, *, offset: tuple[int, int]) -> Tensor:
    """Mean absolute difference of `local_texture`."""
    return (local_texture(decoded, offset=offset) - local_texture(inputs, offset=offset)).abs().mean()


def lattice_excess(decoded: Tensor, inputs: Tensor) -> Tensor:
    """Measure how unevenly the decoder spreads fine detail over the latent grid, beyond what the pictures ask for.

    [N, 3, H, W] each, H and W multiples of 8, the corner on the latent grid. For first and second differences, across
    and down, in three planes, and for periods of 2, 4 and 8 pixels: the variance over the places in a period of
    log(mean square, decoded / inputs). 0 where no place is marked. Short periods weigh more: their places hold more
    pixels each, so that less of the variance is the pictures' own. The outermost cells are left out, where padding and
    not the decoder decides.
    """
    inner = slice(CELL, -CELL)
    pairs = [picture[:, :, inner, inner] for picture in (decoded, inputs)]
    total = decoded.new_zeros(())
    for dim in (2, 3):
        for order in (1, 2):
            profiles = [_place_energy(picture, dim=dim, order=order) for picture in pairs]
            for period in (2, 4, 8):
                ours, theirs = (profile.reshape(3, CELL // period, period).mean(1) for profile in profiles)
                total = total + CELL / period * (ours.log() - theirs.log()).var(dim=1, correction=0).mean()
    return total / 4


def _place_energy(images: Tensor, *, dim: int, order: int) -> Tensor:
    """[3, 8] mean squared differences of `order` along `dim`, by place in the cell."""
    planes = _opponent_planes(images)
    edge = planes.select(dim, -1).unsqueeze(dim)
    difference = planes.diff(n=order, dim=dim, append=torch.cat([edge] * order, dim))
    energy = difference.square().mean(dim=(0, 5 - dim))  # [3, side]
    return energy.reshape(3, -1, CELL)[:, :-1].mean(1) + 1e-7  # the last cell holds the differences at the edge


def _opponent_planes(images: Tensor) -> Tensor:
    red, green, blue = images.unbind(1)
    return torch.stack((images.mean(1), red - green, blue - (red + green) / 2), dim=1)
