"""The camera of a phantom: from the light that reaches it to the photograph it stores."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.ndimage import gaussian_filter

Fields = Mapping[str, np.ndarray]


def photograph(p: Fields, light: np.ndarray, size: int) -> np.ndarray:
    """Planar linear light to uint8 [N, S, S, 3]: exposure, white balance, vignette, defocus and noise."""
    from_centre = np.linspace(-1.0, 1.0, size, dtype=np.float32) ** 2
    radius_squared = from_centre[:, None] + from_centre
    gain = p["exposure"] * (1.0 - p["vignette"] * 0.5 * radius_squared)
    light = light * gain
    light[0] *= p["red_gain"]
    light[2] *= p["blue_gain"]
    light = light * (1.12 / (1.0 + 0.12 * light))
    shown = np.moveaxis(np.sqrt(np.clip(light, 0.0, 1.0)), 0, -1)
    images = np.empty(shown.shape, np.uint8)
    for row, (image, sigma) in enumerate(zip(shown, p["defocus"].ravel(), strict=True)):
        blur = float(sigma) * size
        sharp = gaussian_filter(image, (blur, blur, 0.0), truncate=3.0)
        noise = np.random.default_rng(int(p["noise_seed_exact"][row])).standard_normal(image.shape, np.float32)
        # Demosaicing and compression leave neighbours alike; 1.5 = sqrt(1 + 1 + 0.25) keeps the deviation.
        noise = (noise + np.roll(noise, 1, 0) + 0.5 * np.roll(noise, 1, 1)) * (float(p["noise"][row, 0, 0]) / 1.5)
        images[row] = np.clip((sharp + noise) * 255.0 + 0.5, 0.0, 255.0)
    return images
