"""`woundgen calibrate`: the rule that `generate` would make, on paper; and its file used by `generate`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from woundgen.cli import run
from woundgen.screening.calibration import Calibration
from woundgen.screening.conformal import conformal_bound
from woundgen.storage.files import read_json, sha256_file, sha256_json

from ..random_networks import put_lpips
from .conftest import Workshop, contents

DRAW = ["generate", "--count", "4", "--block", "4", "--steps", "2", "--size", "32", "--policy", "report"]


@pytest.fixture(scope="module")
def calibrated(workshop: Workshop, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("calibrated") / "phase_I"
    words = ["calibrate", "--real", str(workshop.photographs), "--run", str(trained), "--out", str(out)]
    assert run(words) == 0
    return out


def draw(workshop: Workshop, trained: Path, out: Path, *more: str) -> int:
    return run([*DRAW, "--adapter", str(trained), "--real", str(workshop.photographs), "--out", str(out), *more])


def test_thresholds_with_n_quantiles_and_uncertainty(calibrated: Path, workshop: Workshop) -> None:
    stored = read_json(calibrated / "calibration.json")
    found = Calibration.from_json(stored["calibration"])
    assert (found.n, stored["size"]) == (20, 32)  # 85 % of 24, at the run's resolution
    assert found.threshold.rank == 20  # ceil(.95 x 21)
    expected = conformal_bound(np.arange(20.0), level=0.95)
    assert found.threshold.coverage_low == pytest.approx(expected.coverage_low)
    assert stored["held_out"][0]["n"] == 4
    page = (calibrated / "CALIBRATION.md").read_text()
    assert f"| joint threshold | 95.0% | {found.threshold.value:.2f} | 20 of 20 |" in page
    assert "rank 20 of 20 for 95.0%" in page
    assert "held-out real photographs" in page
    assert (calibrated / "calibration.svg").read_bytes().startswith(b"<?xml")
    shared = b"".join(contents(calibrated).values())
    assert str(workshop.photographs).encode() not in shared
    assert b".png" not in shared, "no photograph is named"


def test_generate_makes_the_same_by_itself_or_takes_the_file(
    calibrated: Path, workshop: Workshop, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert draw(workshop, trained, tmp_path / "by_itself") == 0
    file = calibrated / "calibration.json"
    assert draw(workshop, trained, tmp_path / "with_file", "--calibration", str(file)) == 0
    assert contents(tmp_path / "by_itself") == contents(tmp_path / "with_file")
    stored = read_json(file)
    public = b"".join(contents(tmp_path / "by_itself").values())
    for digest in (stored["photographs"], read_json(tmp_path / "by_itself.private" / "screening.json")["references"]):
        assert digest.encode() not in public, "a function of the photographs"
    stored["calibration"]["copy_ceiling"]["value"] = -1
    other = tmp_path / "strict.json"
    other.write_text(json.dumps(stored))
    assert draw(workshop, trained, tmp_path / "changed", "--calibration", str(other)) == 2
    assert "its digest differs" in capsys.readouterr().err
    assert not (tmp_path / "changed").exists()
    stored["digest"] = sha256_json({key: value for key, value in stored.items() if key != "digest"})
    other.write_text(json.dumps(stored))
    assert draw(workshop, trained, tmp_path / "strict", "--calibration", str(other), "--budget", "8") == 3
    assert not list((tmp_path / "strict" / "images").iterdir()), "its thresholds decide, all are copies"


def test_bad_input_leaves_nothing(
    calibrated: Path, workshop: Workshop, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = Path(shutil.copytree(workshop.photographs, tmp_path / "few"))
    lines = (few / "metadata.csv").read_text().splitlines(keepends=True)
    (few / "metadata.csv").write_text("".join(lines[:11]))
    gone = Path(shutil.copytree(workshop.photographs, tmp_path / "gone"))
    missing = next(path for path in sorted(gone.rglob("*.png")))
    missing.unlink()
    (tmp_path / "contradictory.yaml").write_text("ssim_minimum: 0.9\nssim_excellent: 0.8\n")
    (tmp_path / "range.yaml").write_text("acceptance: 1.5\n")
    (tmp_path / "other.yaml").write_text("acceptance: 0.9\n")
    out, file = ["--out", str(tmp_path / "out")], str(calibrated / "calibration.json")
    here, phase = ["--real", str(workshop.photographs)], ["--phase", "I"]
    cases = {
        "8 reference photographs are too few": ["calibrate", "--real", str(few), *phase, *out],
        missing.name: ["calibrate", "--real", str(gone), *phase, *out],
        "ssim_excellent is below ssim_minimum": [
            "calibrate", *here, *phase, *out, "--thresholds", str(tmp_path / "contradictory.yaml"),
        ],
        "acceptance = 1.5": ["calibrate", *here, *phase, *out, "--thresholds", str(tmp_path / "range.yaml")],
        "either --run or --phase": ["calibrate", *here, *out],
        "does not exist": ["calibrate", *here, *out, "--run", str(tmp_path / "nowhere")],
        "acceptance 0.95, and 0.9 is asked for": [
            *DRAW, "--adapter", str(trained), *here, *out, "--calibration", file,
            "--thresholds", str(tmp_path / "other.yaml"),
        ],
        "divided or sized otherwise": [
            *DRAW, "--adapter", str(trained), *here, *out, "--calibration", file, "--size", "64",
        ],
        "not a file of woundgen calibrate": [
            *DRAW, "--adapter", str(trained), *here, *out, "--calibration", str(trained / "run.json"),
        ],
        "--calibration without --real": [*DRAW, "--adapter", str(trained), *out, "--calibration", file],
    }  # fmt: skip
    for said, words in cases.items():
        capsys.readouterr()
        assert run(words) == 2, said
        assert said in capsys.readouterr().err
        assert not (tmp_path / "out").exists(), said


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LPIPS with random weights of AlexNet."""
    put_lpips(tmp_path / "weights", "lpips-alex")
    monkeypatch.setenv("WOUNDGEN_WEIGHTS", str(tmp_path / "weights"))


