"""What each network of screening says of planted copies: their distance to the original, against other photographs'.

    python benchmarks/network_copies.py --data FOLDER --out OUT [--photographs 12] [--random]

Prints a Markdown table with a row a kind of copy and a column a network: the median distance of a copy (or its mirror
image) to its original as a share of the median distance of a photograph to the nearest of another patient, and how many
copies are nearer than any two photographs. Networks that were not fetched are left out; --random takes random weights
of their true architectures, which shows what the architecture alone sees. The same command goes on where it was cut.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from harness import compute_once, make_parser, read_options
from safetensors.torch import save_file
from transformers import Dinov2Config, Dinov2Model

from woundgen.data.layouts.find_photos import find_photos
from woundgen.data.pixels.prepare import prepare_all
from woundgen.features.extractor import Extractor
from woundgen.features.load import load_extractor
from woundgen.features.lpips import CHANNELS, Trunk
from woundgen.features.store import is_fetched, weights_home
from woundgen.phantoms import draw_phantoms
from woundgen.screening.descriptors import distinct_rows
from woundgen.screening.planted import CHANGES, plant
from woundgen.similarity.neighbours import euclidean_distances
from woundgen.similarity.perceptual import embed, pairwise_squared_distances
from woundgen.storage.files import sha256_file, write_json
from woundgen.workflows.screen.job import MARGIN

SIZE = 128
ROLES = {
    "perceptual": ("embedded", "lpips-alex", "lpips-vgg"),
    "embedding": ("embedded", "dinov2-small"),
}
KINDS = {"identity": (), **{kind: (change,) for kind, change in CHANGES.items()}}


def main() -> None:
    parser = make_parser(__doc__, photographs=12, threads=1)
    parser.add_argument("--data", type=Path, help="photographs with patients or without; else phantoms")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--random", action="store_true")
    options = read_options(parser)
    home = make_random(options.out / "random") if options.random else weights_home()
    columns = {}
    for role, names in ROLES.items():
        for name in names:
            if name == "embedded" or is_fetched(name, home=home):
                part = options.out / f"{role}_{name}.json"
                columns[f"{name} ({role})"] = compute_once(part, lambda r=role, n=name: measure(options, r, n))
    print(f"n = {len(next(iter(columns.values()))['nearest'])} photographs of {SIZE} pixels")
    print("| copy | " + " | ".join(columns) + " |\n| --- |" + " --- |" * len(columns))
    for kind in KINDS:
        print(f"| {kind} | " + " | ".join(cell(column, kind) for column in columns.values()) + " |")


def cell(column: dict, kind: str) -> str:
    found, nearest = np.array(column["copies"][kind]), np.array(column["nearest"])
    below = int((found < nearest.min()).sum())
    return f"{np.median(found) / np.median(nearest):.1%}, {below} of {len(found)}"


def measure(options: object, role: str, name: str) -> dict:
    """Distances of each photograph to the nearest other, and of each kind of copy to its original."""
    images, network = photographs(options), load_extractor(name)
    own = vectors(network, role, images)
    others = distances(role, own, vectors(network, role, images[:, :, ::-1]), own)
    np.fill_diagonal(others, np.inf)
    copies = {}
    for kind, changes in KINDS.items():
        planted = plant(images, changes)
        sides = (vectors(network, role, some) for some in (planted, planted[:, :, ::-1]))
        copies[kind] = np.diagonal(distances(role, *sides, own)).tolist()
    return {"nearest": others.min(axis=1).tolist(), "copies": copies, "digest": network.digest}


def photographs(options: object) -> np.ndarray:
    count, data = options.photographs, options.data
    if data is None:
        return draw_phantoms(range(count), seed=5, size=SIZE).images
    photos = find_photos(data, phases=("I", "P", "R"))
    some = [photos[row] for row in np.random.default_rng(0).permutation(len(photos))[: 4 * count]]
    images = prepare_all(some, resolution=SIZE, margin=MARGIN, roots=[data], cache_dir=None)
    return images[distinct_rows(images.astype(np.float32) / 255)[:count]]


def vectors(network: Extractor, role: str, images: np.ndarray) -> np.ndarray:
    images = np.ascontiguousarray(images)
    if role == "embedding":
        return network.pooled(images)
    batches = (images[at : at + network.batch] for at in range(0, len(images), network.batch))
    return np.concatenate([embed(network.layers(some), network.layer_weights) for some in batches])


def distances(role: str, straight: np.ndarray, mirrored: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Of each image or its mirror image, whichever is nearer."""
    between = pairwise_squared_distances if role == "perceptual" else euclidean_distances
    return np.minimum(between(straight, own), between(mirrored, own))


def make_random(home: Path) -> Path:
    """Weights as `woundgen fetch` leaves them, but random; the process looks for them there."""
    os.environ["WOUNDGEN_WEIGHTS"] = str(home)
    if home.exists():
        return home
    home.mkdir()
    torch.manual_seed(0)
    for name in ("lpips-alex", "lpips-vgg"):
        linear = {f"linear.{i}": torch.rand(channels) / 4 for i, channels in enumerate(CHANNELS[name])}
        (home / name).mkdir()
        save_file({**Trunk(name).state_dict(), **linear}, home / name / "model.safetensors")
    config = Dinov2Config(hidden_size=384, num_hidden_layers=12, num_attention_heads=6, image_size=518, patch_size=14)
    Dinov2Model(config).save_pretrained(home / "dinov2-small")
    for folder in home.iterdir():
        write_json(folder / "source.json", {"stored": {one.name: sha256_file(one) for one in folder.iterdir()}})
    return home


if __name__ == "__main__":
    main()
