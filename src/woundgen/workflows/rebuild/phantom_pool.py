"""A pool of captioned phantoms on disk, from which the shipped networks are trained."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from woundgen.phantoms import CORRUPTIONS, PHASES, RENDERER_VERSION, caption, corrupt, draw_phantoms
from woundgen.storage.files import read_json, sha256_json, write_json

CHUNK = 200
SPOILED_SHARE = 0.12
TRAINING_SEED = 1


@dataclass(frozen=True, slots=True)
class Pool:
    """images: uint8 [N, S, S, 3]; phases: int64 [N]; parameters: float32 [N, K]; faults: 0/1 [N, F]."""

    images: NDArray[np.uint8]
    captions: list[str]
    phases: NDArray[np.int64]
    parameters: NDArray[np.float32]
    faults: NDArray[np.float32]
    names: list[str]


def draw_chunk(first: int, *, seed: int, spoiled_share: float) -> dict[str, NDArray | list[str]]:
    """CHUNK captioned phantoms of all phases, some of them spoiled and captioned so."""
    indices = range(first, first + CHUNK)
    drawn = draw_phantoms(indices, seed=seed)
    rng = np.random.default_rng([seed, first, 7])
    kinds = list(CORRUPTIONS)
    names = [kinds[rng.integers(len(kinds))] if rng.random() < spoiled_share else None for _ in indices]
    captions = []
    for row, name in enumerate(names):
        text = caption({key: float(values[row]) for key, values in drawn.parameters.items()}, rng)
        if name == "healthy skin":
            text = "photograph of healthy skin"
        elif name is not None:
            text += f", {name}"
        captions.append(text)
    return {
        "images": corrupt(drawn.images, names, seed=seed + first),
        "captions": captions,
        "phases": np.array([PHASES.index(phase) for phase in drawn.phases]),
        "parameters": np.stack(list(drawn.parameters.values()), axis=1).astype(np.float32),
        "faults": np.array([[float(name == kind) for kind in kinds] for name in names], dtype=np.float32),
        "names": list(drawn.parameters),
    }


def render_pool(
    folder: Path, *, count: int, seed: int, spoiled_share: float, processes: int, say: Callable[[str], None]
) -> Pool:
    """Render `count` phantoms into `folder`, or read them where that was done before."""
    count -= count % CHUNK
    identity = sha256_json([RENDERER_VERSION, count, seed, spoiled_share, CHUNK])
    done = folder / "pool.json"
    if not (done.exists() and read_json(done)["identity"] == identity):
        folder.mkdir(parents=True, exist_ok=True)
        say(f"rendering {count} phantoms into {folder}")
        _render(folder, count=count, seed=seed, spoiled_share=spoiled_share, processes=processes, say=say)
        write_json(done, {"identity": identity, "count": count})
    captions = read_json(folder / "captions.json")
    arrays = np.load(folder / "labels.npz")
    return Pool(
        images=np.load(folder / "images.npy", mmap_mode="r"),
        captions=captions["captions"],
        phases=arrays["phases"],
        parameters=arrays["parameters"],
        faults=arrays["faults"],
        names=captions["names"],
    )


def _render(
    folder: Path, *, count: int, seed: int, spoiled_share: float, processes: int, say: Callable[[str], None]
) -> None:
    draw = partial(draw_chunk, seed=seed, spoiled_share=spoiled_share)
    images = np.lib.format.open_memmap(folder / "images.npy", mode="w+", dtype=np.uint8, shape=(count, 128, 128, 3))
    captions: list[str] = []
    labels: dict[str, list] = {"phases": [], "parameters": [], "faults": []}
    names: list[str] = []
    with ProcessPoolExecutor(processes) as workers:
        for number, chunk in enumerate(workers.map(draw, range(0, count, CHUNK))):
            images[number * CHUNK : (number + 1) * CHUNK] = chunk["images"]
            captions += chunk["captions"]
            names = list(chunk["names"])
            for key, rows in labels.items():
                rows.append(chunk[key])
            if (number + 1) % 10 == 0:
                say(f"{(number + 1) * CHUNK}/{count} phantoms")
    images.flush()
    joined = {key: np.concatenate(rows) for key, rows in labels.items()}
    np.savez(folder / "labels.npz", **joined)  # type: ignore[arg-type]  # stub: takes them for allow_pickle
    write_json(folder / "captions.json", {"captions": captions, "names": names})
