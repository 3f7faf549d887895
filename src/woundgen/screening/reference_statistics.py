"""From descriptors to statistics: of generated images against references, and of references against each other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from woundgen.copies.search import ReferenceScenes, match_images, match_references, prepare_scenes
from woundgen.errors import UserError
from woundgen.screening.descriptors import Descriptors, Rows, distinct_rows
from woundgen.screening.pairwise import Norms, Pairs, compare, moments_of, norms_of
from woundgen.screening.statistics import Statistics, image_columns, sphere_radii, summarise
from woundgen.similarity.groups import Groups, group_codes
from woundgen.similarity.neighbours import euclidean_distances
from woundgen.similarity.ssim import ImageMoments

FEWEST = 10
SMALLEST_SIDE = 32
FEWEST_OTHERS = 5  # photographs of other patients, for each; k nearest are taken among them


@dataclass(frozen=True, slots=True)
class References:
    """Real photographs without near duplicates, ready to measure against.

    codes [M]: group of each. rows [M]: where each stood in the set given; statistics name those rows.
    duplicates: how many were left out. moments, norms: of each image, for SSIM and
    perceptual distance with any other.
    """

    descriptors: Descriptors
    codes: Rows
    rows: Rows
    duplicates: int
    scenes: ReferenceScenes
    moments: ImageMoments
    norms: Norms | None

    def __len__(self) -> int:
        return len(self.rows)


def prepare_references(descriptors: Descriptors, groups: Groups | None = None) -> References:
    """Leave out near duplicates and prepare the rest. Raises UserError for fewer than 10, or one patient's."""
    if min(descriptors.images.shape[1:3]) < SMALLEST_SIDE:
        raise UserError(f"Screening needs images of at least {SMALLEST_SIDE} pixels a side.", "Raise resolution.")
    rows = distinct_rows(descriptors.images) if len(descriptors) else np.empty(0, np.intp)
    duplicates = len(descriptors) - len(rows)
    if len(rows) < FEWEST:
        left_out = f" after {duplicates} near duplicates" if duplicates else ""
        raise UserError(
            f"{len(rows)} reference photographs{left_out} are too few to calibrate a filter.",
            f"Give {FEWEST} or more.",
        )
    codes = group_codes(groups, len(descriptors))[rows]
    others = len(rows) - int(np.bincount(codes).max())
    if others < FEWEST_OTHERS:
        raise UserError(
            f"One patient has all but {others} of the {len(rows)} reference photographs.",
            f"Give {FEWEST_OTHERS} or more of other patients, or set no group.",
        )
    kept = descriptors.take(rows)
    return References(kept, codes, rows, duplicates, prepare_scenes(kept.scenes), moments_of(kept), norms_of(kept))


def measure(images: Descriptors, references: References, *, k: int = 5) -> Statistics:
    """Of N images against all references. Call it for a block of images at a time to bound memory."""
    pairs = compare(images, references.descriptors, references.moments, references.norms)
    apart = np.ones(pairs.ssim.shape, bool)
    copies = match_images(images.scenes, references.scenes)
    pooled = references.descriptors.pooled
    radii = sphere_radii(euclidean_distances(pooled, pooled), references.codes)
    found = summarise(image_columns(images.images), pairs, copies, radii, apart=apart, k=k)
    return _in_given_rows(replace(found, networks=images.networks), references)


def measure_references(references: References, *, k: int = 5) -> Statistics:
    """Of each reference against those of other groups: as if it were new and its patient unknown."""
    own = references.descriptors
    pairs = compare(own, own, references.moments, references.norms)
    apart = references.codes[:, None] != references.codes
    shared = match_references(references.scenes, references.codes)
    radii = _radii_without_own_group(pairs, references.codes)
    found = summarise(image_columns(own.images), pairs, shared.matches, radii, apart=apart, k=k)
    found = replace(found, same_scene_pairs=shared.pairs, crowded=shared.crowded, networks=own.networks)
    return _in_given_rows(found, references)


def _radii_without_own_group(pairs: Pairs, codes: Rows) -> np.ndarray:
    """[M, M]: row i holds the radii the references would have had without the group of i."""
    by_group = {code: sphere_radii(pairs.embedding, codes, without=int(code)) for code in np.unique(codes)}
    return np.stack([by_group[code] for code in codes])


def _in_given_rows(statistics: Statistics, references: References) -> Statistics:
    return replace(statistics, nearest={name: references.rows[at] for name, at in statistics.nearest.items()})
