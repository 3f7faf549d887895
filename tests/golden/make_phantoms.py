"""Draws tests/golden/phantoms_v1.png: 16 phantoms, the picture by which the renderer is frozen.

    python tests/golden/make_phantoms.py

Run it only together with a new RENDERER_VERSION.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from woundgen.phantoms import RENDERER_VERSION, draw_phantoms

COLUMNS, ROWS, SIZE, SEED = 4, 4, 128, 2026


def sheet() -> np.ndarray:
    """uint8 [ROWS * SIZE, COLUMNS * SIZE, 3]."""
    images = draw_phantoms(range(ROWS * COLUMNS), seed=SEED, size=SIZE).images
    grid = images.reshape(ROWS, COLUMNS, SIZE, SIZE, 3).swapaxes(1, 2)
    return grid.reshape(ROWS * SIZE, COLUMNS * SIZE, 3)


if __name__ == "__main__":
    Image.fromarray(sheet()).save(Path(__file__).parent / f"phantoms_v{RENDERER_VERSION}.png", optimize=True)
