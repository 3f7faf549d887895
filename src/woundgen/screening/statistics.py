"""The statistics of one image against a set of references, a column each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from woundgen.copies.search import Matches
from woundgen.screening.descriptors import NO_NETWORKS, UsedNetworks
from woundgen.screening.pairwise import Matrix, Pairs
from woundgen.similarity.colour import COLOUR_STATISTICS, colour_statistics
from woundgen.similarity.sharpness import gradient_energy, laplacian_variance

Array = npt.NDArray[np.floating]
Rows = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

COLOUR = tuple(f"whole_{channel}_{name}" for channel in "Lab" for name in ("mean", "sd"))
RANGE = ("whole_L_q10", "whole_L_q90")

# What the joint rule judges; likeness to single references is left to the copy ceiling.
JUDGED = (
    "ssim_mean", "ssim_topk", "perceptual_mean", "perceptual_topk", "sharpness", "fineness", "embedding_nearest",
    "realism", *COLOUR, *RANGE,
)  # fmt: skip

# Distances, ratios of distances and spreads are skewed: they are judged by their logarithm. As they are, the
# long tail of one of them (b* spread) sets the joint threshold for all, and blurred photographs pass below it.
LOGARITHMIC = frozenset(
    {"perceptual_mean", "perceptual_topk", "perceptual_nearest", "embedding_nearest", "realism"}
    | {name for name in COLOUR if name.endswith("_sd")}
)

COPY_PLACES = "copy_places"
"""Places of an image that agree with one reference under one similarity transform (copies.verify)."""
COPY_LAYOUT = "copy_layout"
"""Correlation of an image's layout with that of the reference that is most like it (copies.layout)."""

TINY = 1e-12  # keeps logarithms of a variance or distance of 0 finite


@dataclass(frozen=True, slots=True)
class Statistics:
    """columns: name -> [N]. nearest: name -> [N] rows of the reference that a best match is of.

    Of references against each other also: same_scene_pairs, pairs of different groups that show one scene, and
    crowded, the share of references that match many others (copies.search.SharedScenes). networks: those that
    distances were taken in.
    """

    columns: Mapping[str, npt.NDArray[np.float64]]
    nearest: Mapping[str, Rows]
    same_scene_pairs: int = 0
    crowded: float = 0.0
    networks: UsedNetworks = NO_NETWORKS

    def __len__(self) -> int:
        return len(self.columns["ssim_mean"])

    def judged(self) -> tuple[str, ...]:
        return tuple(name for name in JUDGED if name in self.columns)


def image_columns(images: Array) -> dict[str, npt.NDArray[np.float64]]:
    """Of each image [N, H, W, 3] in 0..1 alone: sharpness, fineness; L*, a*, b* mean, sd; range of L*.

    sharpness: log of the Laplacian's variance. fineness: the same less the log of the gradient's energy, which
    takes out how much there is to be seen: it differs less between photographs, and blur lowers it.
    """
    colours = colour_statistics(images)
    columns = {name: colours[:, COLOUR_STATISTICS.index(name)] for name in (*COLOUR, *RANGE)}
    sharpness = np.log(laplacian_variance(images) + TINY)
    fineness = sharpness - np.log(gradient_energy(images) + TINY)
    return {"sharpness": sharpness, "fineness": fineness, **columns}


def summarise(
    images: Mapping[str, npt.NDArray[np.float64]],
    pairs: Pairs,
    copies: Matches,
    radii: Matrix,
    *,
    apart: Mask,
    k: int = 5,
) -> Statistics:
    """Columns of `images` (image_columns) and of `pairs` [N, M], over the references that are `apart` [N, M].

    copies: agreeing places and layout, each with the reference that matches best (copies.search). radii: [M] or,
    where they differ by image, [N, M] (sphere_radii). k: how many of the nearest `topk` averages, fewer where fewer
    are.
    """
    columns, nearest = dict(images), {COPY_PLACES: copies.nearest, COPY_LAYOUT: copies.nearest_layout}
    columns |= dict(zip(("ssim_mean", "ssim_topk", "ssim_max"), _levels(pairs.ssim, apart, k, sign=-1), strict=True))
    columns |= {COPY_PLACES: copies.places.astype(np.float64), COPY_LAYOUT: copies.layout}
    nearest["ssim_max"] = np.where(apart, pairs.ssim, -np.inf).argmax(axis=1)
    if pairs.perceptual is not None and pairs.perceptual_either is not None:
        names = ("perceptual_mean", "perceptual_topk", "perceptual_min")
        columns |= dict(zip(names, _levels(pairs.perceptual, apart, k, sign=1), strict=True))
        columns["perceptual_nearest"], nearest["perceptual_nearest"] = _nearest(pairs.perceptual_either, apart)
    columns["embedding_nearest"], nearest["embedding_nearest"] = _nearest(pairs.embedding_either, apart)
    columns["realism"] = realism(pairs.embedding, radii, apart=apart)
    return Statistics(columns, nearest)


def _levels(values: Matrix, apart: Mask, k: int, *, sign: int) -> tuple[npt.NDArray[np.float64], ...]:
    """Mean over references, mean over the k nearest, and the nearest; sign -1 where larger is nearer."""
    ordered = np.sort(np.where(apart, sign * values, np.inf), axis=1)[:, :k]
    topk = np.mean(ordered, axis=1, where=np.isfinite(ordered))
    return values.mean(axis=1, where=apart), sign * topk, sign * ordered[:, 0]


def _nearest(distances: Matrix, apart: Mask) -> tuple[npt.NDArray[np.float64], Rows]:
    masked = np.where(apart, distances, np.inf)
    return masked.min(axis=1), masked.argmin(axis=1)


def realism(distances: Matrix, radii: Matrix, *, apart: Mask) -> npt.NDArray[np.float64]:
    """[N]: largest ratio of a reference's radius to the distance from it; 1 or more is inside a sphere.

    Kynkaanniemi et al. 2019, eq. 3, over the half of the spheres that are smallest, as there.
    """
    sizes = np.where(apart, np.broadcast_to(radii, distances.shape), np.nan)
    small = sizes <= np.nanmedian(sizes, axis=1, keepdims=True)
    return np.where(small, sizes / np.maximum(distances, TINY), 0.0).max(axis=1)


def sphere_radii(distances: Matrix, codes: Rows, *, k: int = 3, without: int | None = None) -> Matrix:
    """[M] distance of each reference to the k-th nearest of another group, the group `without` left out.

    0 where there are fewer: a sphere that holds nothing. distances [M, M]; k = 3 as in the paper.
    """
    gone = codes == without if without is not None else np.zeros(len(codes), bool)
    masked = np.where((codes[:, None] == codes) | gone, np.inf, distances)
    radii = np.partition(masked, k - 1, axis=1)[:, k - 1]
    return np.where(np.isfinite(radii), radii, 0.0)
