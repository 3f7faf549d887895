"""The membership attack on what is released beside the pixels: on a set as it is written, and as it was written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata

from woundgen.data.layouts.find_photos import find_photos
from woundgen.data.layouts.manifest import photograph_root
from woundgen.data.pixels.prepare import prepare_all
from woundgen.generation.image_set import Recipe, open_set
from woundgen.generation.sampler import SamplerSettings
from woundgen.phantoms import draw_phantoms
from woundgen.screening.calibration import calibrate
from woundgen.screening.descriptors import Descriptors
from woundgen.screening.reference_statistics import measure, measure_references, prepare_references
from woundgen.screening.rules import Rule, judge
from woundgen.screening.statistics import image_columns
from woundgen.storage.set_rows import journal_path
from woundgen.verdicts import IMAGE_SCORES
from woundgen.workflows.audit.released import attack_set
from woundgen.workflows.screen.networks import describe, shipped_networks

NETWORKS = shipped_networks()

HALVES = 20
CANDIDATES, DRAWN = 40, 48


def blobs(count: int, *, seed: int, size: int = 32) -> npt.NDArray[np.uint8]:
    """Smooth coloured fields in place of photographs, in no time: uint8 [count, size, size, 3]."""
    noise = np.random.default_rng(seed).standard_normal((count, size, size, 3))
    smooth = gaussian_filter(noise, (0, size / 10, size / 10, 0)) + 0.1 * gaussian_filter(noise, (0, 1, 1, 0))
    return np.clip(128 + 60 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def write_screened(folder: Path, described: Descriptors, members: Descriptors) -> None:
    """A set as `generate` writes it, screened against the members."""
    images = np.round(described.images * 255).astype(np.uint8)
    side = images.shape[1]
    references = prepare_references(members)
    calibration = calibrate(measure_references(references))
    verdicts = judge(measure(described, references), calibration, Rule(policy="calibrated"))
    recipe = Recipe(
        label="I", prompt="a wound", negative_prompt="", base="b" * 64, adapters=(("a" * 64, 1.0),), precision="fp32",
        sampler=SamplerSettings(
            sampler="ddim", steps=5, guidance_scale=1.0, seed=0, block=len(images), height=side, width=side
        ),
        count=len(images), screening={"policy": "calibrated"},
    )  # fmt: skip
    open_set(folder, recipe).append(range(len(images)), images, verdicts)


def area_under_curve(scores: npt.NDArray[np.float64], member: npt.NDArray[np.bool_]) -> float:
    """Mann & Whitney 1947."""
    count = int(member.sum())
    return float((rankdata(scores)[member].sum() - count * (count + 1) / 2) / (count * (len(member) - count)))


def attack_halves(images: Descriptors, candidates: Descriptors, folder: Path) -> npt.NDArray[np.float64]:
    """[HALVES, 2] AUC of membership: from a set as written today, and from one as earlier versions wrote it."""
    found = []
    for half in range(HALVES):
        member = np.random.default_rng(half).permutation(len(candidates)) < len(candidates) // 2
        written = folder / f"half_{half}"
        write_screened(written, images, candidates.take(np.flatnonzero(member)))
        kept = [json.loads(line)["index"] for line in (written / "manifest.jsonl").read_text().splitlines()]
        released = images.take(np.array(kept))
        today = attack_set(written, released, candidates)
        (written / "manifest.jsonl").write_bytes(journal_path(written).read_bytes())
        (written / "counts.json").unlink()
        earlier = attack_set(written, released, candidates)
        found.append([area_under_curve(one.scores, member) for one in (today, earlier)])
        assert not earlier.proven[~member].any()
    return np.array(found)


def check_areas(areas: npt.NDArray[np.float64]) -> None:
    """Mean AUC of today's sets at most .55, with the upper end of its 95 % interval over halves; the control's .95."""
    mean, error = areas.mean(axis=0), areas.std(axis=0, ddof=1) / np.sqrt(len(areas))
    upper = mean + 2.093 * error  # Student's t, 19 degrees of freedom
    print(f"AUC today {mean[0]:.3f} (up to {upper[0]:.3f}), as written earlier {mean[1]:.3f}; {len(areas)} halves")
    assert upper[0] <= 0.55
    assert mean[1] >= 0.95


@pytest.mark.slow
def test_released_files_do_not_tell_members(tmp_path: Path) -> None:
    candidates = describe(blobs(CANDIDATES, seed=1), NETWORKS)
    check_areas(attack_halves(describe(blobs(DRAWN, seed=2), NETWORKS), candidates, tmp_path))


@pytest.mark.slow
def test_released_files_do_not_tell_which_phantoms_are_members(tmp_path: Path) -> None:
    """The same with rendered wounds."""
    candidates = describe(draw_phantoms(range(60), seed=5, size=64).images, NETWORKS)
    images = describe(draw_phantoms(range(2000, 2064), seed=9, size=64).images, NETWORKS)
    check_areas(attack_halves(images, candidates, tmp_path))


@pytest.mark.slow
@pytest.mark.skipif("WOUNDGEN_PHOTOGRAPHS" not in os.environ, reason="needs WOUNDGEN_PHOTOGRAPHS=FOLDER of one label")
def test_released_files_do_not_tell_which_photographs_are_members(tmp_path: Path) -> None:
    """The same with crops of real photographs: 60 candidates, and 64 others in place of drawn images.

    With WOUNDGEN_DRAWN=FOLDER, too, the pictures screened are those of a set that a generator drew after these
    photographs.
    """
    real = Path(os.environ["WOUNDGEN_PHOTOGRAPHS"])
    photos = find_photos(real, phases=tuple(os.environ.get("WOUNDGEN_PHASES", "IPR")), unlabelled="I")
    chosen = [photos[row] for row in np.random.default_rng(3).permutation(len(photos))[:124]]
    images = prepare_all(chosen, resolution=64, margin=0.25, roots=[photograph_root(real)], cache_dir=None)
    drawn = images[60:]
    if "WOUNDGEN_DRAWN" in os.environ:
        files = sorted((Path(os.environ["WOUNDGEN_DRAWN"]) / "images").glob("*.png"))[:64]
        pictures = [Image.open(file).convert("RGB").resize((64, 64), Image.Resampling.BOX) for file in files]
        drawn = np.stack([np.asarray(picture) for picture in pictures])
    check_areas(attack_halves(describe(drawn, NETWORKS), describe(images[:60], NETWORKS), tmp_path))


def test_image_scores_are_those_of_the_image_alone() -> None:
    assert set(image_columns(blobs(2, seed=0) / 255)) == set(IMAGE_SCORES)
