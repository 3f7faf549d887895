"""What each network of screening says of planted copies: their distance to the original, against other photographs'.

    python benchmarks/network_copies.py --data FOLDER [--photographs 16] [--random]

A row a kind of copy, a column a network: the median distance of a copy (or its mirror image) to its original as a share
of the median distance of a photograph to the nearest of another patient, and how many copies are nearer than any such
pair. Networks that were not fetched are left out; --random takes random weights of their true architectures, which
shows what the architecture alone sees.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import Dinov2Config, Dinov2Model

from woundgen.config.quality import QualityConfig
from woundgen.data.layouts.find_photos import find_photos
from woundgen.data.pixels.prepare import prepare_all
from woundgen.features.lpips import CHANNELS, Trunk
from woundgen.features.store import is_fetched, weights_home
from woundgen.phantoms import draw_phantoms
from woundgen.screening.descriptors import Descriptors, distinct_rows
from woundgen.screening.planted import CHANGES, plant
from woundgen.similarity.neighbours import euclidean_distances
from woundgen.similarity.perceptual import pairwise_squared_distances
from woundgen.storage.files import sha256_file, write_json
from woundgen.workflows.screen.job import MARGIN
from woundgen.workflows.screen.networks import choose_networks, describe

SIZE = 128
PERCEPTUAL, EMBEDDING = ("embedded", "lpips-alex", "lpips-vgg"), ("embedded", "dinov2-small")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--photographs", type=int, default=16)
    parser.add_argument("--random", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    images = photographs(options)
    print(f"{len(images)} photographs")
    with TemporaryDirectory() as folder:
        home = make_random(Path(folder)) if options.random else weights_home()
        for role, names in (("perceptual_network", PERCEPTUAL), ("embedding_network", EMBEDDING)):
            for name in names:
                if name == "embedded" or is_fetched(name, home=home):
                    show(images, role, name)


def photographs(options: argparse.Namespace) -> np.ndarray:
    if options.data is None:
        return draw_phantoms(range(options.photographs), seed=5, size=SIZE).images
    photos = find_photos(options.data, phases=("I", "P", "R"))
    images = prepare_all(photos, resolution=SIZE, margin=MARGIN, roots=[options.data], cache_dir=None)
    rows = np.random.default_rng(0).permutation(distinct_rows(images.astype(np.float32) / 255))
    return images[rows[: options.photographs]]


def show(images: np.ndarray, role: str, name: str) -> None:
    networks = choose_networks(QualityConfig.model_validate({role: name}))
    perceptual = role == "perceptual_network"
    own = describe(images, networks)
    others = distances(own, own, perceptual=perceptual)
    np.fill_diagonal(others, np.inf)
    nearest = others.min(axis=1)
    print(f"{role}: {name}; nearest photograph of another patient: median {np.median(nearest):.4g}")
    for kind, changes in {"identity": (), **{kind: (change,) for kind, change in CHANGES.items()}}.items():
        found = np.diagonal(distances(describe(plant(images, changes), networks), own, perceptual=perceptual))
        below = int((found < nearest.min()).sum())
        share = np.median(found) / np.median(nearest)
        print(f"  {kind:<22} {share:6.1%} of that distance; nearer than any two photographs: {below} of {len(found)}")


def distances(left: Descriptors, right: Descriptors, *, perceptual: bool) -> np.ndarray:
    """Of each image or its mirror image, whichever is nearer."""
    if perceptual:
        assert left.perceptual is not None
        assert left.perceptual_mirrored is not None
        assert right.perceptual is not None
        both = left.perceptual, left.perceptual_mirrored
        pairs = [pairwise_squared_distances(one, right.perceptual) for one in both]
    else:
        pairs = [euclidean_distances(one, right.pooled) for one in (left.pooled, left.pooled_mirrored)]
    return np.minimum(*pairs)


def make_random(home: Path) -> Path:
    """Weights as `woundgen fetch` leaves them, but random; the process looks for them there."""
    torch.manual_seed(0)
    for name in ("lpips-alex", "lpips-vgg"):
        linear = {f"linear.{i}": torch.rand(channels) / 4 for i, channels in enumerate(CHANNELS[name])}
        (home / name).mkdir()
        save_file({**Trunk(name).state_dict(), **linear}, home / name / "model.safetensors")
    config = Dinov2Config(hidden_size=384, num_hidden_layers=12, num_attention_heads=6, image_size=518, patch_size=14)
    Dinov2Model(config).save_pretrained(home / "dinov2-small")
    for folder in home.iterdir():
        write_json(folder / "source.json", {"stored": {one.name: sha256_file(one) for one in folder.iterdir()}})
    os.environ["WOUNDGEN_WEIGHTS"] = str(home)
    return home


if __name__ == "__main__":
    main()
