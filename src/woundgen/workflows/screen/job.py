"""Screening as `generate` uses it: references described once, a rule calibrated, checked on real photographs."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from woundgen.config.quality import QualityConfig
from woundgen.copies.layout import correlate_layouts
from woundgen.copies.picture import describe_match, draw_match, draw_pair
from woundgen.copies.scene import describe_scene
from woundgen.copies.verify import verify_copy
from woundgen.data.photo_set import PhotoSet
from woundgen.data.pixels.prepare import MARGIN
from woundgen.errors import UserError
from woundgen.events import Detail, Info, Work
from woundgen.metrics.checks import check_preparations
from woundgen.records import Photo, Preparation
from woundgen.screening.acceptance import acceptance_on_real, why_spec_accepts_nothing
from woundgen.screening.calibration import Calibration, calibrate
from woundgen.screening.descriptors import check_networks
from woundgen.screening.reference_statistics import References, measure, measure_references, prepare_references
from woundgen.screening.rules import Rule, judge
from woundgen.screening.statistics import Statistics
from woundgen.storage.files import read_json, sha256_json
from woundgen.verdicts import Verdict
from woundgen.workflows.screen.networks import ScreenNetworks, choose_networks, describe, is_lpips
from woundgen.workflows.screen.references import Origins, gather_references

WORKERS = 2


@dataclass(frozen=True, slots=True)
class Screen:
    """A calibrated rule over real photographs. digest: of the photographs and the calibration.

    networks: those that features are taken in.

    photographs, images: those that images are held against; images[i], uint8 [S, S, 3], was photographs[i].
    is_complete: whether all photographs that anything drawn from was trained on are among them.
    """

    references: References
    calibration: Calibration
    rule: Rule
    digest: str
    photographs: tuple[Photo, ...]
    images: NDArray[np.uint8]
    networks: ScreenNetworks
    is_complete: bool = True

    @property
    def facts(self) -> dict[str, Any]:
        """Return what a set records of its screen in public; which references is private (screening_record)."""
        missing = {} if self.is_complete else {"copies_not_looked_for": True}
        return {"networks": asdict(self.networks.used)} | missing

    def judge(self, images: NDArray[np.uint8], indices: Sequence[int]) -> list[Verdict]:
        """A verdict for each of uint8 [N, H, W, 3]."""
        return verdicts_of(images, self.references, self.calibration, self.rule, self.networks)

    def explain(self, image: NDArray[np.uint8], row: int) -> tuple[NDArray[np.uint8], dict[str, float | bool]]:
        """A picture of the image next to photograph `row`, and how the one lies on the other. Private."""
        photograph = self.images[row]
        scene, reference = describe_scene(image), describe_scene(photograph)
        match = verify_copy(scene.keypoints, reference.keypoints)
        facts = describe_match(match)
        correlation = correlate_layouts(scene.layout[None], reference.layout[None])[0, 0]
        facts["layout_correlation"] = round(float(correlation), 3)
        if match.score > self.calibration.copy_ceiling.value:
            return draw_match(image, photograph, match), facts
        return draw_pair(image, photograph), facts


def verdicts_of(
    images: NDArray[np.uint8],
    references: References,
    calibration: Calibration,
    rule: Rule,
    networks: ScreenNetworks,
) -> list[Verdict]:
    """For each of uint8 [N, H, W, 3], in WORKERS threads; their number is fixed, for sums are rounded by it.

    Each multiplies on its own: of BLAS's threads, as many again in each, most would only wait, and use a core for it.
    """

    def of(part: NDArray[np.uint8]) -> list[Verdict]:
        return judge(measure(describe(part, networks), references, k=calibration.k), calibration, rule)

    alone = threadpool_limits(1, user_api="blas")
    with alone, ThreadPoolExecutor(WORKERS, thread_name_prefix="screening") as workers:
        parts = [part for part in np.array_split(images, WORKERS) if len(part)]
        return [verdict for verdicts in workers.map(of, parts) for verdict in verdicts]


def build_screen(
    real: Path,
    *,
    label: str,
    size: int,
    origins: Origins,
    quality: QualityConfig,
    release_copies: bool,
    calibration: Path | None = None,
    learned: Preparation | None = None,
) -> Work[Screen]:
    """References from the training side; acceptance measured on the photographs held out.

    origins: all that images are drawn from. calibration: a file of `woundgen calibrate` to use.
    learned: how the photographs were prepared that the adapters were trained on; others are refused.
    """
    margin = MARGIN if learned is None or learned.margin is None else learned.margin
    gathered = yield from gather_references(real, origins, label=label, size=size, margin=margin)
    check_preparations(
        {"real": gathered.photos.preparation, "generated": None if learned is None else learned.at(size)},
        hint="Screen against the photographs that training had, with their boxes.",
    )
    screen = yield from screen_from(
        gathered.photos, quality=quality, release_copies=release_copies, calibration=calibration
    )
    return replace(screen, is_complete=gathered.is_complete)


def calibrated_on(
    images: NDArray[np.uint8], groups: Sequence[str], quality: QualityConfig, networks: ScreenNetworks
) -> tuple[References, Calibration]:
    """References uint8 [N, H, W, 3] without near duplicates, and what is usual among them."""
    references = prepare_references(describe(images, networks), groups)
    return references, calibration_of(references, measure_references(references, k=quality.topk), groups, quality)


def calibration_of(
    references: References, among: Statistics, groups: Sequence[str], quality: QualityConfig
) -> Calibration:
    """among: of the references against one another (measure_references). groups: as given to prepare_references."""
    return calibrate(
        among,
        [groups[row] for row in references.rows],
        acceptance=quality.acceptance,
        copy_quantile=quality.copy_quantile,
        duplicates=references.duplicates,
        k=quality.topk,
    )


def stored_calibration(path: Path, photos: PhotoSet, quality: QualityConfig, networks: ScreenNetworks) -> Calibration:
    """Read what `woundgen calibrate` wrote; UserError where it is of other photographs, settings or networks."""
    stored = read_json(path)
    if not isinstance(stored, dict) or not {"calibration", "photographs"} <= stored.keys():
        raise UserError(f"{path} is not a file of woundgen calibrate.", "Give the calibration.json that it wrote.")
    if sha256_json({key: value for key, value in stored.items() if key != "digest"}) != stored.get("digest"):
        raise UserError(
            f"{path} was changed after it was written (its digest differs), or an earlier version wrote it.",
            "Run woundgen calibrate again.",
        )
    if stored["photographs"] != photos.digest:
        raise UserError(
            f"{path} was calibrated on other photographs, or on these divided or sized otherwise.",
            "Run woundgen calibrate again with the same --real, --run and --size.",
        )
    calibration = Calibration.from_json(stored["calibration"])
    check_networks(calibration.networks, networks.used, of=f"The thresholds in {path}")
    for key, was, asked in (
        ("acceptance", calibration.acceptance, quality.acceptance),
        ("copy_quantile", calibration.copy_quantile, quality.copy_quantile),
        ("topk", calibration.k, quality.topk),
    ):
        if was != asked:
            raise UserError(f"{path} has {key} {was:g}, and {asked:g} is asked for.", "Give the same --thresholds.")
    return calibration


def screen_from(
    photos: PhotoSet, *, quality: QualityConfig, release_copies: bool, calibration: Path | None = None
) -> Work[Screen]:
    """References are the photographs trained on: a copy of one of them is what must not leave."""
    networks = choose_networks(quality)
    rows, held_out = photos.rows("train"), photos.rows("validation")
    images, groups = photos.images[rows], photos.groups(rows)
    if calibration is None:
        references, calibrated = calibrated_on(images, groups, quality, networks)
    else:
        calibrated = stored_calibration(calibration, photos, quality, networks)
        references = prepare_references(describe(images, networks), groups)
    rule = rule_of(quality, release_copies=release_copies)
    for line in calibrated.statements():
        yield Detail(line)
    if rule.policy == "spec" and not is_lpips(networks.used):
        yield Info(
            f"note: the approved rule means LPIPS < {rule.perceptual_maximum:g}, which was not fetched (woundgen fetch "
            "lpips-alex); here the embedded network's distance is held against that number"
        )
    if not calibrated.copy_ceiling.is_supported and not release_copies:
        raise UserError(
            f"{calibrated.copy_ceiling.statement()}.",
            "Crop what the photographs share, give more of them, or release images unscreened (--release-copies).",
        )
    yield from _say_acceptance(photos.images[held_out], references, calibrated, rule, networks)
    digest = sha256_json({"photographs": photos.digest, "calibration": calibrated.to_json()})
    return Screen(references, calibrated, rule, digest, tuple(photos.photos[row] for row in rows), images, networks)


def rule_of(quality: QualityConfig, *, release_copies: bool) -> Rule:
    return Rule(
        policy=quality.policy,
        ssim_minimum=quality.ssim_minimum,
        perceptual_maximum=quality.lpips_maximum,
        ssim_excellent=quality.ssim_excellent,
        perceptual_excellent=quality.lpips_excellent,
        aggregation=quality.aggregation,
        release_copies=release_copies,
    )


def _say_acceptance(
    held_out: NDArray[np.uint8], references: References, calibration: Calibration, rule: Rule, networks: ScreenNetworks
) -> Work[None]:
    """A rule that rejects real wounds cannot be asked of synthetic ones: say so before drawing."""
    if len(held_out) == 0:
        yield Info("screen ready; no photograph is held out, so how many real ones it accepts is not known")
        return
    statistics = measure(describe(held_out, networks), references, k=calibration.k)
    hopeless = why_spec_accepts_nothing(statistics, calibration, rule) if rule.policy == "spec" else None
    if hopeless:
        raise UserError(hopeless)
    yield Info(f"screen ready: {acceptance_on_real(statistics, calibration, rule).sentence()}")
