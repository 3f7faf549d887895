"""Typed rows that stages exchange, and the registry of metrics. No torch, no files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

Direction = Literal["higher", "lower", "none"]
Split = Literal["train", "validation", "holdout"]
PredictionType = Literal["epsilon", "v_prediction", "sample"]
SamplerName = Literal["dpmsolver++", "ddim", "euler"]
Phase = Literal["I", "P", "R"]
"""Phases of healing: inflammatory, proliferative, remodeling."""
PHASES: tuple[str, ...] = get_args(Phase)


@dataclass(frozen=True, slots=True)
class Metric:
    """One entry of the registry: what a number is called, which way is better, how many images it needs."""

    name: str
    title: str
    better: Direction
    minimum_n: int
    version: int
    source: str


def _registry(*entries: Metric) -> dict[str, Metric]:
    return {entry.name: entry for entry in entries}


METRICS: dict[str, Metric] = _registry(
    Metric("val_loss", "validation loss", "lower", 1, 1, "fixed images, timesteps and noise"),
    Metric("fd", "FD", "lower", 2, 1, "Frechet distance, Dowson & Landau 1982; ddof 1"),
    Metric("fid", "FID", "lower", 2, 1, "Heusel et al. 2017; Inception features only"),
    Metric("kid", "KID", "lower", 4, 1, "Binkowski et al. 2018; unbiased U-statistic, whole set"),
    Metric("ssim", "SSIM to the real set", "none", 2, 1, "Wang et al. 2004; mean over pairs"),
    Metric("perceptual", "perceptual distance to the real set", "none", 2, 1, "mean over pairs"),
    Metric("lpips", "LPIPS to the real set", "none", 2, 1, "Zhang et al. 2018; mean over pairs"),
    Metric("inception_score", "IS", "higher", 2, 1, "Salimans et al. 2016; one split below n = 1000"),
    Metric("precision", "precision", "higher", 10, 1, "Kynkaanniemi et al. 2019"),
    Metric("recall", "recall", "higher", 10, 1, "Kynkaanniemi et al. 2019"),
    Metric("density", "density", "higher", 10, 1, "Naeem et al. 2020"),
    Metric("coverage", "coverage", "higher", 10, 1, "Naeem et al. 2020"),
    Metric("authenticity", "authenticity", "higher", 10, 1, "Alaa et al. 2022"),
    Metric("gap_closed", "gap closed", "higher", 20, 1, "(FD base - FD tuned) / (FD base - floor)"),
    Metric("lattice", "mesh of 2 to 8 pixels", "lower", 4, 1, "harmonics of the gradient profile; U-statistic"),
    Metric("mesh_4", "power at a period of 4 pixels", "lower", 4, 1, "over that of neighbouring frequencies"),
    Metric("mesh_2", "power at a period of 2 pixels", "lower", 4, 1, "over that of neighbouring frequencies"),
    Metric("spectrum_slope", "spectral slope less the photographs'", "none", 4, 1, "16 to 60 cycles an image, log-log"),
    Metric("sharpness_ratio", "sharpness, share of photographs'", "none", 4, 1, "Pech-Pacheco et al. 2000; medians"),
    Metric("two_sample", "told apart by a classifier", "lower", 8, 1, "Lopez-Paz & Oquab 2017; held-out accuracy"),
    Metric("colour_recall", "recall of a colour classifier", "none", 20, 1, "logistic regression on Lab"),
)


@dataclass(frozen=True, slots=True)
class MetricValue:
    """One reported number. `interval` says what [low, high] is, or why there is none.

    n: (generated, real) or (left, right) counts that the value was taken at.
    network, digest: the feature network, where one was used.
    splits: the value at each split, in an order that sets measured in the same way share (for pairing).
    """

    metric: str
    value: float
    low: float | None
    high: float | None
    interval: str
    n: tuple[int, int]
    network: str | None = None
    digest: str | None = None
    label: str = ""
    splits: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        assert self.metric in METRICS, f"unregistered metric {self.metric}"
        assert self.interval, "every number says what its interval is, or that it has none"

    def to_json(self) -> dict[str, Any]:
        entry = METRICS[self.metric]
        return {**asdict(self), "better": entry.better, "version": entry.version, "title": entry.title}


@dataclass(frozen=True, slots=True)
class PairedValue:
    """A metric of one set less that of another drawn on the same seeds. p: two-sided, of the estimate of [low, high].

    n: (seeds, photographs). interval says what [low, high] is. candidate, reference: the two values, whose difference
    `value` is; None in files of older versions.
    """

    metric: str
    value: float
    low: float
    high: float
    interval: str
    p: float
    n: tuple[int, int]
    network: str | None = None
    digest: str | None = None
    candidate: float | None = None
    reference: float | None = None

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "version": METRICS[self.metric].version}


@dataclass(frozen=True, slots=True)
class Preparation:
    """How a set of images became squares of one size: what must be the same on both sides of a comparison.

    resolution: pixels a side. margin: added around the wound's box, as a share of it; None where no image has a box, so
    that the middle square was taken. compressed: whether most images come from lossy files that were reduced less than
    twofold, so that traces of compression remain; None where that is not known. version: of the code that does it.
    A generated set has the preparation of the photographs that its generator was trained on.
    """

    resolution: int
    margin: float | None
    compressed: bool | None
    version: int

    def digest(self) -> str:
        """16 hexadecimal digits, equal where the preparation is."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "digest": self.digest()}

    @classmethod
    def from_json(cls, content: Any) -> Preparation:
        """Raises KeyError, TypeError or ValueError for anything that `to_json` did not write."""
        margin = content["margin"]
        made = cls(
            resolution=int(content["resolution"]),
            margin=None if margin is None else float(margin),
            compressed=None if content["compressed"] is None else bool(content["compressed"]),
            version=int(content["version"]),
        )
        if made.digest() != content["digest"]:
            raise ValueError("the digest is that of another preparation")
        return made

    def at(self, resolution: int) -> Preparation:
        """Of the same images, reduced to another size: whether traces remain then is known from the files alone."""
        return self if resolution == self.resolution else replace(self, resolution=resolution, compressed=None)

    def differences(self, other: Preparation) -> list[tuple[str, str]]:
        """List the differences in words, of this preparation and of the other."""
        box = "no box of a wound, the middle square"
        mine, theirs = (
            {
                "resolution": f"{one.resolution} pixels a side",
                "margin": box if one.margin is None else f"the wound's box with a margin of {one.margin:g}",
                "compressed": "traces of lossy compression" if one.compressed else "no traces of lossy compression",
                "version": f"version {one.version} of the framing",
            }
            for one in (self, other)
        )
        unknown = self.compressed is None or other.compressed is None
        return [
            (mine[key], theirs[key])
            for key in mine
            if getattr(self, key) != getattr(other, key) and not (key == "compressed" and unknown)
        ]


@dataclass(frozen=True, slots=True)
class Box:
    """Pixels; the maximum is exclusive."""

    x_min: int
    y_min: int
    x_max: int
    y_max: int


@dataclass(frozen=True, slots=True)
class Photo:
    """One (photograph, wound): the unit of training, referring and measuring.

    path: absolute, inside the data root, only ever read. group: patient id, or None where unknown.
    """

    path: str
    phase: str
    group: str | None = None
    box: Box | None = None
    split: Split | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One (photograph, wound) of an import, as every later stage reads it.

    photograph: relative to the manifest's root, with forward slashes. sha256: of the file's bytes.
    label: I, P or R. group: the patient, None where unknown. box: pixels, maximum exclusive, None where unknown.
    native_crop: longer side of the box, or shorter side of the photograph, in pixels: what was really recorded.
    source_row: the lines it was read from, "table.csv:12 boxes.csv:40", or the folder's name.
    split: its side, once frozen. text: a caption, where the table has one.
    """

    photograph: str
    sha256: str
    label: str
    group: str | None
    box: Box | None
    native_crop: int
    source_row: str
    split: Split | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row of the input that an import did not take. `reason` is one of a few, for counting."""

    source_row: str
    reason: str
    detail: str
