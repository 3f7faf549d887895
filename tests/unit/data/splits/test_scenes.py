"""Photographs of one scene become one group where ids are missing, and only there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from woundgen.data.splits.scenes import cluster_scenes, join_scenes, name_scenes
from woundgen.data.splits.split import CLUSTER
from woundgen.events import complete
from woundgen.phantoms import draw_phantoms
from woundgen.records import Photo

PHANTOMS = draw_phantoms(range(300, 308), seed=3).images


def pairs(count: int, *matches: tuple[int, int]) -> np.ndarray:
    same = np.zeros((count, count), bool)
    for i, j in matches:
        same[i, j] = same[j, i] = True
    return same


def test_a_chain_of_single_matches_is_cut() -> None:
    """Twelve photographs, each matching the next one alone: a clinic that one ruler joins by twos and threes."""
    clusters = cluster_scenes(pairs(12, *((i, i + 1) for i in range(11))))
    assert np.bincount(clusters).max() <= 3


def test_three_views_of_which_the_ends_do_not_match_are_one() -> None:
    assert len(set(cluster_scenes(pairs(3, (0, 1), (1, 2))).tolist())) == 1


def test_two_scenes_that_one_false_match_joins_stay_two() -> None:
    full = [(i, j) for block in (range(4), range(4, 8)) for i in block for j in block if i < j]
    clusters = cluster_scenes(pairs(8, *full, (3, 4)))
    assert clusters[:4].tolist() == [clusters[0]] * 4
    assert clusters[4:].tolist() == [clusters[4]] * 4
    assert clusters[0] != clusters[4]


@pytest.mark.parametrize("count", [0, 1])
def test_few_photographs(count: int) -> None:
    assert len(cluster_scenes(pairs(count))) == count


def test_a_named_patient_is_taken_over_and_two_are_never_joined() -> None:
    """x shows scenes of A twice and of B once; y of nobody; z and w of one another."""
    paths = ["a1", "a2", "b", "x", "y", "z", "w"]
    known = {"a1": "A", "a2": "A", "b": "B"}
    same = pairs(7, (3, 0), (3, 1), (3, 2), (0, 2), (5, 6))
    groups = name_scenes(paths, known, [f"{n}" * 20 for n in range(7)], same)
    assert groups == {"x": "A", "z": CLUSTER + "5" * 16, "w": CLUSTER + "5" * 16}


def write(folder: Path, images: dict[str, np.ndarray]) -> None:
    for name, image in images.items():
        Image.fromarray(np.ascontiguousarray(image)).save(folder / f"{name}.png")


def test_one_foot_photographed_twice_is_one_group(tmp_path: Path) -> None:
    """The second photograph is turned and recoloured, so that no thumbnail is near it."""
    second = np.rot90(PHANTOMS[0]).astype(int)[..., [0, 2, 1]]
    images = {"first": PHANTOMS[0], "second": second.astype(np.uint8), "other": PHANTOMS[1], "named": PHANTOMS[2]}
    write(tmp_path, images | {"again": PHANTOMS[2][::-1]})
    photos = [Photo(str(tmp_path / f"{name}.png"), "I") for name in ("first", "second", "other", "again")]
    photos.append(Photo(str(tmp_path / "named.png"), "I", group="P"))
    found = complete(join_scenes(photos, roots=[tmp_path]))
    groups = [photo.group for photo in found.photos]
    assert groups[0] == groups[1]
    assert groups[0].startswith(CLUSTER)
    assert groups[2:] == [None, "P", "P"]
    assert (found.joined, found.crowded) == (3, 0.0)


def test_photographs_that_share_a_ruler_are_not_joined(tmp_path: Path) -> None:
    shared = PHANTOMS.copy()
    shared[:, :, :64] = PHANTOMS[7][:, :64]
    write(tmp_path, {str(n): image for n, image in enumerate(shared)})
    photos = [Photo(str(tmp_path / f"{n}.png"), "I") for n in range(8)]
    found = complete(join_scenes(photos, roots=[tmp_path]))
    assert found.crowded > 0.5
    assert found.photos == photos


def test_named_patients_are_not_looked_at() -> None:
    photos = [Photo("nowhere.png", "I", group="A"), Photo("nor_here.png", "I", group="B")]
    assert complete(join_scenes(photos, roots=[])).photos == photos
