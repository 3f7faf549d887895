"""The picture at the top of README from a finished demo.

python scripts/make_pictures.py demo docs/pictures
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

COLUMNS = 10


def images(folder: Path) -> list[np.ndarray]:
    return [np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.glob("*.png"))[:COLUMNS]]


def demo_picture(demo: Path, target: Path) -> None:
    """Four rows: phantoms of each phase that stood for photographs, and what its adapter draws."""
    rows = {
        "phase I: phantoms": images(demo / "photographs" / "I" / "images"),
        "phase I: generated": images(demo / "generated" / "phase_I" / "images"),
        "phase R: phantoms": images(demo / "photographs" / "R" / "images"),
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
