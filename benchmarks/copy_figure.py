"""Draw how altered copies of phantoms are laid on their originals, as the quarantine shows it.

python benchmarks/copy_figure.py --out docs/pictures/copy_matches.jpg
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from attack_kinds import build_kinds
from PIL import Image

from woundgen.copies.keypoints import detect_keypoints
from woundgen.copies.picture import draw_match
from woundgen.copies.verify import verify_copy
from woundgen.phantoms import draw_phantoms

KINDS = ("rotation 135", "mirror + zoom 1.3 + colours of another", "wound pasted, tones matched", "blend 50/50")
WIDTH = 520


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    phantoms = draw_phantoms(range(10, 10 + len(KINDS) + 1), seed=77).images
    sheets = [draw(phantoms[row], phantoms[row + 1], kind) for row, kind in enumerate(KINDS)]
    pairs = [np.concatenate(sheets[row : row + 2], axis=1) for row in range(0, len(sheets), 2)]
    Image.fromarray(np.concatenate(pairs)).save(parser.parse_args().out, quality=88)


def draw(photograph: np.ndarray, other: np.ndarray, kind: str) -> np.ndarray:
    copy = np.ascontiguousarray(build_kinds()[kind][1](photograph, other, 0))
    match = verify_copy(detect_keypoints(copy), detect_keypoints(photograph))
    print(f"{kind}: {match.score} places, mirrored {match.mirrored}")
    sheet = Image.fromarray(draw_match(copy, photograph, match))
    small = sheet.resize((WIDTH, round(sheet.height * WIDTH / sheet.width)), Image.Resampling.LANCZOS)
    return np.pad(np.asarray(small), ((4, 4), (4, 4), (0, 0)), constant_values=255)


if __name__ == "__main__":
    main()
