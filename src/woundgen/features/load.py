"""Feature networks by name."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from woundgen.errors import UserError
from woundgen.features import dinov2, embedded, inception, lpips
from woundgen.features.extractor import Extractor
from woundgen.features.store import CONFIG_FILE, WEIGHTS_FILE, find_weights, weights_home

EMBEDDED_FILE = Path(__file__).parent / "embedded.safetensors"
NAMES = (embedded.NAME, inception.NAME, *lpips.NAMES, *dinov2.NAMES)


def load_extractor(name: str, *, home: Path | None = None) -> Extractor:
    """In evaluation mode on the CPU. home: where weights were fetched to; None: weights_home().

    UserError for an unknown name, and for weights that are absent or not what was fetched.
    """
    if name not in NAMES:
        raise UserError(f"Feature network {name!r} is unknown.", f"Use one of {', '.join(NAMES)}.")
    if name == embedded.NAME:
        return embedded.embedded_extractor(*embedded.load_feature_network(EMBEDDED_FILE))
    folder, digest = find_weights(name, home=home or weights_home())
    if name == inception.NAME:
        network = inception.Inception()
        _fill(network, load_file(folder / WEIGHTS_FILE), folder)
        return inception.inception_extractor(network, digest)
    if name in lpips.NAMES:
        trunk, weights = lpips.Trunk(name), load_file(folder / WEIGHTS_FILE)
        linear = {i: weights.pop(f"linear.{i}") for i in range(len(lpips.CHANNELS[name]))}
        _fill(trunk, weights, folder)
        return lpips.lpips_extractor(name, trunk, linear, digest)
    return dinov2.dinov2_extractor(name, _dinov2_model(folder), digest)


def check_names(names: tuple[str, ...], *, home: Path | None = None) -> None:
    """UserError for what load_extractor would refuse, without loading: before hours of training."""
    for name in names:
        if name not in NAMES:
            raise UserError(f"Feature network {name!r} is unknown.", f"Use one of {', '.join(NAMES)}.")
        if name != embedded.NAME:
            find_weights(name, home=home or weights_home())


def _fill(network: nn.Module, weights: dict[str, Tensor], folder: Path) -> None:
    found = network.load_state_dict({key: value.float() for key, value in weights.items()}, strict=False)
    # Counters of batches seen: older state dicts lack them, and evaluation does not read them.
    missing = [key for key in found.missing_keys if not key.endswith("num_batches_tracked")]
    if missing or found.unexpected_keys:
        raise UserError(
            f"{folder / WEIGHTS_FILE} does not fit the network ({(missing + list(found.unexpected_keys))[0]}).",
            f"Fetch again: woundgen fetch {folder.name}",
        )


def _dinov2_model(folder: Path) -> dinov2.Dinov2Model:
    try:
        return dinov2.Dinov2Model.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, local_files_only=True
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(
            f"{folder} ({CONFIG_FILE}, {WEIGHTS_FILE}) could not be loaded: {str(error).splitlines()[0]}",
            f"Fetch again: woundgen fetch {folder.name}",
        ) from None
