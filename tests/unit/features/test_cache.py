"""What is kept is found by content, and a damaged file is made again."""

from pathlib import Path

import numpy as np

from woundgen.features.cache import Cache, content_digest


def test_by_content_network_and_kind(tmp_path: Path) -> None:
    images = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    made = []

    def make() -> np.ndarray:
        made.append(len(made))
        return np.full(3, len(made), np.float64)

    cache = Cache(tmp_path / "cache")
    first = cache.array("pooled", "abc", [images], make)
    assert cache.array("pooled", "abc", [images.copy()], make) is first
    np.testing.assert_array_equal(Cache(tmp_path / "cache").array("pooled", "abc", [images], make), first)
    assert made == [0]
    changed = images.copy()
    changed[0, 0, 0, 0] += 1
    for what, digest, sets in (("layers", "abc", [images]), ("pooled", "abd", [images]), ("pooled", "abc", [changed])):
        cache.array(what, digest, sets, make)
    assert len(made) == 4
    for file in (tmp_path / "cache").iterdir():
        file.write_bytes(file.read_bytes()[:40])
    Cache(tmp_path / "cache").array("pooled", "abc", [images], make)
    assert len(made) == 5


def test_shape_counts() -> None:
    assert content_digest(np.zeros((1, 2, 4, 3), np.uint8)) != content_digest(np.zeros((1, 4, 2, 3), np.uint8))
