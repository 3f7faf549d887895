"""The picture at the top of README from a finished demo.

python scripts/make_pictures.py demo docs/pictures
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from woundgen.config.load import load_train_config
from woundgen.data.pixels.crop import crop_to_box
from woundgen.records import Box
from woundgen.workflows.demo.job import PRESET

COLUMNS, SIDE = 10, 128


def framed_phantoms(folder: Path) -> list[np.ndarray]:
    """Phantoms as training sees them: cropped to the wound's box with its margin."""
    margin = load_train_config(PRESET).box_margin
    cropped = []
    with (folder / "metadata.csv").open() as table:
        for row in list(csv.DictReader(table))[:COLUMNS]:
            box = Box(*(int(row[edge]) for edge in ("x_min", "y_min", "x_max", "y_max")))
            pixels = np.asarray(Image.open(folder / row["file_name"]).convert("RGB"))
            crop = Image.fromarray(crop_to_box(pixels, box, margin=margin))
            cropped.append(np.asarray(crop.resize((SIDE, SIDE), Image.Resampling.LANCZOS)))
    return cropped


def images(folder: Path) -> list[np.ndarray]:
    return [np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.glob("*.png"))[:COLUMNS]]


def demo_picture(demo: Path, target: Path) -> None:
    """Four rows: phantoms of each phase that stood for photographs, and what its adapter draws."""
    rows = {
        "phase I: phantoms": framed_phantoms(demo / "photographs" / "I"),
        "phase I: generated": images(demo / "generated" / "phase_I" / "images"),
        "phase R: phantoms": framed_phantoms(demo / "photographs" / "R"),
        "phase R: generated": images(demo / "generated" / "phase_R" / "images"),
    }
    figure = Figure(figsize=(COLUMNS * 1.28, len(rows) * 1.42), dpi=100)
    axes = figure.subplots(len(rows), 1)
    for axis, (name, row) in zip(axes, rows.items(), strict=True):
        axis.imshow(np.concatenate(row, axis=1), interpolation="nearest")
        axis.set_title(name, loc="left", fontsize=9, pad=3)
        axis.axis("off")
    figure.subplots_adjust(0, 0, 1, 0.965, hspace=0.12)
    target.mkdir(parents=True, exist_ok=True)
    figure.savefig(target / "demo.png", facecolor="white")


if __name__ == "__main__":
    demo_picture(Path(sys.argv[1]), Path(sys.argv[2]))
