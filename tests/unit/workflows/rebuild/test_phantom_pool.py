"""A pool grows, and goes on after a stop, to the same phantoms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from woundgen.events import complete
from woundgen.workflows.rebuild import phantom_pool
from woundgen.workflows.rebuild.phantom_pool import IMAGES_FILE, Pool, draw_chunk, render_pool


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phantom_pool, "CHUNK", 4)


def rendered(folder: Path, count: int) -> Pool:
    return complete(render_pool(folder, count=count, seed=9, spoiled_share=0.3, processes=1))


def test_a_pool_grows_to_what_it_would_have_been(tmp_path: Path) -> None:
    small = rendered(tmp_path / "grown", 4)
    assert len(small.images) == 4
    grown, at_once = rendered(tmp_path / "grown", 12), rendered(tmp_path / "once", 12)
    np.testing.assert_array_equal(grown.images, at_once.images)
    assert grown.captions == at_once.captions
    np.testing.assert_array_equal(grown.parameters, at_once.parameters)


def test_pixels_of_a_chunk_that_was_cut_short_are_rendered_again(tmp_path: Path) -> None:
    rendered(tmp_path, 8)
    with (tmp_path / IMAGES_FILE).open("ab") as pixels:
        pixels.write(b"half a chunk")
    (tmp_path / "labels_00001.npz").unlink()
    np.testing.assert_array_equal(rendered(tmp_path, 8).images[4:], draw_chunk(4, seed=9, spoiled_share=0.3)["images"])


def test_half_are_close_ups_and_every_phase_is_there() -> None:
    phantom_pool.CHUNK = 60
    chunk = draw_chunk(0, seed=9, spoiled_share=0.0)
    assert sum("close-up" in text for text in chunk["captions"]) > 5
    assert sum("whole limb" in text for text in chunk["captions"]) > 5
    assert np.bincount(chunk["phases"]).tolist() == [20, 20, 20]
