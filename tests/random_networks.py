"""Feature networks as `woundgen fetch` leaves them, of the true architectures and with random weights."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import Dinov2Config, Dinov2Model

from woundgen.features.lpips import CHANNELS, Trunk
from woundgen.storage.files import sha256_file, write_json

# config.json of facebook/dinov2-small.
DINOV2_SMALL = {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6, "image_size": 518}


def put_lpips(home: Path, name: str) -> None:
    """Linear weights are small and positive, as the published ones are: distances lie between 0 and about 1."""
    torch.manual_seed(0)
    linear = {f"linear.{i}": torch.rand(channels) / 4 for i, channels in enumerate(CHANNELS[name])}
    (folder := home / name).mkdir(parents=True)
    save_file({**Trunk(name).state_dict(), **linear}, folder / "model.safetensors")
    _sign(folder)


def put_dinov2_small(home: Path) -> None:
    torch.manual_seed(0)
    model = Dinov2Model(Dinov2Config(patch_size=14, **DINOV2_SMALL))  # type: ignore[arg-type]
    model.save_pretrained(folder := home / "dinov2-small")
    _sign(folder)


def _sign(folder: Path) -> None:
    stored = {path.name: sha256_file(path) for path in folder.iterdir()}
    write_json(folder / "source.json", {"stored": stored})
