"""What the training of the shipped base begins from, and how its latents are spread."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from woundgen.errors import UserError
from woundgen.events import T, Work, complete
from woundgen.models.base import BaseModel
from woundgen.shipped.autoencoder import fit_block_basis, latent_spread
from woundgen.workflows.rebuild import base as rebuild_base
from woundgen.workflows.rebuild.base_networks import beginning
from woundgen.workflows.rebuild.stages import RebuildSettings

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
    mean, deviation = torch.randn(2, 9, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    pool = SimpleNamespace(captions=[*CAPTIONS, *CAPTIONS[:1] * 7])
    monkeypatch.setattr(rebuild_base, "open_pool", lambda settings: returning(pool))
    monkeypatch.setattr(rebuild_base, "pool_latents", lambda pool, settings: returning((mean, 0.1 * deviation.abs())))
    (tmp_path / "vae").mkdir()
    return tmp_path


def train(work: Path, start: Path | None, *, steps: int = 2) -> Path:
    settings = RebuildSettings(folder=work, phantoms=9, steps=steps, batch=5, learning_rate=0.3, start=start)
    return complete(rebuild_base.rebuild_base(settings))


def saved_state(work: Path) -> dict[str, torch.Tensor]:
    """Of the newest checkpoint."""
    return load_file(sorted((work / "denoiser").glob("step_*"))[-1] / "state.safetensors")


def test_a_training_that_was_stopped_goes_on_to_the_bit(work: Path, base_folders: dict[str, Path]) -> None:
    start = base_folders["v_prediction"]
    # The schedule of the learning rate knows how many steps are asked for; in its warm-up it does not play a part.
    other = Path(shutil.copytree(work, work.parent / "undisturbed"))
    train(work, start, steps=1)
    train(work, start, steps=3)
    train(other, start, steps=3)
    stopped, whole = saved_state(work), saved_state(other)
    assert stopped.keys() == whole.keys()
    assert all(torch.equal(stopped[name], whole[name]) for name in whole)
    assert not torch.equal(whole["denoiser.values"], whole["denoiser.average"])


def test_the_folder_holds_the_average_of_both_networks(work: Path, base_folders: dict[str, Path]) -> None:
    target = train(work, base_folders["v_prediction"])
    networks = complete(beginning(target_with_vae(target, base_folders["v_prediction"]), captions=CAPTIONS, seed=1))
    written = [*networks.unet.parameters(), *networks.text_encoder.parameters()]
    average = saved_state(work)["denoiser.average"]
    torch.testing.assert_close(torch.cat([p.detach().reshape(-1) for p in written]), average.half().float())


def target_with_vae(target: Path, base: Path) -> Path:
    """The written folder with an autoencoder, which these tests do not train."""
    shutil.copytree(base / "vae", target / "vae", dirs_exist_ok=True)
    return target


def test_another_start_is_refused(work: Path, base_folders: dict[str, Path], tmp_path: Path) -> None:
    """Where the work folder holds a training, --start would play no part."""
    other = Path(shutil.copytree(base_folders["v_prediction"], tmp_path / "other"))
    weights = other / "unet" / "diffusion_pytorch_model.safetensors"
    save_file({name: tensor + 1 for name, tensor in load_file(weights).items()}, weights)
    train(work, base_folders["v_prediction"], steps=1)
    with pytest.raises(UserError, match="began from another base, not from") as caught:
        train(work, other)
    assert "--work" in caught.value.fix
    with pytest.raises(UserError, match="not from random weights"):
        train(work, None)
    train(work, base_folders["v_prediction"])
    assert (work / "denoiser" / "step_0000002").is_dir(), "the same start goes on"


def test_without_a_decoder_nothing_is_trained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="vae does not exist") as caught:
        train(tmp_path, None)
    assert "woundgen rebuild decoder" in caught.value.fix
