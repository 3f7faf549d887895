"""The shipped feature network notices faults of pictures, and the more of a fault the farther."""

from __future__ import annotations

import numpy as np
import pytest

from woundgen.features.embedded import EMBEDDED_FEATURES, load_feature_network
from woundgen.metrics.frechet import frechet_distance
from woundgen.metrics.measure import pooled_features
from woundgen.shipped.graded_faults import GRADED_FAULTS, apply_fault
from woundgen.workflows.rebuild.model_card import draw_card_phantoms, grade_faults

SEED = 640_001
NETWORK, _ = load_feature_network(EMBEDDED_FEATURES)


@pytest.mark.slow
def test_a_mosaic_of_two_pixels_is_three_floors_away() -> None:
    """n = 100 against 100; the floor is what two halves of clean phantoms are apart at that n."""
    drawn = draw_card_phantoms(range(200), seed=SEED).images
    features = pooled_features(NETWORK, drawn)
    floor = frechet_distance(features[:100], features[100:])
    spoiled = pooled_features(NETWORK, apply_fault(drawn[:100], "mosaic of 2 pixels", 1.0))
    assert frechet_distance(spoiled, features[100:]) >= 3 * floor


@pytest.mark.slow
def test_every_fault_is_farther_the_stronger_it_is() -> None:
    """n = 200 against 200 others, six strengths, Spearman's rank correlation."""
    drawn = draw_card_phantoms(range(400), seed=SEED + 1).images
    graded = grade_faults(NETWORK, drawn[:200], pooled_features(NETWORK, drawn[200:]))
    assert set(GRADED_FAULTS) < set(graded)
    assert {name: row["spearman"] for name, row in graded.items() if row["spearman"] < 0.9} == {}


def test_early_layers_take_part_in_the_perceptual_distance() -> None:
    """A mesh is fine detail: it moves the first stage's activations more than the last one's."""
    import torch
    import torch.nn.functional as F

    from woundgen.models.images import to_unit

    drawn = draw_card_phantoms(range(8), seed=SEED + 2).images
    with torch.no_grad():
        clean, spoiled = (
            [F.normalize(layer, dim=1) for layer in NETWORK.layers(to_unit(images))]
            for images in (drawn, apply_fault(drawn, "mesh of 2 pixels", 0.5))
        )
    moved = [float((a - b).square().sum(1).mean()) for a, b in zip(clean, spoiled, strict=True)]
    assert len(moved) == 4
    assert moved[0] > moved[-1]
    assert np.isfinite(moved).all()
