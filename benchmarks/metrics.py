"""Ratios of the measuring formulas to the straightforward way, and what grows with the number of images.

    OMP_NUM_THREADS=1 python benchmarks/metrics.py

The slow ways are timed on a sample and extrapolated where they would take many minutes ("~").
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import numpy as np
import torch
from scipy.linalg import sqrtm
from torch.nn.functional import conv2d, pad

from woundgen.metrics.frechet import frechet_distance
from woundgen.metrics.rows import Network
from woundgen.metrics.table import measure_sets
from woundgen.similarity.perceptual import embed, pairwise_squared_distances
from woundgen.similarity.ssim import pairwise_ssim


def seconds(work: Callable[[], object]) -> float:
    """Of processor time: other work on the machine does not count."""
    start = time.process_time()
    work()
    return time.process_time() - start


def peak_megabytes(work: Callable[[], object]) -> float:
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


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
    loop = seconds(lambda: [ssim_of_one_pair(x, y) for _ in range(sample)]) / sample * side**2
    print(f"SSIM {side} x {side} at 128 px, float32 loop: ~{loop:.0f} s")
    for dtype in (np.float64, np.float32):
        ours = seconds(lambda dtype=dtype: pairwise_ssim(left, right, dtype=dtype))
        print(f"SSIM {side} x {side} at 128 px, {dtype.__name__}: {ours:.1f} s, x{loop / ours:.1f}")
    same = seconds(lambda: pairwise_ssim(left, left, dtype=np.float32))
    print(f"SSIM of a set with itself, {side}: {same:.1f} s")


def lpips(rng: np.random.Generator, side: int, sample: int = 20) -> None:
    """The arithmetic after the network, which the loop would besides run 2 N M instead of N + M times."""
    shapes = ((64, 32, 32), (128, 16, 16), (256, 8, 8))
    layers = [rng.standard_normal((side, *shape), dtype=np.float32) for shape in shapes]

    def one_pair(i: int) -> float:
        total = 0.0
        for layer in layers:
            a, b = (one / (np.linalg.norm(one, axis=0) + 1e-10) for one in (layer[i], layer[-1]))
            total += float(((a - b) ** 2).sum(axis=0).mean())
        return total

    loop = seconds(lambda: [one_pair(i) for i in range(sample)]) / sample * side**2

    def ours() -> None:
        vectors = embed(layers)
        pairwise_squared_distances(vectors, vectors)

    took = seconds(ours)
    print(f"LPIPS {side} x {side} after the net: {took:.2f} s; double loop ~{loop:.0f} s, x{loop / took:.0f}")


def frechet(rng: np.random.Generator, n: int = 100, d: int = 2048) -> None:
    x, y = rng.standard_normal((n, d)), rng.standard_normal((n, d)) + 0.1
    took = min(seconds(lambda: frechet_distance(x, y)) for _ in range(5))
    first, second = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    eigen = seconds(lambda: np.linalg.eigvals(first @ second))
    root = seconds(lambda: sqrtm(first @ second))
    print(
        f"FD n = {n}, d = {d}: {1000 * took:.1f} ms; eigvals {eigen:.1f} s, x{eigen / took:.0f}; "
        f"sqrtm {root:.1f} s, x{root / took:.0f}"
    )


def growth(rng: np.random.Generator) -> None:
    references = rng.random((20, 32, 32, 3), dtype=np.float32)
    real = rng.standard_normal((200, 64))
    network = Network("random", "none")
    for count in (100, 1000, 10_000):
        images = rng.random((count, 32, 32, 3), dtype=np.float32)
        features = rng.standard_normal((count, 64))

        def pairs(images: np.ndarray = images) -> np.ndarray:
            return pairwise_ssim(images, references, dtype=np.float32)

        def table(features: np.ndarray = features) -> object:
            return measure_sets(features, real, network=network)

        print(
            f"{count:6d} generated: SSIM to 20 references at 32 px {seconds(pairs):6.1f} s, "
            f"{peak_megabytes(pairs):5.1f} MB; table of 7 metrics {seconds(table):5.1f} s, "
            f"{peak_megabytes(table):6.1f} MB"
        )


if __name__ == "__main__":
    torch.set_num_threads(1)
    generator = np.random.default_rng(0)
    ssim(generator, 200)
    lpips(generator, 200)
    frechet(generator)
    growth(generator)
