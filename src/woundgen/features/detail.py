"""Closed-form statistics of a picture's fine detail, which a mosaic, a mesh, blur, noise or compression moves.

They stand beside the learned features of the embedded network: a network that reads tissue and colour has no reason to
look at the places of a pixel grid, and what it does not look at no distance in its features can notice.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

PERIODS = (2, 4, 8)
CELL = 8
DETAIL = 15
"""How many statistics a picture has."""

_FAINT = 1e-3
"""Added to energies as a share of their mean, so that the logarithm of a flat picture stays finite."""


def measure_detail(images: Tensor) -> Tensor:
    """Compute [N, DETAIL] statistics, logarithms and ratios, of images [N, 3, H, W] in [-1, 1], H and W at least 32.

    For each period: how unevenly the energy of differences, and the sign of fine detail, are spread over the places of
    a grid. Then: energy of fine detail, fine over middle, middle over coarse, axes over diagonals, two chroma planes
    over luminance, kurtosis, agreement of fine and middle detail from place to place, the faintest tenth of it all.
    """
    red, green, blue = images.unbind(1)
    light = (0.299 * red + 0.587 * green + 0.114 * blue)[:, None]
    fine = _take_fine(light)
    middle = _take_fine(F.avg_pool2d(light, 2))
    coarse = _take_fine(F.avg_pool2d(light, 4))
    energies = [_energy(band) for band in (fine, middle, coarse)]
    chroma = [_energy(_take_fine(plane[:, None])) for plane in (red - green, blue - (red + green) / 2)]
    cells, middle_cells = F.avg_pool2d(fine.square(), CELL), F.avg_pool2d(middle.square(), CELL // 2)
    statistics = [
        *(_spread_of_energy(light, period) for period in PERIODS),
        *(_spread_of_sign(fine, period) for period in PERIODS),
        energies[0].log(),
        (energies[0] / energies[1]).log(),
        (energies[1] / energies[2]).log(),
        _axes_over_diagonals(light),
        *((energy / energies[0]).log() for energy in chroma),
        (fine.pow(4).mean(dim=(1, 2, 3)) / energies[0].square() + _FAINT).log(),
        _agreement(cells, middle_cells),
        (cells.flatten(1).quantile(0.1, dim=1) + 1e-8).log(),
    ]
    return torch.stack(statistics, dim=1)


def _take_fine(planes: Tensor) -> Tensor:
    """Return the residual of a 3 x 3 mean, without the outermost pixels, where it lacks neighbours."""
    return planes[:, :, 1:-1, 1:-1] - F.avg_pool2d(planes, 3, 1)


def _energy(band: Tensor) -> Tensor:
    return band.square().mean(dim=(1, 2, 3)) + 1e-8


def _by_place(values: Tensor, period: int, dim: int) -> Tensor:
    """[N, period] means of [N, 1, H, W] by place along `dim`, over whole periods."""
    whole = values.shape[dim] // period * period
    profile = values.narrow(dim, 0, whole).mean(dim=(1, 5 - dim))
    return profile.reshape(len(values), -1, period).mean(1)


def _spread_of_energy(light: Tensor, period: int) -> Tensor:
    """Deviation over places of the logarithm of squared differences, mean of across and down."""
    spreads = []
    for dim in (2, 3):
        energy = _by_place(light.diff(dim=dim).square(), period, dim)
        energy = energy + _FAINT * energy.mean(1, keepdim=True) + 1e-9
        spreads.append(energy.log().std(1, correction=0))
    return torch.stack(spreads).mean(0).add(0.01).log()


def _spread_of_sign(fine: Tensor, period: int) -> Tensor:
    """Deviation over places of mean fine detail, as a share of its size, mean of across and down."""
    size = _energy(fine).sqrt()
    spreads = [_by_place(fine, period, dim).std(1, correction=0) / size for dim in (2, 3)]
    return torch.stack(spreads).mean(0).add(_FAINT).log()


def _axes_over_diagonals(light: Tensor) -> Tensor:
    across, down = light[..., :-1, 1:] - light[..., :-1, :-1], light[..., 1:, :-1] - light[..., :-1, :-1]
    falling, rising = light[..., 1:, 1:] - light[..., :-1, :-1], light[..., 1:, :-1] - light[..., :-1, 1:]
    return ((_energy(across) + _energy(down)) / (_energy(falling) + _energy(rising))).log()


def _agreement(cells: Tensor, others: Tensor) -> Tensor:
    """Correlation over cells of the logarithms of two bands' energies; the cells are those that both have."""
    height, width = (min(cells.shape[dim], others.shape[dim]) for dim in (2, 3))
    a, b = ((field[:, :, :height, :width].flatten(1) + 1e-7).log() for field in (cells, others))
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    return (a * b).mean(1) / (a.std(1, correction=0) * b.std(1, correction=0) + 1e-3)
