"""The picture at the top of README: rendered wounds above, what the shipped base draws from captions of others below.

python scripts/make_pictures.py docs/pictures        # base.png, a minute of one core
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from woundgen.generation.in_memory import draw_images
from woundgen.models.base import EMBEDDED, load_base
from woundgen.reporting.pictures import image_grid
from woundgen.workflows.rebuild.model_card import draw_card_phantoms, write_prompts

COLUMNS, COUNT, OTHERS = 10, 20, 200
"""Images a row, images shown of each kind, and the first of the phantoms whose captions are not drawn from."""

PHANTOM_SEED, CAPTION_SEED, DRAW_SEED, STEPS = 955_001, 5, 3, 15
BAND = np.full((8, COLUMNS * 128, 3), 255, np.uint8)


def main(target: Path) -> None:
    described = draw_card_phantoms(range(COUNT), seed=PHANTOM_SEED)
    prompts = write_prompts(described, count=COUNT, seed=CAPTION_SEED)
    drawn = draw_images(
        load_base(EMBEDDED), count=COUNT, prompt=prompts, negative_prompt="", guidance_scale=1.0, steps=STEPS,
        seed=DRAW_SEED, size=128,
    )  # fmt: skip
    rendered = draw_card_phantoms(range(OTHERS, OTHERS + COUNT), seed=PHANTOM_SEED).images
    rows = [image_grid(images, columns=COLUMNS, gap=0) for images in (rendered, drawn)]
    Image.fromarray(np.concatenate([rows[0], BAND, rows[1]])).save(target / "base.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
