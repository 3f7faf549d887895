"""Draw what the screen does with altered copies of phantoms and with other phantoms: copies in, quarantine out.

python scripts/make_copy_figure.py docs/pictures/copy_matches.jpg

The screen is the product's, calibrated on the phantoms that are copied from; the pictures of matches are those that
it writes to the quarantine.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.altered_copies import build_kinds
from woundgen.config.quality import QualityConfig
from woundgen.generation.quarantine import Quarantine
from woundgen.phantoms import draw_phantoms
from woundgen.records import Photo
from woundgen.screening.rules import Rule
from woundgen.storage.files import read_json
from woundgen.workflows.screen.job import Screen, calibrated_on
from woundgen.workflows.screen.networks import choose_networks

KINDS = ("rotation 135", "mirror + zoom 1.3 + colours of another", "wound pasted, tones matched", "blend 50/50")
REFERENCES, FIRST = 40, 10
WIDTH, HEIGHT, TEXT = 620, 250, 38  # two lines of text: a kind's name may be longer than the image is wide


def main(target: Path) -> None:
    phantoms = draw_phantoms(range(FIRST, FIRST + REFERENCES + 3), seed=77).images
    references, others = phantoms[:REFERENCES], phantoms[REFERENCES:]
    names = (*KINDS, "another phantom", "another phantom")
    images = [build_kinds()[kind][1](references[row], others[0], 0) for row, kind in enumerate(KINDS)]
    images = np.stack([*images, *others[1:]]).astype(np.uint8)
    with tempfile.TemporaryDirectory() as temporary:
        screen = build(references)
        verdicts = screen.judge(images, range(len(images)))
        quarantine = Quarantine.beside(Path(temporary) / "set", screen.photographs, screen.explain)
        quarantine.take(images, range(len(images)), verdicts)
        places = [quarantine.folder / f"{number:06d}" for number in range(len(images))]
        tiles = [draw(image, name, place) for image, name, place in zip(images, names, places, strict=True)]
    rows = [np.concatenate(tiles[row : row + 2], axis=1) for row in range(0, len(tiles), 2)]
    Image.fromarray(np.concatenate(rows)).save(target, quality=88)


def build(references: np.ndarray) -> Screen:
    groups = [str(row) for row in range(len(references))]
    networks = choose_networks(QualityConfig())
    known, calibration = calibrated_on(references, groups, QualityConfig(), networks)
    photographs = tuple(Photo(f"phantom_{row}.png", "I", group) for row, group in enumerate(groups))
    return Screen(known, calibration, Rule(policy="report"), "", photographs, references, networks)


def draw(image: np.ndarray, name: str, place: Path) -> np.ndarray:
    """The image that came in, and the quarantine's picture of it, or that it was let through."""
    tile = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen, font = ImageDraw.Draw(tile), ImageFont.load_default(size=14)
    side = HEIGHT - TEXT - 12
    tile.paste(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC), (4, TEXT + 4))
    pen.text((6, 2), f"in: {name}", fill="black", font=font)
    match = place.with_suffix(".match.png")
    if match.exists():
        found = read_json(place.with_suffix(".json"))["match"]
        told = f"quarantine: {found['matched_places']} places agree" + (", mirrored" if found["mirrored"] else "")
        sheet = Image.open(match)
        high = round((WIDTH - side - 24) * sheet.height / sheet.width)
        tile.paste(sheet.resize((WIDTH - side - 24, high), Image.Resampling.LANCZOS), (side + 16, TEXT + 4))
    else:
        told = "let through: no copy"
    pen.text((6, 20), told, fill="black", font=font)
    print(f"{name}: {told}")
    return np.asarray(tile)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
