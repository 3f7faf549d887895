"""A mesh costs, and only a mesh: expected values follow from how the pictures are made."""

from __future__ import annotations

import torch

from woundgen.models.images import to_unit
from woundgen.phantoms import draw_phantoms
from woundgen.shipped.decoder_losses import lattice_excess, local_texture, texture_distance


def phantoms() -> torch.Tensor:
    return to_unit(draw_phantoms(range(4), seed=3).images)


def checkerboard(images: torch.Tensor, strength: float, period: int = 2) -> torch.Tensor:
    place = torch.arange(images.shape[-1]) % period < period // 2
    pattern = torch.where(place[:, None] ^ place[None], 1.0, -1.0)
    return images + strength * pattern * (images - images.mean(dim=(2, 3), keepdim=True))


def test_a_picture_against_itself_has_no_lattice() -> None:
    assert lattice_excess(phantoms(), phantoms()).item() == 0


def test_equally_stronger_detail_is_no_lattice() -> None:
    """Every difference doubled: the same log ratio at each place, so that its variance is 0."""
    images = phantoms()
    assert lattice_excess(2 * images, images).item() < 1e-6


def test_a_mesh_of_four_pixels_costs_more_the_stronger_it_is() -> None:
    images = phantoms()
    costs = [lattice_excess(checkerboard(images, strength, period=4), images).item() for strength in (0.0, 0.05, 0.2)]
    assert costs[0] < costs[1] < costs[2]
    assert costs[2] > 0.1


def test_the_gradient_takes_a_mesh_away() -> None:
    images = phantoms()
    decoded = checkerboard(images, 0.2, period=4).requires_grad_()
    before = lattice_excess(decoded, images)
    (slope,) = torch.autograd.grad(before, decoded)
    assert lattice_excess(decoded - 50 * slope, images) < before


def test_texture_is_compared_in_windows_that_move() -> None:
    images = phantoms()
    aligned, moved = (local_texture(images, offset=offset) for offset in ((0, 0), (3, 5)))
    assert aligned.shape == (4, 4, 16, 16)
    assert moved.shape == (4, 4, 15, 15)
    torch.testing.assert_close(
        moved[:, :, 2:, 2:], local_texture(images[:, :, 3:, 5:], offset=(0, 0))[:, :, 2:, 2:], atol=1e-3, rtol=1e-3
    )
    assert texture_distance(images, images, offset=(1, 2)).item() == 0


def test_detail_on_the_diagonal_is_not_paid_for_by_detail_on_the_axes() -> None:
    """Stripes across and stripes along the diagonal of equal energy differ in the bands."""
    place = torch.arange(32)
    across = torch.sin(place[None, :] * 2.0).expand(32, 32)
    diagonal = torch.sin((place[None, :] + place[:, None]) * 2.0)
    pictures = torch.stack([across, diagonal])[:, None].expand(2, 3, 32, 32)
    assert texture_distance(pictures[:1], pictures[1:], offset=(0, 0)).item() > 0.1
