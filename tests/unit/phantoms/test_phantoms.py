"""The wound-phantom renderer: deterministic, independent of batch and size, and frozen."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from woundgen.phantoms import (
    CORRUPTIONS,
    PHASES,
    RENDERER_VERSION,
    Phantoms,
    caption,
    captions,
    corrupt,
    draw_healthy_skin,
    draw_phantoms,
)

GOLDEN = Path(__file__).parents[2] / "golden"
FORBIDDEN = {
    "i", "p", "r", "phase", "inflammatory", "inflammation", "inflamed", "proliferative", "proliferation",
    "remodelling", "remodeling", "maturation", "small", "large", "big", "tiny", "size", "healing",
}  # fmt: skip


@pytest.fixture(scope="module")
def mixed() -> Phantoms:
    return draw_phantoms(range(48), seed=5)


def row(phantoms: Phantoms, i: int) -> dict[str, float]:
    return {name: float(values[i]) for name, values in phantoms.parameters.items()}


def test_shapes_and_types(mixed: Phantoms) -> None:
    assert mixed.images.shape == (48, 128, 128, 3)
    assert mixed.images.dtype == np.uint8
    assert mixed.boxes.shape == (48, 4)
    assert mixed.patients.shape == (48,)
    assert mixed.phases[:4] == ("I", "P", "R", "I")
    assert all(np.isfinite(values).all() and values.shape == (48,) for values in mixed.parameters.values())


def test_same_index_same_bytes_whatever_the_batch(mixed: Phantoms) -> None:
    some = [17, 3, 40, 3, 9]
    again = draw_phantoms(some, seed=5)
    assert np.array_equal(again.images, mixed.images[some])
    assert np.array_equal(again.boxes, mixed.boxes[some])
    assert not np.array_equal(draw_phantoms([3], seed=6).images[0], mixed.images[3])


def test_no_indices_give_no_images() -> None:
    assert draw_phantoms([], seed=0).images.shape == (0, 128, 128, 3)


def test_views_share_their_patient_and_not_their_camera() -> None:
    drawn = draw_phantoms(range(6), seed=2, views_per_patient=3, size=32)
    assert drawn.patients.tolist() == [0, 0, 0, 1, 1, 1]
    assert drawn.phases == ("I", "I", "I", "P", "P", "P")
    assert len(set(drawn.parameters["wound_radius"][:3])) == 1
    assert len(set(drawn.parameters["rotation"][:3])) == 3


@pytest.mark.parametrize(("large", "small"), [(256, 128), (128, 64)])
def test_size_changes_only_the_sampling(large: int, small: int) -> None:
    indices = range(8)
    fine = draw_phantoms(indices, seed=4, size=large).images.astype(float)
    coarse = draw_phantoms(indices, seed=4, size=small).images.astype(float)
    pooled = fine.reshape(8, small, 2, small, 2, 3).mean((2, 4))
    for a, b in zip(pooled, coarse, strict=True):
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.97


def test_phases_differ_as_healing_does() -> None:
    means = {}
    for phase in PHASES:
        drawn = draw_phantoms(range(150), seed=8, phases=(phase,), size=32)
        means[phase] = {name: values.mean() for name, values in drawn.parameters.items()}
        pixels = drawn.images.astype(float)
        means[phase]["excess red"] = (pixels[..., 0] - pixels[..., 1:].mean(-1)).mean()
    for name in ("redness", "halo_width", "swelling", "slough", "necrosis", "excess red"):
        assert means["I"][name] > means["R"][name], name
    for name in ("scar", "epithelium", "contraction", "bed_paleness"):
        assert means["I"][name] < means["P"][name] < means["R"][name], name


def test_healthy_skin_has_no_wound() -> None:
    healthy = draw_healthy_skin(range(4), seed=5, size=32)
    assert not healthy.parameters["wound"].any()
    assert not healthy.boxes.any()


def test_boxes_hold_the_wound(mixed: Phantoms) -> None:
    healthy = draw_healthy_skin(range(48), seed=5).images.astype(float)
    x0, y0, x1, y1 = mixed.boxes.T
    assert (x1 > x0).all()
    assert (y1 > y0).all()
    assert mixed.boxes.min() >= 0
    assert mixed.boxes.max() <= 128
    changed = np.abs(mixed.images - healthy).max(-1)
    for change, (left, top, right, bottom) in zip(changed, mixed.boxes, strict=True):
        inside = np.zeros(change.shape, bool)
        inside[top:bottom, left:right] = True
        assert change[inside].mean() > 2.0 * change[~inside].mean()


def test_captions_name_what_is_seen_but_neither_phase_nor_size(mixed: Phantoms) -> None:
    rng = np.random.default_rng(0)
    texts = [caption(row(mixed, i % 48), rng) for i in range(600)]
    words = set(" ".join(texts).lower().replace(",", " ").split())
    assert not words & FORBIDDEN
    assert any("showing" not in text for text in texts)
    assert all("wound" in text or "ulcer" in text for text in texts)
    assert {"granulation", "slough", "redness", "scar", "epithelialization", "background"} <= words


def test_captions_are_those_of_the_phantoms_in_order(mixed: Phantoms) -> None:
    together = captions(mixed.parameters, np.random.default_rng(0))
    rng = np.random.default_rng(0)
    assert together == [caption(row(mixed, i), rng) for i in range(len(mixed.images))]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_corruption_changes_the_image_and_repeats(name: str, mixed: Phantoms) -> None:
    images = mixed.images[:3].copy()
    spoiled = corrupt(images, [name, None, name], seed=1)
    assert spoiled.dtype == np.uint8
    assert spoiled.shape == images.shape
    assert np.array_equal(images, mixed.images[:3]), "the input was written to"
    assert np.array_equal(spoiled[1], images[1])
    assert np.abs(spoiled[[0, 2]].astype(float) - images[[0, 2]]).mean() > 0.5
    assert np.array_equal(spoiled, corrupt(images, [name, None, name], seed=1))


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="phases"):
        draw_phantoms([0], seed=0, phases=("X",))
    with pytest.raises(ValueError, match="size"):
        draw_phantoms([0], seed=0, size=1)
    with pytest.raises(ValueError, match="names"):
        corrupt(np.zeros((2, 8, 8, 3), np.uint8), ["blurry"], seed=0)


def test_the_renderer_draws_its_golden_sheet() -> None:
    spec = importlib.util.spec_from_file_location("make_phantoms", GOLDEN / "make_phantoms.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    golden = np.asarray(Image.open(GOLDEN / f"phantoms_v{RENDERER_VERSION}.png").convert("RGB")).astype(int)
    assert (np.abs(module.sheet().astype(int) - golden) <= 1).mean() >= 0.999
