"""Planted copies are found and named; photographs of other patients are not."""

import numpy as np
import pytest

from woundgen.screening.calibration import calibrate
from woundgen.screening.copies import Alignments, best_aligned, prepare_templates, warp
from woundgen.screening.planted import kinds
from woundgen.screening.reference_statistics import measure, measure_references, prepare_references
from woundgen.screening.rules import Rule, judge
from woundgen.similarity.ssim import pairwise_ssim

from .planted import copies_of
from .stand_in import SIZE, Bench, describe, phantoms

KINDS = tuple(kinds())


@pytest.fixture(scope="module")
def copies(bench: Bench) -> dict[str, np.ndarray]:
    return copies_of(bench.photographs[:12])


@pytest.mark.parametrize("kind", KINDS)
def test_planted_copies_are_quarantined_with_their_original(bench: Bench, copies: dict[str, np.ndarray], kind: str):
    verdicts = judge(measure(describe(copies[kind]), bench.references), bench.calibration, Rule(policy="report"))
    assert all(verdict.copy and not verdict.accepted for verdict in verdicts)
    assert [verdict.nearest for verdict in verdicts] == list(range(12))
    assert all(verdict.reason.startswith("copy by ") for verdict in verdicts)


def test_other_patients_are_rarely_flagged(bench: Bench):
    verdicts = judge(bench.held_out_statistics, bench.calibration, Rule(policy="report"))
    assert sum(verdict.copy for verdict in verdicts) <= 2  # of 40, where 2 / 61 each is promised


@pytest.mark.parametrize(
    ("mirrored", "scale", "rotation", "shift"),
    [
        (False, 1.0, 0.0, (0, 0)),
        (True, 1.0, 0.0, (3, -2)),
        (False, 1.05, -8.0, (0, 1)),
        (True, 0.95, 2.67, (-1, 3)),
        (False, 1.1, 0.0, (1, 1)),
        (True, 0.9, 5.33, (0, 0)),
    ],
)
def test_alignment_is_undone(bench: Bench, mirrored: bool, scale: float, rotation: float, shift: tuple[int, int]):
    image = np.roll(warp(bench.photographs[0], scale, rotation), shift, axis=(0, 1))
    image = image[:, ::-1] if mirrored else image
    templates = prepare_templates(bench.photographs[:3])
    ssim, nearest = best_aligned(image[None], templates, np.array([[2, 0, 1]]))
    assert nearest[0] == 0
    assert ssim[0] > 0.98


def test_alignment_matters(bench: Bench):
    """Neither plain SSIM nor a search without rotations finds a turned copy."""
    image = warp(bench.photographs[1], 1.0, 8.0)[None]
    plain = pairwise_ssim(image, bench.photographs[1:2])[0, 0]
    unturned = prepare_templates(bench.photographs[1:2], Alignments(rotations=(0.0,)))
    turned = prepare_templates(bench.photographs[1:2])
    rows = np.zeros((1, 1), int)
    assert plain < 0.75
    assert best_aligned(image, unturned, rows)[0][0] < 0.75 < 0.95 < best_aligned(image, turned, rows)[0][0]


def test_flat_images_align_without_a_warning():
    flat = np.full((2, 32, 32, 3), 0.5, np.float32)
    with np.errstate(all="raise"):
        ssim, _ = best_aligned(flat, prepare_templates(flat), np.array([[0], [1]]))
    np.testing.assert_allclose(ssim, 1, atol=1e-6)


@pytest.mark.slow
def test_300_planted_copies_of_each_kind():
    """At least 297 of 300 of each kind, and at most 2 % of 300 held-out phantoms of other patients."""
    photographs, held_out = phantoms(range(300), size=SIZE), phantoms(range(4000, 4300), size=SIZE)
    references = prepare_references(describe(photographs))
    calibration = calibrate(measure_references(references))
    originals = photographs[references.rows]

    def flagged(images: np.ndarray) -> int:
        verdicts = judge(measure(describe(images), references), calibration, Rule(policy="report"))
        return sum(verdict.copy for verdict in verdicts)

    found = {kind: flagged(images) for kind, images in copies_of(originals).items()}
    wrong = flagged(held_out)
    print(f"of {len(originals)}: {found}; held-out flagged: {wrong} of 300")
    assert min(found.values()) >= 0.99 * len(originals)
    assert wrong <= 6
