"""Compare wound phantoms with real photographs, and the phases with one another.

    python scripts/measure_phantoms.py --real ../shared/data/foot_ulcers

Prints per-image statistics (median and share of phantoms inside the 5..95 % band of the real crops), mean
SSIM of pairs, pooled Lab quantiles, and the recall of phases I and R by a logistic regression on colour.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, laplace
from skimage.color import rgb2lab
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from woundgen.phantoms import draw_phantoms

SIZE = 128
MARGIN = 1.6
"""Side of a crop in units of the longer side of the wound's box."""


def real_crops(folder: Path) -> np.ndarray:
    """Square crops round the boxes of metadata.csv, uint8 [N, SIZE, SIZE, 3]."""
    crops = []
    with (folder / "metadata.csv").open() as table:
        for row in csv.DictReader(table):
            image = Image.open(folder / row["file_name"]).convert("RGB")
            x0, y0, x1, y1 = (int(row[name]) for name in ("x_min", "y_min", "x_max", "y_max"))
            side = min(MARGIN * max(x1 - x0, y1 - y0), *image.size)
            left = min(max((x0 + x1 - side) / 2, 0), image.width - side)
            top = min(max((y0 + y1 - side) / 2, 0), image.height - side)
            box = (left, top, left + side, top + side)
            crops.append(np.asarray(image.resize((SIZE, SIZE), Image.Resampling.LANCZOS, box=box)))
    return np.stack(crops)


def luminance(images: np.ndarray) -> np.ndarray:
    """Rec. 601 luma in 0..255, float32 [N, S, S]."""
    return images.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)


def spectrum_slope(luma: np.ndarray) -> float:
    """Slope of log power over log radial frequency, 3 to 50 cycles a frame, Hann window."""
    window = np.outer(np.hanning(SIZE), np.hanning(SIZE))
    power = np.abs(np.fft.fft2((luma - luma.mean()) * window)) ** 2
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(SIZE, 1 / SIZE)] * 2)).round().astype(int).ravel()
    radial = np.bincount(frequency, power.ravel()) / np.bincount(frequency)
    band = np.arange(3, 51)
    return float(np.polyfit(np.log(band), np.log(radial[band] + 1e-9), 1)[0])


def laplacian_variance(luma: np.ndarray) -> float:
    return float(laplace(luma).var())


def mean_ssim(lumas: np.ndarray, pairs: int = 400) -> float:
    """Mean structural similarity (gaussian window, sigma 1.5) of random pairs of different images."""
    rng, c1, c2 = np.random.default_rng(0), 2.55**2, 7.65**2
    first = rng.integers(len(lumas), size=pairs)
    second = (first + rng.integers(1, len(lumas), size=pairs)) % len(lumas)

    def local(field: np.ndarray) -> np.ndarray:
        return gaussian_filter(field, (0, 1.5, 1.5), truncate=3.5)

    a, b = lumas[first].astype(float), lumas[second].astype(float)
    ma, mb = local(a), local(b)
    va, vb, cov = local(a * a) - ma**2, local(b * b) - mb**2, local(a * b) - ma * mb
    ssim = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    return float(ssim.mean())


def colour_statistics(images: np.ndarray) -> np.ndarray:
    """Lab mean, deviation and 10/50/90 % quantiles of the frame and of its central half, [N, 30]."""
    lab = rgb2lab(images).astype(np.float32)
    quarter = images.shape[1] // 4
    columns = []
    for region in (lab, lab[:, quarter:-quarter, quarter:-quarter]):
        pixels = region.reshape(len(lab), -1, 3)
        columns += [pixels.mean(1), pixels.std(1), *np.quantile(pixels, (0.1, 0.5, 0.9), axis=1)]
    return np.concatenate(columns, axis=1)


def phase_recalls(fit: int = 600, held_out: int = 400, seed: int = 11) -> dict[str, float]:
    """Recall of I and of R on held-out phantoms by colour alone."""
    drawn = draw_phantoms(range(2 * (fit + held_out)), seed=seed, phases=("I", "R"))
    features, labels = colour_statistics(drawn.images), np.array(drawn.phases)
    scaler = StandardScaler().fit(features[: 2 * fit])
    model = LogisticRegression(max_iter=2000).fit(scaler.transform(features[: 2 * fit]), labels[: 2 * fit])
    guessed, truth = model.predict(scaler.transform(features[2 * fit :])), labels[2 * fit :]
    return {phase: float((guessed[truth == phase] == phase).mean()) for phase in ("I", "R")}


def _row(name: str, measure: Callable[[np.ndarray], float], real: np.ndarray, drawn: np.ndarray) -> None:
    ours, theirs = [np.array([measure(image) for image in images]) for images in (drawn, real)]
    low, median, high = np.quantile(theirs, (0.05, 0.5, 0.95))
    inside, rank = np.mean((ours >= low) & (ours <= high)), np.mean(theirs < np.median(ours))
    print(
        f"{name:22s} real {low:8.2f} {median:8.2f} {high:8.2f}   phantom median {np.median(ours):8.2f} "
        f"(at {rank:4.0%} of real, {inside:4.0%} inside)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real", type=Path, required=True, help="folder with metadata.csv and boxes")
    parser.add_argument("--count", type=int, default=380)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    real = real_crops(options.real)
    drawn = draw_phantoms(range(options.count), seed=options.seed, size=SIZE).images
    real_luma, drawn_luma = luminance(real), luminance(drawn)
    _row("spectrum slope", spectrum_slope, real_luma, drawn_luma)
    _row("Laplacian variance", laplacian_variance, real_luma, drawn_luma)
    real_lab, drawn_lab = rgb2lab(real), rgb2lab(drawn)
    for channel, name in enumerate(("L*", "a*", "b*")):
        for q in (0.05, 0.5, 0.95):
            row_name = f"{name} {q:.0%} quantile"
            _row(
                row_name,
                lambda v, q=q: float(np.quantile(v, q)),
                real_lab[..., channel],
                drawn_lab[..., channel],
            )
        pooled = [np.round(np.quantile(lab[..., channel], (0.05, 0.5, 0.95)), 1) for lab in (real_lab, drawn_lab)]
        print(f"{name} pooled 5/50/95 %     real {pooled[0]}   phantom {pooled[1]}")
    print(f"mean SSIM of pairs     real {mean_ssim(real_luma):.3f}   phantom {mean_ssim(drawn_luma):.3f}")
    print("recall by colour      ", {phase: round(value, 3) for phase, value in phase_recalls().items()})


if __name__ == "__main__":
    main()