@pytest.mark.usefixtures("fetched")
def test_thresholds_of_other_networks_are_refused(
    calibrated: Path, workshop: Workshop, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(calibrated / "calibration.json")
    assert draw(workshop, trained, tmp_path / "refused", "--calibration", file) == 2
    assert "were taken in other feature networks (perceptual distance: embedded" in capsys.readouterr().err
    assert not (tmp_path / "refused").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("fetched")
def test_networks_are_named(
    workshop: Workshop, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Set, card, calibration and audit name LPIPS by digest."""
    out = tmp_path / "drawn"
    assert draw(workshop, trained, out) == 0
    network = f"lpips-alex {sha256_file(tmp_path / 'weights' / 'lpips-alex' / 'model.safetensors')[:16]}"
    assert read_json(out / "set.json")["screening"]["networks"]["perceptual"] == network
    assert f"perceptual distance {network}" in (out / "README.md").read_text()
    assert run(["audit", "--generated", str(out), "--run", str(trained), "--out", str(tmp_path / "audit")]) == 0
    assert network in (tmp_path / "audit" / "PRIVACY.md").read_text()
    words = ["report", "--run", str(trained), "--generated", str(out), "--out", str(tmp_path / "pages")]
    assert run(words) == 0
    assert network in (tmp_path / "pages" / "report.html").read_text()
    capsys.readouterr()
    assert draw(workshop, trained, tmp_path / "spec", "--policy", "spec") == 2
    assert "LPIPS < 0.30 are asked of" in capsys.readouterr().err


def test_another_calibration_is_not_overwritten(calibrated: Path, workshop: Workshop, tmp_path: Path) -> None:
    before = contents(calibrated)
    words = ["calibrate", "--real", str(workshop.photographs), "--phase", "I", "--size", "64", "--out", str(calibrated)]
    assert run(words) == 2
    assert contents(calibrated) == before
