"""Held-out phantoms of demo and benchmarks: prepared as training prepares its photographs, or refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from woundgen.data.photo_set import gather
from woundgen.errors import UserError
from woundgen.events import complete
from woundgen.features.embedded import feature_network
from woundgen.metrics.frechet import frechet_distance
from woundgen.metrics.measure import pooled_features
from woundgen.metrics.prepared import PreparedImages, gap_closed_of_images
from woundgen.phantoms import draw_phantoms
from woundgen.workflows.dataset.phantoms import draw_held_out, write_phantoms
from woundgen.workflows.demo.colour_reader import fit_colour_reader, recall_of


def test_the_same_pixels_as_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written, found and prepared as photographs are, or drawn for a comparison."""
    monkeypatch.setenv("WOUNDGEN_PREPARED", str(tmp_path / "cache"))
    folder = tmp_path / "photographs"
    complete(write_phantoms(folder, count=12, phases="R", seed=9, size=128, views=1))
    trained = gather(folder, phases=["R"], resolution=64, margin=0.25, train_share=0.5, seed=0)
    held_out = draw_held_out(range(12), seed=9, phases=("R",), resolution=64, margin=0.25)
    assert held_out.preparation == trained.preparation
    assert {image.tobytes() for image in held_out.images} == {image.tobytes() for image in trained.images}


@pytest.mark.slow
def test_crops_are_no_whole_pictures() -> None:
    """What made phase R look as if no adapter could learn it: the framing alone moves the features far."""
    network, _ = feature_network()
    cropped = draw_held_out(range(80), seed=9, phases=("R",), margin=0.25).images
    whole = draw_phantoms(range(80, 160), seed=9, phases=("R",)).images
    others = draw_held_out(range(160, 240), seed=9, phases=("R",), margin=0.25).images
    features = [pooled_features(network, images) for images in (cropped, whole, others)]
    assert frechet_distance(features[0], features[1]) > 1.5 * frechet_distance(features[0], features[2])


def test_gap_and_recall_refuse_another_framing() -> None:
    real = draw_held_out(range(8), seed=9, phases=("R",), margin=3)
    tuned = draw_held_out(range(8, 16), seed=9, phases=("R",), margin=0.25)
    with pytest.raises(UserError, match="prepared differently"):
        gap_closed_of_images(feature_network()[0], base=tuned.images, tuned=tuned, real=real)
    reader = fit_colour_reader(per_phase=30, margin=0.25)
    with pytest.raises(UserError, match="prepared differently"):
        recall_of(reader, real, "R", label="held-out")
    assert recall_of(reader, tuned, "R", label="generated").n == (8, 8)


@pytest.mark.slow
def test_the_reader_reads_what_it_was_fitted_on() -> None:
    reader = fit_colour_reader(per_phase=120, margin=0.25)
    for phase in ("I", "R"):
        found = recall_of(
            reader, draw_held_out(range(80), seed=10, phases=(phase,), margin=0.25), phase, label="held-out"
        )
        assert found.value > 0.7


def test_a_record_of_another_size_is_no_record() -> None:
    held_out = draw_held_out(range(2), seed=9, phases=("R",), margin=0.25)
    assert held_out.preparation is not None
    with pytest.raises(AssertionError):
        PreparedImages(np.zeros((2, 64, 64, 3), np.uint8), held_out.preparation)
    PreparedImages(np.zeros((2, 64, 64, 3), np.uint8), replace(held_out.preparation, resolution=64))
