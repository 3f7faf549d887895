"""What the training of the shipped base begins from, and how its latents are spread."""

from __future__ import annotations

import shutil
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from woundgen.errors import UserError
from woundgen.events import T, Work, complete
from woundgen.models.base import BaseModel
from woundgen.runtime.console import Console, silent_console
from woundgen.runtime.ranks import Ranks
from woundgen.shipped.autoencoder import fit_block_basis, latent_spread
from woundgen.training.latents import Latents
from woundgen.workflows.rebuild import base as rebuild_base
from woundgen.workflows.rebuild.base_networks import beginning
from woundgen.workflows.rebuild.stages import RebuildSettings

from ....forks import in_two_processes

CAPTIONS = ["photograph of a wound", "photograph of a foot"]


def begun(start: Path | None, seed: int = 1) -> torch.nn.Module:
    return complete(beginning(start, captions=CAPTIONS, seed=seed)).unet


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


def returning(value: T) -> Work[T]:
    """A job without events."""
    return value
    yield


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work folder where pool, latents and autoencoder stand ready: nine captioned photographs, invented."""
    mean, deviation = torch.randn(2, 9, 1, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    latents = Latents(mean=mean, deviation=0.1 * deviation.abs(), scale=1.0)
    pool = SimpleNamespace(captions=[*CAPTIONS, *CAPTIONS[:1] * 7])
    monkeypatch.setattr(rebuild_base, "open_pool", lambda settings: returning(pool))
    monkeypatch.setattr(rebuild_base, "pool_latents", lambda pool, folder, device: returning(latents))
    (tmp_path / "vae").mkdir()
    return tmp_path


def settings_of(work: Path, start: Path | None, *, steps: int = 2) -> RebuildSettings:
    return RebuildSettings(folder=work, phantoms=9, steps=steps, batch=5, learning_rate=0.3, start=start)


def trained_values(work: Path) -> torch.Tensor:
    (folder,) = (work / "base_training").glob("step_*")
    return load_file(folder / "state.safetensors")["values"]


def test_two_processes_train_what_one_trains(work: Path, base_folders: dict[str, Path], tmp_path: Path) -> None:
    """The text encoder too; a batch of five is 3 + 2. Only the first says anything."""
    start = base_folders["v_prediction"]
    one, two = Path(shutil.copytree(work, tmp_path / "one")), Path(shutil.copytree(work, tmp_path / "two"))
    rebuild_base.BaseRebuild(settings_of(one, start), silent_console()).run()

    def in_two(ranks: Ranks) -> dict[str, torch.Tensor]:
        with redirect_stdout(StringIO()) as printed:
            target = rebuild_base.BaseRebuild(settings_of(two, start, steps=2), Console(), ranks).run()
        assert target == two / "base"
        assert ranks.first or not printed.getvalue()
        return {"done": torch.ones(1)}

    in_two_processes(in_two, tmp_path)
    change = trained_values(one) - flatten_base(start)
    apart = trained_values(two) - trained_values(one)
    assert change.norm() > 0.1
    assert apart.norm() <= 1e-2 * change.norm()  # AdamW's first steps are signs of gradients, some of which are zero
    assert (two / "base" / "unet" / "diffusion_pytorch_model.safetensors").is_file()


def flatten_base(start: Path) -> torch.Tensor:
    """UNet, then text encoder, as training flattens them."""
    networks = complete(beginning(start, captions=CAPTIONS, seed=1))
    return torch.cat([p.detach().reshape(-1) for p in networks.parameters().values()])


def test_another_start_is_refused(work: Path, base_folders: dict[str, Path], tmp_path: Path) -> None:
    """Where the work folder holds a training, --start would play no part."""
    other = Path(shutil.copytree(base_folders["v_prediction"], tmp_path / "other"))
    weights = other / "unet" / "diffusion_pytorch_model.safetensors"
    save_file({name: tensor + 1 for name, tensor in load_file(weights).items()}, weights)
    rebuild_base.BaseRebuild(settings_of(work, base_folders["v_prediction"], steps=1), silent_console()).run()
    with pytest.raises(UserError, match="began from another base, not from") as caught:
        rebuild_base.BaseRebuild(settings_of(work, other), silent_console()).run()
    assert "--work" in caught.value.fix
    with pytest.raises(UserError, match="not from random weights"):
        rebuild_base.BaseRebuild(settings_of(work, None), silent_console()).run()
    rebuild_base.BaseRebuild(settings_of(work, base_folders["v_prediction"]), silent_console()).run()
    assert (work / "base_training" / "step_0000002").is_dir(), "the same start goes on"
