"""What the training of the shipped base begins from, and how its latents are spread."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from woundgen.models.base import BaseModel
from woundgen.training.autoencoder import fit_block_basis, latent_spread
from woundgen.workflows.rebuild_base import beginning

CAPTIONS = ["photograph of a wound", "photograph of a foot"]


def begun(start: Path | None, seed: int = 1) -> torch.nn.Module:
    return beginning(start, captions=CAPTIONS, seed=seed, say=lambda line: None)[1]


def test_it_begins_from_the_base_that_is_named(base_folders: dict[str, Path], loaded_base: BaseModel) -> None:
    unet = begun(base_folders["v_prediction"])
    assert all(p.requires_grad for p in unet.parameters())
    for mine, theirs in zip(unet.parameters(), loaded_base.unet.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_it_begins_from_the_seed_where_none_is_named() -> None:
    one, again, other = (next(begun(None, seed).parameters()) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_the_spread_is_the_root_of_the_natural_deviations_at_mean_square_one() -> None:
    images = torch.from_numpy(np.random.default_rng(0).normal(size=(8, 3, 64, 64)).astype(np.float32))
    images = images + 3 * images.mean(dim=(2, 3), keepdim=True)
    basis = fit_block_basis(images, 4)
    spread = latent_spread(basis)
    torch.testing.assert_close(spread.square().mean(), torch.tensor(1.0))
    torch.testing.assert_close((spread[0] / spread[3]) ** 2, basis.deviation[0] / basis.deviation[3])
