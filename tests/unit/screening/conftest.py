"""One set of references, calibrated once, that the tests of this folder share."""

from __future__ import annotations

import pytest

from woundgen.screening.calibration import calibrate
from woundgen.screening.reference_statistics import measure, measure_references, prepare_references

from .stand_in import SIZE, Bench, describe, phantoms


@pytest.fixture(scope="session")
def bench() -> Bench:
    photographs, held_out = phantoms(range(60), size=SIZE), phantoms(range(1000, 1040), size=SIZE)
    references = prepare_references(describe(photographs))
    own = measure_references(references)
    measured = measure(describe(held_out), references)
    return Bench(photographs, held_out, references, own, measured, calibrate(own))
