"""Columns against direct computation; the own group left out against measuring each image by itself."""

import numpy as np
import pytest

from woundgen.errors import UserError
from woundgen.screening.reference_statistics import measure, measure_references, prepare_references
from woundgen.screening.statistics import realism, sphere_radii
from woundgen.similarity.neighbours import euclidean_distances, kth_neighbour_radius
from woundgen.similarity.ssim import pairwise_ssim

from .stand_in import describe, phantoms

SIZE = 32


@pytest.fixture(scope="module")
def photographs() -> np.ndarray:
    return phantoms(range(18), size=SIZE)


def test_ssim_columns(photographs: np.ndarray):
    images = phantoms(range(500, 503), size=SIZE)
    found = measure(describe(images), prepare_references(describe(photographs)), k=4)
    ssim = pairwise_ssim(images, photographs)
    ordered = np.sort(ssim, axis=1)[:, ::-1]
    np.testing.assert_allclose(found.columns["ssim_mean"], ssim.mean(axis=1), atol=1e-4)
    np.testing.assert_allclose(found.columns["ssim_topk"], ordered[:, :4].mean(axis=1), atol=1e-4)
    np.testing.assert_allclose(found.columns["ssim_max"], ordered[:, 0], atol=1e-4)
    np.testing.assert_array_equal(found.nearest["ssim_max"], ssim.argmax(axis=1))


def test_perceptual_and_embedding_see_the_mirror_image(photographs: np.ndarray):
    found = measure(describe(photographs[3:4, :, ::-1]), prepare_references(describe(photographs)))
    assert found.columns["embedding_nearest"][0] == pytest.approx(0, abs=1e-6)
    assert found.columns["perceptual_nearest"][0] == pytest.approx(0, abs=1e-4)
    assert found.columns["perceptual_min"][0] > 0.1
    assert {int(rows[0]) for name, rows in found.nearest.items() if name != "ssim_max"} == {3}


def test_references_are_measured_as_if_their_patient_were_unknown(photographs: np.ndarray):
    """Row i equals measuring photograph i against the photographs of the other patients alone."""
    groups = np.repeat(np.arange(9), 2)
    own = measure_references(prepare_references(describe(photographs), list(groups)))
    for row in (0, 7, 17):
        others = groups != groups[row]
        alone = prepare_references(describe(photographs[others]), list(groups[others]))
        expected = measure(describe(photographs[row : row + 1]), alone)
        for name, column in expected.columns.items():
            if name == "copy_places":  # candidates depend on all that is indexed: tests/unit/copies/test_search.py
                continue
            assert own.columns[name][row] == pytest.approx(column[0], abs=2e-4), name
        for name, rows in expected.nearest.items():
            if name == "copy_places":
                continue
            assert own.nearest[name][row] == np.flatnonzero(others)[rows[0]], name


def test_realism_is_equation_3_by_brute_force():
    rng = np.random.default_rng(0)
    real, new = rng.normal(size=(20, 5)), rng.normal(size=(6, 5))
    radii = kth_neighbour_radius(real, 3)
    np.testing.assert_allclose(sphere_radii(euclidean_distances(real, real), np.arange(20)), radii)
    kept = np.flatnonzero(radii <= np.median(radii))
    expected = [max(radii[r] / np.linalg.norm(point - real[r]) for r in kept) for point in new]
    apart = np.ones((6, 20), bool)
    np.testing.assert_allclose(realism(euclidean_distances(new, real), radii, apart=apart), expected)


def test_near_duplicates_are_left_out_and_rows_stay_those_given(photographs: np.ndarray):
    twice = np.concatenate((photographs[:2], photographs[:1], photographs[2:]))
    references = prepare_references(describe(twice))
    assert references.duplicates == 1
    np.testing.assert_array_equal(references.rows, [0, 1, *range(3, 19)])
    found = measure(describe(photographs[5:6]), references)
    assert found.nearest["embedding_nearest"][0] == 6


def test_works_without_a_perceptual_network(photographs: np.ndarray):
    references = prepare_references(describe(photographs, perceptual=False))
    columns = measure_references(references).columns
    assert not any("perceptual" in name for name in columns)
    assert all(np.isfinite(values).all() for values in columns.values())


def test_refusals(photographs: np.ndarray):
    with pytest.raises(UserError, match="9 reference photographs are too few"):
        prepare_references(describe(photographs[:9]))
    with pytest.raises(UserError, match="after 1 near duplicates"):
        prepare_references(describe(np.concatenate((photographs[:9], photographs[:1]))))
    with pytest.raises(UserError, match="all but 4"):
        prepare_references(describe(photographs), ["a"] * 14 + list("bcde"))
    with pytest.raises(UserError, match="one of images and references only"):
        measure(describe(photographs, perceptual=False), prepare_references(describe(photographs)))
