"""Pictures as pixels: read from files, laid out in grids, written into pages. Nothing but pixels is kept."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from woundgen.data.files.images import read_photograph

Pixels = npt.NDArray[np.uint8]

JPEG_QUALITY = 95  # with full colour resolution: no difference to be seen, a quarter of the bytes of PNG
_GAP, _LABEL_HEIGHT = 4, 16


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """pixels: uint8 [H, W, 3]. caption: a few words below it, or none."""

    pixels: Pixels
    caption: str = ""

    def __post_init__(self) -> None:
        assert self.pixels.dtype == np.uint8
        assert self.pixels.ndim == 3, "pixels are [H, W, 3]"

    @property
    def source(self) -> str:
        return data_uri(jpeg_bytes(self.pixels), "image/jpeg")


def read_picture(path: Path, *, root: Path, caption: str = "") -> Picture:
    """Raises UserError where the file is no image or leads out of `root`, as by a link to a photograph."""
    return Picture(read_photograph(path, roots=[root]), caption)


def jpeg_bytes(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()


def data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def image_grid(
    images: Sequence[Pixels] | Pixels, *, columns: int, labels: Sequence[str] = (), gap: int = _GAP
) -> Pixels:
    """Images of one size uint8 [H, W, 3], row by row on white, labels (as many, or none) below each."""
    assert len(images), "no images"
    assert not labels or len(labels) == len(images), "a label for each image, or none"
    height, width = images[0].shape[:2]
    below = _LABEL_HEIGHT if labels else 0
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    size = (columns * (width + gap) - gap, rows * (height + below + gap) - gap)
    canvas = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=11)
    for i, image in enumerate(images):
        assert image.shape == images[0].shape, "images of one size"
        x, y = i % columns * (width + gap), i // columns * (height + below + gap)
        canvas.paste(Image.fromarray(np.ascontiguousarray(image)), (x, y))
        if labels:
            draw.text((x, y + height + 1), labels[i], fill="#333333", font=font)
    return np.array(canvas)
