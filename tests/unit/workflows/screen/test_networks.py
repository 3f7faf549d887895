"""Screening in the networks that were fetched: which are taken, what they see, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from woundgen.config.quality import QualityConfig
from woundgen.errors import UserError
from woundgen.metrics.measure import perceptual_between
from woundgen.phantoms import draw_phantoms
from woundgen.screening.calibration import Calibration, calibrate
from woundgen.screening.reference_statistics import measure, measure_references, prepare_references
from woundgen.screening.rules import Rule, judge
from woundgen.workflows.screen import networks
from woundgen.workflows.screen.networks import choose_networks, describe, is_lpips, shipped_networks

from ....random_networks import put_dinov2_small, put_lpips


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WOUNDGEN_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


def images(count: int, *, first: int = 0) -> np.ndarray:
    return draw_phantoms(range(first, first + count), seed=5, size=64).images


def test_auto_takes_what_was_fetched(home: Path) -> None:
    """Nothing: what ships. LPIPS by AlexNet before VGG, as its authors judge. A name: that one or an error."""
    assert choose_networks(QualityConfig()).used == shipped_networks().used
    assert not is_lpips(choose_networks(QualityConfig()).used)
    put_lpips(home, "lpips-vgg")
    assert choose_networks(QualityConfig()).perceptual.name == "lpips-vgg"
    put_lpips(home, "lpips-alex")
    chosen = choose_networks(QualityConfig())
    assert (chosen.perceptual.name, chosen.embedding.name) == ("lpips-alex", "embedded")
    assert is_lpips(chosen.used)
    named = choose_networks(QualityConfig(perceptual_network="lpips-vgg", embedding_network="embedded"))
    assert named.used.perceptual.startswith("lpips-vgg ")
    assert choose_networks(QualityConfig(perceptual_network="embedded")).used == shipped_networks().used
    with pytest.raises(UserError, match="woundgen fetch dinov2-base"):
        choose_networks(QualityConfig(embedding_network="dinov2-base"))


@pytest.mark.slow
def test_descriptors_are_the_networks_own(home: Path) -> None:
    """LPIPS as `evaluate` takes it, and DINOv2's class tokens: random weights of the true architectures."""
    put_lpips(home, "lpips-alex")
    put_dinov2_small(home)
    chosen, drawn = choose_networks(QualityConfig()), images(4)
    described = describe(drawn, chosen)
    assert described.networks.embedding == f"dinov2-small {chosen.embedding.digest[:16]}"
    assert described.perceptual is not None
    assert described.perceptual_mirrored is not None
    ours = np.square(described.perceptual[0].astype(float) - described.perceptual[1:]).sum(axis=1)
    np.testing.assert_allclose(ours, perceptual_between(chosen.perceptual)(drawn[:1], drawn[1:])[0], rtol=1e-4)
    np.testing.assert_array_equal(described.pooled, chosen.embedding.pooled(drawn))
    np.testing.assert_allclose(described.pooled_mirrored, chosen.embedding.pooled(drawn[:, :, ::-1]), rtol=1e-6)
    again = describe(drawn[:, :, ::-1], chosen)
    np.testing.assert_allclose(again.perceptual, described.perceptual_mirrored, rtol=1e-5, atol=1e-7)


@pytest.fixture
def calibrated(home: Path) -> tuple[Calibration, np.ndarray]:
    photographs = images(14)
    references = prepare_references(describe(photographs, shipped_networks()))
    return calibrate(measure_references(references)), photographs


def test_thresholds_of_one_network_are_refused_for_another(
    home: Path, calibrated: tuple[Calibration, np.ndarray]
) -> None:
    calibration, photographs = calibrated
    assert calibration.networks == shipped_networks().used
    assert Calibration.from_json(calibration.to_json()) == calibration
    assert any("embedded" in line for line in calibration.statements())
    put_lpips(home, "lpips-alex")
    chosen = choose_networks(QualityConfig())
    references = prepare_references(describe(photographs, chosen))
    statistics = measure(describe(photographs[:2], chosen), references)
    with pytest.raises(UserError, match=r"other feature networks \(perceptual distance: embedded .*lpips-alex"):
        judge(statistics, calibration, Rule())
    with pytest.raises(UserError, match="other feature networks"):
        measure(describe(photographs[:2], shipped_networks()), references)


def test_spec_is_ssim_and_lpips(home: Path, calibrated: tuple[Calibration, np.ndarray]) -> None:
    """The approved rule holds LPIPS itself against its threshold, and says so; with edges on either side."""
    put_lpips(home, "lpips-alex")
    chosen = choose_networks(QualityConfig())
    photographs, drawn = calibrated[1], images(3, first=40)
    references = prepare_references(describe(photographs, chosen))
    calibration = calibrate(measure_references(references))
    statistics = measure(describe(drawn, chosen), references, k=1)
    nearest = perceptual_between(chosen.perceptual)(drawn, photographs).min(axis=1)
    np.testing.assert_allclose(statistics.columns["perceptual_min"], nearest, rtol=1e-4, atol=1e-6)
    rule = Rule(policy="spec", ssim_minimum=-1.0, aggregation="max", perceptual_maximum=float(nearest[0]) * 0.999)
    (reason, *_) = (verdict.reason for verdict in judge(statistics, calibration, rule))
    assert reason.startswith("least LPIPS too high")
    above = replace(rule, perceptual_maximum=float(nearest[0]) * 1.001)
    assert judge(statistics, calibration, above)[0].accepted


def test_too_much_memory_is_said_before_it_is_taken(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_lpips(home, "lpips-vgg")
    monkeypatch.setattr(networks, "MOST_BYTES", 1 << 20)
    with pytest.raises(UserError, match=r"in lpips-vgg holds .*lpips-alex"):
        describe(images(2), choose_networks(QualityConfig()))
