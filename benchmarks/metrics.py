"""Ratios of the measuring formulas to the straightforward way, and what grows with the number of images.

    OMP_NUM_THREADS=1 python benchmarks/metrics.py

The slow ways are timed on a sample and extrapolated where they would take many minutes ("~").
"""

from __future__ import annotations

import numpy as np
import torch
from harness import measure_seconds, resident_megabytes
from scipy.linalg import sqrtm
from torch.nn.functional import conv2d, pad

from woundgen.features.load import load_extractor
from woundgen.features.lpips import CHANNELS, Trunk, lpips_extractor
from woundgen.metrics.frechet import frechet_distance
from woundgen.metrics.measure import RealSets, measure_images, perceptual_between
from woundgen.metrics.prepared import PreparedImages
from woundgen.records import Preparation
from woundgen.similarity.ssim import pairwise_ssim


def ssim_of_one_pair(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """As torchmetrics does: five depthwise 11 x 11 convolutions over reflected images [1, 3, H, W]."""
    taps = torch.exp(-((torch.arange(11.0) - 5) ** 2) / (2 * 1.5**2))
    window = (torch.outer(taps, taps) / taps.sum() ** 2).expand(3, 1, 11, 11)
    x, y = pad(x, (5, 5, 5, 5), mode="reflect"), pad(y, (5, 5, 5, 5), mode="reflect")
    mx, my, xx, yy, xy = conv2d(torch.cat((x, y, x * x, y * y, x * y)), window, groups=3)
    luminance = (2 * mx * my + 1e-4) / (mx**2 + my**2 + 1e-4)
    return (luminance * (2 * (xy - mx * my) + 9e-4) / (xx - mx**2 + yy - my**2 + 9e-4)).mean()


def ssim(rng: np.random.Generator, side: int, sample: int = 100) -> None:
    left, right = (rng.random((side, 128, 128, 3), dtype=np.float32) for _ in range(2))
    x, y = (torch.from_numpy(images[:1]).permute(0, 3, 1, 2).contiguous() for images in (left, right))
    loop = measure_seconds(lambda: [ssim_of_one_pair(x, y) for _ in range(sample)]) / sample * side**2
    print(f"SSIM {side} x {side} at 128 px, float32 loop: ~{loop:.0f} s")
    for dtype in (np.float64, np.float32):
        ours = measure_seconds(lambda dtype=dtype: pairwise_ssim(left, right, dtype=dtype))
        print(f"SSIM {side} x {side} at 128 px, {dtype.__name__}: {ours:.1f} s, x{loop / ours:.1f}")
    same = measure_seconds(lambda: pairwise_ssim(left, left, dtype=np.float32))
    print(f"SSIM of a set with itself, {side}: {same:.1f} s")


def lpips(rng: np.random.Generator, side: int, name: str, pixels: int = 128, sample: int = 4) -> None:
    """Random weights of the true architecture: their values do not alter the time.

    The naive double loop passes both images of each pair through the network; ours each image once.
    """
    trunk = Trunk(name)
    linear = {i: torch.rand(channels) for i, channels in enumerate(CHANNELS[name])}
    network = lpips_extractor(name, trunk, linear, "random")
    left, right = (rng.integers(0, 256, (side, pixels, pixels, 3), dtype=np.uint8) for _ in range(2))

    def one_pair(i: int) -> float:
        total = 0.0
        pairs = zip(network.layers(left[i : i + 1]), network.layers(right[i : i + 1]), strict=True)
        for layer, (a, b) in enumerate(pairs):
            unit = [one / (np.linalg.norm(one, axis=1, keepdims=True) + 1e-10) for one in (a, b)]
            total += float((linear[layer].numpy()[:, None, None] * (unit[0] - unit[1]) ** 2).sum(axis=1).mean())
        return total

    loop = measure_seconds(lambda: [one_pair(i) for i in range(sample)]) / sample * side**2
    took = measure_seconds(lambda: perceptual_between(network)(left, right))
    print(
        f"LPIPS ({name}) {side} x {side} at {pixels} px: {took:.0f} s; double loop ~{loop / 60:.0f} min, "
        f"x{loop / took:.0f}; peak memory of the process so far {resident_megabytes():.0f} MB"
    )


def frechet(rng: np.random.Generator, n: int = 100, d: int = 2048) -> None:
    x, y = rng.standard_normal((n, d)), rng.standard_normal((n, d)) + 0.1
    took = min(measure_seconds(lambda: frechet_distance(x, y)) for _ in range(5))
    first, second = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    eigen = measure_seconds(lambda: np.linalg.eigvals(first @ second))
    root = measure_seconds(lambda: sqrtm(first @ second))
    print(
        f"FD n = {n}, d = {d}: {1000 * took:.1f} ms; eigvals {eigen:.1f} s, x{eigen / took:.0f}; "
        f"sqrtm {root:.1f} s, x{root / took:.0f}"
    )


def growth(rng: np.random.Generator, pixels: int = 32) -> None:
    """The whole of `evaluate`'s measuring, with the shipped network: 100 to 10,000 generated, 100 photographs."""
    network = load_extractor("embedded")
    prepared = Preparation(pixels, None, False, 1)
    real = RealSets(rng.integers(0, 256, (100, pixels, pixels, 3), dtype=np.uint8), prepared)
    for count in (100, 1000, 10_000):
        images = rng.integers(0, 256, (count, pixels, pixels, 3), dtype=np.uint8)

        def measure(images: np.ndarray = images) -> object:
            return measure_images([network], generated=PreparedImages(images, prepared), real=real, artefacts=False)

        took = measure_seconds(measure)
        beyond = resident_megabytes() - images.nbytes / 2**20
        print(
            f"{count:6d} generated against 100 photographs at {pixels} px: {took:6.1f} s, "
            f"{1000 * took / count:6.1f} ms an image; peak memory beyond the images {beyond:.0f} MB"
        )


if __name__ == "__main__":
    torch.set_num_threads(1)
    generator = np.random.default_rng(0)
    growth(generator)  # first: the peak of memory is of the whole process
    frechet(generator)
    ssim(generator, 200)
    for name in ("lpips-alex", "lpips-vgg"):
        lpips(generator, 200, name)
