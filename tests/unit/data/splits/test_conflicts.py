"""Two photographs of one scene under two ids are a conflict, however one of them was turned."""

from __future__ import annotations

import numpy as np
import pytest

from woundgen.data.pixels.inspect import Inspection, inspect
from woundgen.data.splits.conflicts import SCENE, find_doubles
from woundgen.phantoms import draw_phantoms
from woundgen.records import ManifestRow

PICTURES = draw_phantoms(range(70, 76), seed=3).images


def seen(*pictures: np.ndarray) -> dict[str, Inspection]:
    return {f"{n}.png": inspect(np.ascontiguousarray(one), content=bytes([n])) for n, one in enumerate(pictures)}


def rows(*facts: tuple[str, str | None, str]) -> list[ManifestRow]:
    """(phase, patient, side) of each."""
    return [
        ManifestRow(f"{n}.png", "", phase, patient, None, 128, "", split=side)
        for n, (phase, patient, side) in enumerate(facts)
    ]


@pytest.mark.parametrize(
    ("second", "conflicts"),
    [
        (("I", "b", "train"), ("patients a and b",)),
        (("I", None, "validation"), ("sides of the split train and validation",)),
        (("R", "a", "train"), ()),  # one wound at two visits
        (("I", None, "train"), ()),
    ],
)
def test_one_scene_twice(second: tuple[str, str | None, str], conflicts: tuple[str, ...]):
    found = find_doubles(
        seen(PICTURES[0], np.rot90(PICTURES[0]), *PICTURES[1:]),
        rows(("I", "a", "train"), second, *[("I", f"other {n}", "train") for n in range(5)]),
    )
    assert [(one.first, one.second, one.likeness, one.conflicts) for one in found] == [
        ("0.png", "1.png", SCENE, conflicts)
    ]


def test_a_chain_joins_no_strangers():
    a, b, c = (picture.copy() for picture in PICTURES[:3])
    b[:, :64] = a[:, :64]
    c[:, 64:] = b[:, 64:]
    found = find_doubles(seen(a, b, c), rows(*[("I", name, "train") for name in "abc"]))
    assert [(one.first, one.second) for one in found] == [("0.png", "1.png"), ("1.png", "2.png")]
