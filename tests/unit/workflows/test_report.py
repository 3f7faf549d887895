"""The private page's pairs: the photograph beside an image is the nearest of those that were trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from woundgen.data.photo_set import PhotoSet
from woundgen.phantoms import draw_phantoms
from woundgen.records import Photo, Preparation
from woundgen.workflows import report


def test_nearest_training_photograph(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each image is a photograph made a little brighter; one of them was held out, and so is never shown."""
    images = draw_phantoms(range(7), seed=3, size=64).images
    photos = [Photo(f"{row}.png", "I", split="validation" if row == 6 else "train") for row in range(7)]
    order = [4, 0, 6, 2]
    drawn = np.clip(images[order].astype(int) + 3, 0, 255).astype(np.uint8)
    monkeypatch.setattr(report, "images_of", lambda one: drawn)
    section = report.private_section(
        Path("run"), Path("set"), PhotoSet(photos, images, "digest", Preparation(images.shape[1], None, False, 1))
    )
    rows = [next(row for row in order if (drawn[order.index(row)] == pair.generated).all()) for pair in section.pairs]
    shown = [np.asarray(pair.photograph) for pair in section.pairs]
    assert rows[-1] == 6, "the nearest first: the image of a photograph held out comes last"
    assert all((one == images[row]).all() for one, row in zip(shown[:3], rows, strict=False))
    assert not any((one == images[6]).all() for one in [*shown, *map(np.asarray, section.real)])
    distances = [float(pair.text.split()[2].rstrip(";")) for pair in section.pairs]
    assert distances == sorted(distances)
    assert "photographs of different groups" in section.pairs[0].text
