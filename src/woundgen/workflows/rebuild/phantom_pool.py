"""A pool of captioned phantoms on disk, from which the shipped networks are trained."""

from __future__ import annotations

import io
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from woundgen.data.phantom_frames import FramedPhantoms, frame_phantoms
from woundgen.events import Info, Work
from woundgen.phantoms import CORRUPTIONS, PHASES, RENDERER_VERSION, View, caption, corrupt
from woundgen.runtime.lock import only_writer
from woundgen.runtime.supervisor import end_with_parent
from woundgen.storage.files import read_json, sha256_json, write_bytes, write_json

CHUNK = 200
SIDE = 128
IMAGES_FILE = "images.u8"  # uint8 [N, SIDE, SIDE, 3], one after another
SPOILED_SHARE = 0.06
TRAINING_SEED = 1
CAPTION_VERSION = 2  # raise it when the captions of a pool change
CROP_MARGINS = (0.1, 0.6)
"""Margins of the pool's close-ups, as shares of the box's longer side: users' photographs are cropped so."""


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
    """Draw CHUNK captioned phantoms of all phases, half whole and half close-ups, some spoiled and captioned so.

    A function of (first, seed, spoiled_share) alone.
    """
    rng = np.random.default_rng([seed, first, 7])
    kinds = list(CORRUPTIONS)
    names = [kinds[rng.integers(len(kinds))] if rng.random() < spoiled_share else None for _ in range(CHUNK)]
    framed = _draw_framed(first, seed=seed)
    captions = []
    for row, name in enumerate(names):
        parameters = {key: float(values[row]) for key, values in framed.parameters.items()}
        text = caption(parameters, rng, View(bool(framed.close_up[row]), tuple(framed.centres[row])))
        if name == "healthy skin":
            text = "photograph of healthy skin"
        elif name is not None:
            text += f", {name}"
        captions.append(text)
    return {
        "images": corrupt(framed.images, names, seed=seed + first),
        "captions": captions,
        "phases": np.array([PHASES.index(phase) for phase in framed.phases]),
        "parameters": np.stack(list(framed.parameters.values()), axis=1).astype(np.float32),
        "faults": np.array([[float(name == kind) for kind in kinds] for name in names], dtype=np.float32),
        "names": list(framed.parameters),
    }


def _draw_framed(first: int, *, seed: int) -> FramedPhantoms:
    """CHUNK phantoms, mixed so that every phase and both framings come equally often."""
    whole = np.random.default_rng([seed, first, 8]).random(CHUNK) < 0.5
    margins = np.random.default_rng([seed, first, 9]).uniform(*CROP_MARGINS, CHUNK)
    return frame_phantoms(
        range(first, first + CHUNK),
        seed=seed,
        margins=[None if whole[row] else float(margins[row]) for row in range(CHUNK)],
    )


def render_pool(folder: Path, *, count: int, seed: int, spoiled_share: float, processes: int) -> Work[Pool]:
    """Render `count` phantoms into `folder`, going on after those that are there, and read them.

    A pool grows: what is asked for later begins with the same phantoms. Rendered pixels are appended to one file; a
    chunk counts once its labels are written, so that a stop at any moment loses one chunk.
    """
    chunks = count // CHUNK
    identity = sha256_json([RENDERER_VERSION, CAPTION_VERSION, CROP_MARGINS, seed, spoiled_share, CHUNK])
    header = folder / "pool.json"
    folder.mkdir(parents=True, exist_ok=True)
    with only_writer(folder):  # two would append to one file
        if not (header.exists() and read_json(header)["identity"] == identity):
            for old in (*folder.glob("labels_*"), folder / IMAGES_FILE):
                old.unlink(missing_ok=True)
            write_json(header, {"identity": identity})
        ready = _count_ready(folder)
        if ready < chunks:
            yield Info(f"rendering phantoms {ready * CHUNK} to {chunks * CHUNK} into {folder}")
            missing = range(ready, chunks)
            yield from _render(folder, missing, seed=seed, spoiled_share=spoiled_share, processes=processes)
    return read_pool(folder, count=count)


def read_pool(folder: Path, *, count: int) -> Pool:
    """The first `count` phantoms of a rendered pool; the pixels stay on disk until they are used."""
    chunks = count // CHUNK
    labels = [np.load(_labels_path(folder, number)) for number in range(chunks)]
    texts = [read_json(_labels_path(folder, number).with_suffix(".json")) for number in range(chunks)]
    pixels = np.memmap(folder / IMAGES_FILE, np.uint8, mode="r", shape=(chunks * CHUNK, SIDE, SIDE, 3))
    return Pool(
        images=pixels,
        captions=[caption for text in texts for caption in text["captions"]],
        phases=np.concatenate([rows["phases"] for rows in labels]),
        parameters=np.concatenate([rows["parameters"] for rows in labels]),
        faults=np.concatenate([rows["faults"] for rows in labels]),
        names=texts[0]["names"],
    )


def _labels_path(folder: Path, number: int) -> Path:
    return folder / f"labels_{number:05d}.npz"


def _count_ready(folder: Path) -> int:
    """Count the chunks that are whole."""
    ready = 0
    while _labels_path(folder, ready).exists():
        ready += 1
    return ready


def _render(folder: Path, chunks: range, *, seed: int, spoiled_share: float, processes: int) -> Work[None]:
    """Append `chunks` to the pool, after dropping the pixels of a chunk that a stop cut short."""
    draw = partial(draw_chunk, seed=seed, spoiled_share=spoiled_share)
    if (folder / IMAGES_FILE).exists():
        os.truncate(folder / IMAGES_FILE, chunks.start * CHUNK * SIDE * SIDE * 3)
    pool = ProcessPoolExecutor(processes, initializer=end_with_parent)
    with pool as workers, (folder / IMAGES_FILE).open("ab") as pixels:
        for number, chunk in zip(chunks, workers.map(draw, [CHUNK * number for number in chunks]), strict=True):
            pixels.write(np.ascontiguousarray(chunk["images"]).tobytes())
            pixels.flush()
            os.fsync(pixels.fileno())
            path = _labels_path(folder, number)
            write_json(path.with_suffix(".json"), {"captions": chunk["captions"], "names": list(chunk["names"])})
            arrays = {key: np.asarray(chunk[key]) for key in ("phases", "parameters", "faults")}
            content = io.BytesIO()
            np.savez(content, **arrays)  # type: ignore[arg-type]  # stub: takes them for allow_pickle
            write_bytes(path, content.getvalue())
            if (number + 1) % 10 == 0:
                yield Info(f"{(number + 1) * CHUNK} of {chunks.stop * CHUNK} phantoms")
