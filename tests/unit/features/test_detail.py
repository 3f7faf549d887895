"""Statistics of fine detail: pictures of known make move the statistic that is about them."""

from __future__ import annotations

import numpy as np
import torch

from woundgen.features.detail import DETAIL, measure_detail

NAMES = (
    "energy 2", "energy 4", "energy 8", "sign 2", "sign 4", "sign 8", "fine", "fine/middle", "middle/coarse",
    "axes/diagonals", "red-green", "blue-yellow", "kurtosis", "agreement", "faintest",
)  # fmt: skip


def statistics(image: np.ndarray) -> dict[str, float]:
    """Of one image [S, S, 3] in [-1, 1]."""
    tensor = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]
    return dict(zip(NAMES, measure_detail(tensor)[0].tolist(), strict=True))


def noise(scale: float = 0.2, *, seed: int = 0) -> np.ndarray:
    return np.repeat(np.random.default_rng(seed).normal(0, scale, (64, 64, 1)), 3, axis=2)


def test_there_are_as_many_as_said_and_all_are_finite() -> None:
    flat = measure_detail(torch.zeros(2, 3, 32, 48))
    assert flat.shape == (2, DETAIL)
    assert torch.isfinite(flat).all()
    assert len(NAMES) == DETAIL


def test_noise_ten_times_as_strong_has_a_hundred_times_the_energy() -> None:
    """log(100) = 4.605, and no ratio moves."""
    faint, strong = statistics(noise(0.02)), statistics(noise(0.2))
    np.testing.assert_allclose(strong["fine"] - faint["fine"], np.log(100), atol=0.01)
    for name in ("fine/middle", "axes/diagonals", "kurtosis"):
        np.testing.assert_allclose(strong[name], faint[name], atol=0.02)


def test_white_noise_has_a_kurtosis_of_three() -> None:
    np.testing.assert_allclose(statistics(noise())["kurtosis"], np.log(3), atol=0.1)


def test_a_mosaic_is_seen_at_its_own_period() -> None:
    """Squares of 2 pixels have no difference at every other place; at no other period is more to be seen."""
    image = noise()
    squares = image[::2, ::2].repeat(2, 0).repeat(2, 1)
    clean, spoiled = statistics(image), statistics(squares)
    assert spoiled["energy 2"] - clean["energy 2"] > 3


def test_an_added_checkerboard_is_seen_by_its_sign_and_not_by_its_energy() -> None:
    sign = np.where(np.arange(64) % 2 == 0, 1.0, -1.0)
    image = noise(0.05)
    clean, spoiled = statistics(image), statistics(image + 0.05 * sign[None, :, None])
    assert spoiled["sign 2"] - clean["sign 2"] > 2
    assert abs(spoiled["energy 2"] - clean["energy 2"]) < 1.5


def test_stripes_across_and_along_the_diagonal_have_the_values_of_algebra() -> None:
    """Steps of a wave of w radians a pixel: mean square c(w) = 1 - cos(w); c / 2c across, 2 c(w) / c(2w) diagonally."""
    place = np.arange(65)
    across = np.sin(2.0 * place)[None, :, None] * np.ones((65, 1, 3))
    diagonal = np.sin(1.4 * (place[None, :] + place[:, None]))[..., None] * np.ones(3)
    np.testing.assert_allclose(statistics(across)["axes/diagonals"], -np.log(2), atol=0.02)
    expected = np.log(2 * (1 - np.cos(1.4)) / (1 - np.cos(2.8)))
    np.testing.assert_allclose(statistics(diagonal)["axes/diagonals"], expected, atol=0.02)


def test_colour_detail_counts_apart_from_light() -> None:
    """Grey noise has none, independent noise in three channels much."""
    coloured = np.random.default_rng(1).normal(0, 0.2, (64, 64, 3))
    assert statistics(coloured)["red-green"] - statistics(noise())["red-green"] > 5
