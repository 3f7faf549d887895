"""`woundgen audit` of a set from a run that sealed patients, and of one from a run that did not."""

from __future__ import annotations

import csv
import shutil
import stat
from pathlib import Path

import pytest

from woundgen.cli import run
from woundgen.storage.files import read_json
from woundgen.storage.names import private_folder
from woundgen.storage.set_rows import Tally, write_tally

from .conftest import Workshop, contents

DRAW = ["generate", "--count", "8", "--block", "4", "--steps", "2", "--size", "32"]


@pytest.fixture(scope="module")
def drawn_once(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("drawn") / "set"
    assert run([*DRAW, "--adapter", str(trained), "--out", str(out)]) == 0
    return out


@pytest.fixture
def generated(drawn_once: Path, tmp_path: Path) -> Path:
    """A copy of a set of `trained` that a test may change."""
    private = private_folder(drawn_once)
    if private.exists():
        shutil.copytree(private, private_folder(tmp_path / "set"))
    return Path(shutil.copytree(drawn_once, tmp_path / "set"))


def audited(run_folder: Path, folder: Path, *more: str) -> Path:
    generated, out = folder / "set", folder / "audit"
    if not generated.exists():
        assert run([*DRAW, "--adapter", str(run_folder), "--out", str(generated)]) == 0
    assert run(["audit", "--generated", str(generated), "--run", str(run_folder), "--out", str(out), *more]) == 0
    return out


@pytest.fixture(scope="module")
def sealed(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the workshop's photographs of which six patients were sealed."""
    folder = tmp_path_factory.mktemp("sealed")
    data = Path(shutil.copytree(workshop.photographs, folder / "photographs"))
    rows = list(csv.DictReader((data / "metadata.csv").open()))
    with (data / "metadata.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, [*rows[0], "split"])
        writer.writeheader()
        sides = ["holdout"] * 6 + ["validation"] * 4 + ["train"] * 14
        writer.writerows({**row, "split": side} for row, side in zip(rows, sides, strict=True))
    assert run(workshop.train(folder / "run", "--set", "sample_images=0", data=data)) == 0
    return folder / "run"


def test_an_audit_of_a_run_with_sealed_patients(sealed: Path, tmp_path: Path, workshop: Workshop) -> None:
    out = audited(sealed, tmp_path)
    found = read_json(out / "privacy.json")
    assert found["n"] == 8
    assert (found["membership"]["trained"], found["membership"]["held_out"]) == (14, 6)
    assert 0 <= found["membership"]["auc"] <= 1
    assert 0.5 < found["membership"]["smallest"] < 1
    assert (found["nearness"]["trained"], found["nearness"]["held_out"]) == (14, 10)
    assert found["copies"]["upper_bound"] >= 1 - 0.05 ** (1 / 8) - 1e-9  # exact where none of 8 is one
    assert (found["released"]["proven"], found["released"]["n"]) == (0, [14, 10])
    page = (out / "PRIVACY.md").read_text()
    assert found["verdict"] in page
    assert "0 of 14 photographs proven" in page
    assert "Not covered" in page
    shared = b"".join(contents(out).values())
    assert str(workshop.photographs.parent).encode() not in shared
    private = private_folder(out)
    assert (private / "nearest_pairs.png").is_file()
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


@pytest.mark.slow
@pytest.mark.usefixtures("generated")
def test_strengths_at_which_photographs_are_recognised(trained: Path, tmp_path: Path) -> None:
    out = audited(trained, tmp_path, "--strength", "0.5", "--strength", "1")
    found = read_json(out / "privacy.json")["from_photographs"]
    page = (out / "PRIVACY.md").read_text()
    if "not_made" in found:  # photographs of 32 pixels may support no ceiling
        assert f"begun from photographs | not tested: {found['not_made']}" in page
        return
    assert [(one["strength"], one["n"]) for one in found] == [(0.5, 16), (1.0, 16)]
    assert all(0 <= one["low"] <= one["recognised"] / 16 <= one["high"] <= 1 for one in found)
    assert "at strength 0.5 " in page


def test_a_strength_that_draws_no_step_is_refused_before_anything_is_written(
    generated: Path, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "audit"
    words = ["audit", "--generated", str(generated), "--run", str(trained), "--out", str(out), "--strength", "0.1"]
    assert run(words) == 2
    assert not out.exists()


@pytest.mark.usefixtures("generated")
def test_without_sealed_patients_membership_is_not_tested(trained: Path, tmp_path: Path) -> None:
    out = audited(trained, tmp_path)
    found = read_json(out / "privacy.json")
    assert "sealed" in found["membership"]["not_made"]
    assert "Not tested: membership" in found["verdict"] or found["verdict"].startswith("Do not share")


def test_a_set_of_another_run(
    generated: Path, sealed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["audit", "--generated", str(generated), "--run", str(sealed), "--out", str(tmp_path / "audit")]
    assert run(words) == 2
    assert "holds no adapter with digest" in capsys.readouterr().err
    assert not (tmp_path / "audit").exists()


def test_copies_that_were_held_back_are_not_forgotten(generated: Path, trained: Path, tmp_path: Path) -> None:
    """None in the set, for the screen took them out: the verdict has to say so."""
    write_tally(generated, Tally(9, 8, {"copy by feature distance": 1}, copies=1))
    words = ["audit", "--generated", str(generated), "--run", str(trained), "--out", str(tmp_path / "audit")]
    assert run(words) == 0
    found = read_json(tmp_path / "audit" / "privacy.json")
    assert found["drawn"] == {"count": 9, "held_back": 1}
    assert "1 of 9 drawn images were called copies" in (tmp_path / "audit" / "PRIVACY.md").read_text()


def test_a_set_that_kept_nothing_is_not_audited(
    generated: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No image is not no copy."""
    write_tally(generated, Tally(8, 0, {"copy by feature distance": 8}, copies=8))
    words = ["audit", "--generated", str(generated), "--run", str(trained), "--out", str(tmp_path / "audit")]
    assert run(words) == 2
    assert "holds no image: 8 were drawn, 8 of them held back as copies" in capsys.readouterr().err
    assert not (tmp_path / "audit").exists()


def test_a_set_of_two_runs_is_audited_against_both(
    trained: Path, sealed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both runs had the same photographs, divided otherwise: what either was trained on counts as trained on."""
    generated = tmp_path / "set"
    assert run([*DRAW, "--adapter", str(trained), "--adapter", str(sealed), "--out", str(generated)]) == 0
    words = ["audit", "--generated", str(generated), "--out", str(tmp_path / "audit"), "--run"]
    assert run([*words, str(trained)]) == 2
    assert "Give every run" in capsys.readouterr().err
    assert not (tmp_path / "audit").exists()
    assert run([*words, str(trained), "--run", str(sealed)]) == 0
    found = read_json(tmp_path / "audit" / "privacy.json")
    assert found["authenticity"]["n"][1] <= 4, "held out by the first run, and not trained on by the second"
    assert "copy ceiling" in found["copies"]["rule"] or "no copy ceiling" in found["copies"]["rule"]


def test_a_set_with_another_picture_is_not_audited(
    generated: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The audit names images by the digests of the manifest: it has to have looked at those."""
    shutil.copyfile(generated / "images" / "000000.png", generated / "images" / "000001.png")
    words = ["audit", "--generated", str(generated), "--run", str(trained), "--out", str(tmp_path / "audit")]
    assert run(words) == 2
    assert "000001.png is not the picture that was drawn" in capsys.readouterr().err
    assert not (tmp_path / "audit").exists()
