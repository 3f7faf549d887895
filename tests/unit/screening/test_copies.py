"""Planted copies are found and named; photographs of other patients are not."""

import numpy as np
import pytest

from woundgen.screening.calibration import calibrate
from woundgen.screening.reference_statistics import measure, measure_references, prepare_references
from woundgen.screening.rules import Rule, judge

from ...planted_copies import kinds
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
