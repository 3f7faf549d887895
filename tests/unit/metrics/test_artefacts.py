"""Artefact statistics: against formulas written out here, power laws of known slope, and planted faults."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from woundgen.metrics.artefact_rows import measure_artefacts
from woundgen.metrics.artefacts import ARTEFACTS, artefact_statistics, bootstrap_artefacts, image_traces
from woundgen.metrics.table import Beside, Protocol
from woundgen.phantoms import draw_phantoms

LUMINANCE = np.array([0.299, 0.587, 0.114])


@pytest.fixture(scope="module")
def phantoms() -> np.ndarray:
    return draw_phantoms(range(48), seed=61, size=96).images


@pytest.fixture(scope="module")
def traces(phantoms: np.ndarray) -> np.ndarray:
    return image_traces(phantoms)


def of(left: np.ndarray, right: np.ndarray) -> dict[str, float]:
    return dict(zip(ARTEFACTS, artefact_statistics(image_traces(left), image_traces(right)), strict=True))


def with_mesh(images: np.ndarray, period: int, strength: float) -> np.ndarray:
    """Partly a mosaic: `strength` of each pixel comes from the mean of its square of period x period."""
    n, side = images.shape[:2]
    squares = images.reshape(n, side // period, period, side // period, period, 3).mean(axis=(2, 4), keepdims=True)
    squares = np.broadcast_to(squares, (n, side // period, period, side // period, period, 3)).reshape(images.shape)
    return ((1 - strength) * images + strength * squares).round().astype(np.uint8)


def power_law(count: int, exponent: float, *, side: int = 128) -> np.ndarray:
    """Grey Gaussian noise whose power falls as frequency ** exponent."""
    rng = np.random.default_rng(5)
    f = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    f[0, 0] = np.inf
    waves = np.fft.fft2(rng.standard_normal((count, side, side))) * f ** (exponent / 2)
    light = np.fft.ifft2(waves).real
    light = 127.5 + 40 * light / light.std()
    return np.repeat(np.clip(light, 0, 255).round().astype(np.uint8)[..., None], 3, axis=3)


def profile_waves(images: np.ndarray) -> np.ndarray:
    """[N, frequencies]: each image's profile of squared gradients, 3 pixels from the edge, written out."""
    waves = []
    for image in images:
        light = image @ LUMINANCE
        side = len(light)
        profile = [
            ((light[:, k + 1] - light[:, k]) ** 2).mean() / 2 + ((light[k + 1] - light[k]) ** 2).mean() / 2
            for k in range(side - 1)
        ]
        profile = np.array(profile) / np.mean(profile)
        waves.append(np.fft.rfft(profile[3 : 3 + (side - 8) // 8 * 8]))
    return np.array(waves)


def test_lattice_is_the_mean_product_of_pairs(phantoms: np.ndarray) -> None:
    """|mean|² = U (n - 1) / n + mean of |z|² / n links the pairs to the amplitude of the mean profile."""
    marked = with_mesh(phantoms, 4, 0.5)
    waves = profile_waves(marked)
    base, n = ((96 - 8) // 8 * 8) // 8, len(marked)
    weights = np.array([2.0, 2.0, 2.0, 1.0])
    z = waves[:, [base, 2 * base, 3 * base, 4 * base]]
    of_mean = (weights * np.abs(z.mean(axis=0)) ** 2).sum()
    expected = (of_mean - (weights * np.abs(z) ** 2).sum(axis=1).mean() / n) * n / (n - 1)
    assert of(marked, phantoms)["lattice"] == pytest.approx(np.sqrt(expected) / waves[:, 0].real.mean())


def test_meshes_against_the_formula(phantoms: np.ndarray) -> None:
    power = (np.abs(profile_waves(phantoms)) ** 2).mean(axis=0)
    base = ((96 - 8) // 8 * 8) // 8
    found = of(phantoms, phantoms)
    near = [2 * base - 3, 2 * base - 2, 2 * base + 2, 2 * base + 3]
    assert found["mesh_4"] == pytest.approx(power[2 * base] / power[near].mean())
    assert found["mesh_2"] == pytest.approx(power[4 * base] / power[[4 * base - 3, 4 * base - 2]].mean())


@pytest.mark.parametrize("period", [2, 4, 8])
def test_a_mesh_is_seen_in_order_of_its_strength(phantoms: np.ndarray, period: int) -> None:
    values = [of(with_mesh(phantoms, period, strength), phantoms)["lattice"] for strength in (0, 0.2, 0.4, 0.7, 1)]
    assert values == sorted(values)
    assert values[0] < 0.03
    assert values[2] > 0.05


def test_which_mesh_it_is(phantoms: np.ndarray) -> None:
    every_second, every_fourth = (of(with_mesh(phantoms, period, 0.6), phantoms) for period in (2, 4))
    assert every_second["mesh_2"] > 3 > 1.5 > every_second["mesh_4"]
    assert every_fourth["mesh_4"] > 3


def test_alternating_pixels_are_left_to_sharpness(phantoms: np.ndarray) -> None:
    """Up and down by turns has one squared gradient everywhere, so the profile is flat."""
    board = np.indices((96, 96)).sum(axis=0)[..., None] % 2 * 12 - 6
    found = of(np.clip(phantoms.astype(int) + board, 0, 255).astype(np.uint8), phantoms)
    assert found["lattice"] < 0.05
    assert found["sharpness_ratio"] > 2


def test_the_lattice_does_not_grow_as_n_shrinks(traces: np.ndarray) -> None:
    """The amplitude of the mean profile would, by the square root of 8 from 48 images to 6."""
    rng = np.random.default_rng(0)
    few = np.array([artefact_statistics(traces[rng.permutation(48)[:6]], traces)[0] for _ in range(400)])
    plain = (np.abs(traces[:, :7]) ** 2).sum(axis=1).mean() / 6 / traces[:, 7].mean() ** 2
    assert abs(np.mean(np.sign(few) * few**2)) < 0.15 * plain
    assert 0.2 < (few < 0).mean() < 0.8


def test_slopes_of_power_laws() -> None:
    """Gaussian noise whose power is f^a has slope a."""
    steep, flat = power_law(24, -3), power_law(24, -2)
    assert of(steep, flat)["spectrum_slope"] == pytest.approx(-1, abs=0.08)
    assert np.median(image_traces(flat)[:, 12]) == pytest.approx(-2, abs=0.1)


def test_blur_is_less_sharp_and_steeper(phantoms: np.ndarray) -> None:
    found = [of(gaussian_filter(phantoms, sigma=(0, s, s, 0)), phantoms) for s in (0.4, 0.7, 1.2)]
    assert 1 > found[0]["sharpness_ratio"] > found[1]["sharpness_ratio"] > found[2]["sharpness_ratio"] > 0
    assert 0 > found[0]["spectrum_slope"] > found[1]["spectrum_slope"] > found[2]["spectrum_slope"]


def test_sharpness_is_the_ratio_of_medians(traces: np.ndarray) -> None:
    left, right = traces[:15], traces[15:]
    expected = np.median(left[:, 13]) / np.median(right[:, 13])
    assert artefact_statistics(left, right)[4] == pytest.approx(expected)
    assert artefact_statistics(left[:14], right)[4] == pytest.approx(np.median(left[:14, 13]) / np.median(right[:, 13]))


def test_bootstrap_holds_the_value_first_and_is_seeded(traces: np.ndarray) -> None:
    left, right = traces[:20], traces[20:]
    found = bootstrap_artefacts(left, right, resamples=50, seed=3)
    assert found.shape == (51, 5)
    np.testing.assert_allclose(found[0], artefact_statistics(left, right))
    np.testing.assert_array_equal(found, bootstrap_artefacts(left, right, resamples=50, seed=3))
    assert not np.array_equal(found, bootstrap_artefacts(left, right, resamples=50, seed=4))


def test_patients_widen_the_bootstrap(traces: np.ndarray) -> None:
    """k photographs that are the same for each patient: the deviation of a mean of m patients, not of k m images."""
    patients = np.repeat(np.arange(12), 4)
    repeated = traces[:12][patients]
    wide, narrow = (
        bootstrap_artefacts(traces, repeated, real_groups=groups, resamples=2000)[1:, 3].std()
        for groups in (patients.tolist(), None)
    )
    of_generated = traces[:, 12].std() / np.sqrt(48)
    of_patients = traces[:12, 12].std() / np.sqrt(12)
    assert wide == pytest.approx(np.hypot(of_generated, of_patients), rel=0.1)
    assert wide > 1.3 * narrow


def test_rows_have_n_interval_floor_ceiling_and_training(traces: np.ndarray, phantoms: np.ndarray) -> None:
    marked = image_traces(with_mesh(phantoms, 2, 1))
    groups = [str(k // 2) for k in range(48)]
    rows = measure_artefacts(
        traces, traces, real_groups=groups, protocol=Protocol(splits=5), beside=Beside(through=marked, training=marked)
    )
    table = {(row.metric, row.label): row for row in rows}
    assert set(table) == {(name, label) for name in ARTEFACTS for label in ("", "floor", "ceiling", "training")}
    for row in rows:
        assert row.low is not None
        assert row.high is not None
        assert row.low <= row.value <= row.high
    value, floor, ceiling = (table["lattice", label] for label in ("", "floor", "ceiling"))
    assert value.n == (48, 48)
    assert "images and patients" in value.interval
    assert floor.n[0] == floor.n[1] <= 24
    assert len(value.splits) == 10  # two blocks of each of 5 splits
    assert ceiling.value > 5 * floor.value
    assert table["sharpness_ratio", "floor"].value == pytest.approx(1, abs=0.2)
    assert table["spectrum_slope", "floor"].value == pytest.approx(0, abs=0.2)


@pytest.mark.slow
def test_intervals_cover() -> None:
    """95 % intervals of slope and sharpness hold the value of a large set in about 95 % of small ones."""
    large = image_traces(draw_phantoms(range(1200), seed=62, size=64).images)
    left, right = large[:600], large[600:]
    truth = artefact_statistics(left, right)
    rng, hits = np.random.default_rng(1), np.zeros(5)
    for seed in range(200):
        some = bootstrap_artefacts(
            left[rng.permutation(600)[:40]], right[rng.permutation(600)[:40]], resamples=400, seed=seed
        )
        low, high = np.quantile(some[1:], (0.025, 0.975), axis=0)
        hits += (low <= truth) & (truth <= high)
    coverage = dict(zip(ARTEFACTS, hits / 200, strict=True))
    assert 0.89 <= coverage["spectrum_slope"] <= 0.99
    assert 0.89 <= coverage["sharpness_ratio"] <= 1
