"""From the size a model draws at to the size that is asked for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def reduced(images: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """uint8 [N, S, S, 3] -> [N, side, side, 3], antialiased (Lanczos), as photographs are prepared."""
    if images.shape[1] == side:
        return images
    one = (np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS)) for image in images)
    return np.stack(list(one))
