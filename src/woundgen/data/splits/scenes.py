"""Photographs of a scene count as a single patient where ids are missing; two named patients are never joined."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from woundgen.copies.scene import Scene, describe_scene
from woundgen.copies.search import match_references, prepare_scenes
from woundgen.data.files.images import decode_photograph, read_file
from woundgen.data.pixels.padding import content_box
from woundgen.data.splits.split import CLUSTER
from woundgen.events import Progress, Work
from woundgen.records import Photo

JOINED = 0.5
"""Share of the pairs between two clusters that have to match for the two to be joined."""


@dataclass(frozen=True, slots=True)
class SceneGroups:
    """photos: in their order, with groups filled. joined: photographs that got the group of others.

    crowded: share of the photographs that match many others; above a half nothing is joined.
    """

    photos: list[Photo]
    joined: int
    crowded: float


def join_scenes(photos: Sequence[Photo], *, roots: Sequence[Path]) -> Work[SceneGroups]:
    """Give photographs of unknown patients the group of those that show the same scene; a group that is known stays.

    Reads every photograph where any lacks a patient. Those that match each other alone get a CLUSTER group, named after
    their files' content. Of photographs of which most match many others (a ruler, a label) none is joined.
    """
    paths = list(dict.fromkeys(photo.path for photo in photos))
    known = {photo.path: photo.group for photo in photos if photo.group is not None}
    if len(known) == len(paths):
        return SceneGroups(list(photos), 0, 0.0)
    digests: list[str] = []
    scenes: list[Scene] = []
    for number, path in enumerate(paths, start=1):
        digest, described = _describe(Path(path), roots=roots)
        digests.append(digest)
        scenes.append(described)
        yield Progress(number, len(paths), "looking for photographs of the same scene")
    shared = match_references(prepare_scenes(scenes), np.arange(len(paths)))
    if shared.crowded > 0.5:
        return SceneGroups(list(photos), 0, shared.crowded)
    groups = name_scenes(paths, known, digests, shared.same)
    filled = [replace(photo, group=photo.group or groups.get(photo.path)) for photo in photos]
    joined = len({photo.path for photo in filled if photo.group is not None}) - len(known)
    return SceneGroups(filled, joined, shared.crowded)


def name_scenes(
    paths: Sequence[str], known: Mapping[str, str], digests: Sequence[str], same: npt.NDArray[np.bool_]
) -> dict[str, str]:
    """Group of each path of unknown patient that shares a scene; same [N, N]: which pairs do.

    A cluster takes the patient whom most of its photographs match, if half of them do.
    """
    free = [row for row, path in enumerate(paths) if path not in known]
    named = [row for row, path in enumerate(paths) if path in known]
    clusters = cluster_scenes(same[np.ix_(free, free)])
    groups: dict[str, str] = {}
    for cluster in np.unique(clusters):
        members = [row for row, number in zip(free, clusters, strict=True) if number == cluster]
        patients = Counter(
            patient for row in members for patient in {known[paths[at]] for at in named if same[row, at]}
        )
        patient, votes = min(patients.items(), key=lambda item: (-item[1], item[0]), default=("", 0))
        if votes >= JOINED * len(members):
            groups |= {paths[row]: patient for row in members}
        elif len(members) > 1:
            name = CLUSTER + min(digests[row] for row in members)[:16]
            groups |= {paths[row]: name for row in members}
    return groups


def cluster_scenes(same: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Cluster of each photograph, from the pairs [N, N] that were verified to show the same scene.

    Average linkage (Sokal & Michener 1958): two clusters are joined while at least JOINED of the pairs between them
    match. So a chain of single matches, which would join a whole clinic, is cut.
    """
    if len(same) < 2:
        return np.arange(len(same))
    distances = squareform(1.0 - (same | same.T), checks=False)
    return np.asarray(fcluster(linkage(distances, "average"), JOINED + 1e-9, "distance") - 1, np.intp)


def _describe(path: Path, *, roots: Sequence[Path]) -> tuple[str, Scene]:
    content = read_file(path, roots=roots)
    pixels = decode_photograph(content, name=str(path))
    inner = content_box(pixels)
    shown = pixels[inner.y_min : inner.y_max, inner.x_min : inner.x_max]
    return hashlib.sha256(content).hexdigest(), describe_scene(shown)
