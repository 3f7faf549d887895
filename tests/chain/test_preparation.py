"""Both sides of a comparison are prepared alike, or it is refused: evaluate, compare, generate, utility, audit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from woundgen.cli import run
from woundgen.storage.files import read_json

from .conftest import Workshop

MARGIN = 0.6  # not the default, so that what forgets to ask is found out


@pytest.fixture(scope="module")
def framed(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose photographs are cropped with a margin of its own."""
    out = tmp_path_factory.mktemp("runs") / "phase_I"
    changes = (f"box_margin={MARGIN}", "max_steps=4", "train_val_split=0.5", "evaluate_every_n_epochs=100")
    assert run(workshop.train(out, *(word for one in changes for word in ("--set", one)))) == 0
    return out


@pytest.fixture(scope="module")
def drawn(framed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("generated") / "phase_I"
    words = ["generate", "--count", "8", "--block", "4", "--steps", "2", "--size", "32", "--out", str(out)]
    assert run([*words, "--adapter", str(framed)]) == 0
    return out


def evaluate(drawn: Path, real: Path, out: Path, *more: str) -> int:
    return run(["evaluate", "--generated", str(drawn), "--real", str(real), "--phase", "I", "--out", str(out), *more])


def without_boxes(photographs: Path, copy: Path) -> Path:
    shutil.copytree(photographs / "images", copy / "I")
    return copy


def test_run_adapter_and_set_carry_the_preparation(framed: Path, drawn: Path) -> None:
    of_run = read_json(framed / "run.json")["data"]["preparation"]
    assert (of_run["margin"], of_run["resolution"], of_run["compressed"]) == (MARGIN, 32, False)
    assert read_json(drawn / "preparation.json") == of_run
    notes = next((framed / "checkpoints").glob("*/*/woundgen_adapter.json"))
    assert read_json(notes)["preparation"] == of_run


def test_evaluate_frames_photographs_as_the_generator_saw_them(drawn: Path, workshop: Workshop, tmp_path: Path) -> None:
    assert evaluate(drawn, workshop.photographs, tmp_path / "metrics.json") == 0
    found = read_json(tmp_path / "metrics.json")["preparation"]
    assert found["real"] == found["generated"]
    assert found["real"]["margin"] == MARGIN


def test_evaluate_refuses_another_margin(
    drawn: Path, workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whole pictures against crops have an FD of their own: what phase R was once judged by."""
    assert evaluate(drawn, workshop.photographs, tmp_path / "metrics.json", "--margin", "3") == 2
    said = capsys.readouterr().err
    assert "prepared differently" in said
    assert "margin of 3 (real)" in said
    assert f"margin of {MARGIN:g} (generated)" in said
    assert not (tmp_path / "metrics.json").exists()


def test_evaluate_refuses_photographs_without_boxes(
    drawn: Path, workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = without_boxes(workshop.photographs, tmp_path / "bare")
    assert evaluate(drawn, bare, tmp_path / "metrics.json") == 2
    assert "no box of a wound" in capsys.readouterr().err


def test_evaluate_refuses_a_set_saved_as_jpeg(
    drawn: Path, workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "jpeg"
    folder.mkdir()
    for file in (drawn / "images").glob("*.png"):
        Image.open(file).save(folder / f"{file.stem}.jpg", quality=90)
    assert evaluate(folder, workshop.photographs, tmp_path / "metrics.json") == 2
    assert "lossy files (JPEG)" in capsys.readouterr().err


def test_images_with_boxes_are_framed_as_the_photographs(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Phantoms against phantoms of other seeds: both cropped, so the FD lies at its floor."""
    other = tmp_path / "other"
    assert run(["phantoms", "--count", "24", "--phases", "I", "--size", "48", "--seed", "5", "--out", str(other)]) == 0
    assert evaluate(other, workshop.photographs, tmp_path / "metrics.json", "--margin", "0.1") == 0
    found = read_json(tmp_path / "metrics.json")["preparation"]
    assert found["real"] == found["generated"]
    assert found["real"]["margin"] == 0.1
    assert "does not say how" not in capsys.readouterr().out


def test_a_set_that_does_not_say_is_warned_of(
    drawn: Path, workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "foreign"
    shutil.copytree(drawn / "images", folder)
    assert evaluate(folder, workshop.photographs, tmp_path / "metrics.json") == 0
    assert "does not say how its generator's photographs were framed" in capsys.readouterr().out
    assert read_json(tmp_path / "metrics.json")["preparation"]["generated"] is None


def test_compare_refuses_numbers_of_other_preparations(
    drawn: Path, workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(drawn, workshop.photographs, tmp_path / "one.json") == 0
    record = read_json(tmp_path / "one.json")
    other = record["preparation"]["real"] | {"margin": 3.0}
    from woundgen.records import Preparation

    changed = Preparation(other["resolution"], 3.0, other["compressed"], other["version"]).to_json()
    del record["content_sha256"]  # as files of earlier versions; with it, a change by hand is refused before
    (tmp_path / "two.json").write_text(json.dumps(record | {"preparation": {"real": changed, "generated": None}}))
    words = ["compare", str(tmp_path / "one.json"), str(tmp_path / "two.json"), "--out", str(tmp_path / "out")]
    assert run(words) == 2
    assert "prepared differently" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_adapter_alone_is_screened_with_its_margin(
    framed: Path, workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Passed on without its run; photographs without boxes are refused."""
    alone = tmp_path / "adapter"
    shutil.copytree(next((framed / "checkpoints").glob("*/ema")), alone)
    words = ["generate", "--adapter", str(alone), "--count", "4", "--block", "4", "--steps", "2", "--size", "32"]
    bare = without_boxes(workshop.photographs, tmp_path / "bare")
    assert run([*words, "--real", str(bare), "--out", str(tmp_path / "one")]) == 2
    assert "prepared differently" in capsys.readouterr().err
    assert not (tmp_path / "one").exists()
    code = run([*words, "--real", str(workshop.photographs), "--policy", "report", "--out", str(tmp_path / "two")])
    assert code == 0
    assert read_json(tmp_path / "two" / "preparation.json")["margin"] == MARGIN


def test_a_damaged_record_is_named(
    drawn: Path, workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(drawn, copy)
    content = read_json(copy / "preparation.json")
    (copy / "preparation.json").write_text(json.dumps(content | {"margin": 0.25}))
    assert evaluate(copy, workshop.photographs, tmp_path / "metrics.json") == 2
    assert "preparation.json is not a record" in capsys.readouterr().err


def test_utility_takes_the_margin_of_the_sets(drawn: Path, tmp_path: Path) -> None:
    from woundgen.errors import UserError
    from woundgen.workflows.utility.bank import choose_margin

    assert choose_margin([drawn], asked=None) == MARGIN
    assert choose_margin([drawn], asked=0.1) == 0.1
    assert choose_margin([tmp_path], asked=None) == 0.25
    other = tmp_path / "other"
    other.mkdir()
    from woundgen.data.pixels.preparation_file import write_preparation
    from woundgen.records import Preparation

    write_preparation(other, Preparation(32, 0.25, False, 2))
    with pytest.raises(UserError, match="different margins"):
        choose_margin([drawn, other], asked=None)


def test_utility_refuses_sets_of_another_framing(drawn: Path, workshop: Workshop, tmp_path: Path) -> None:
    from woundgen.errors import UserError
    from woundgen.workflows.utility.bank import read_photographs, read_sets

    both = tmp_path / "photographs"
    assert run(["phantoms", "--count", "24", "--phases", "IR", "--size", "48", "--out", str(both)]) == 0
    photos = read_photographs(both, classes=("I", "R"), size=32, margin=0.25, clusters=False)
    with pytest.raises(UserError, match="prepared differently"):
        read_sets([drawn], photos, root=both, classes=("I", "R"), size=32, runs=tmp_path)


def test_pixels_of_training_and_evaluation_are_the_same(framed: Path, workshop: Workshop) -> None:
    from woundgen.data.photo_set import photographs_of
    from woundgen.workflows.evaluate.sets import photographs_from

    trained = photographs_of(framed)
    read = photographs_from(run=None, real=workshop.photographs, phase="I", size=32, margin=MARGIN).held_out
    assert {image.tobytes() for image in trained.images} == {image.tobytes() for image in read.images}
    assert np.array_equal(np.sort(trained.images.mean(axis=(1, 2, 3))), np.sort(read.images.mean(axis=(1, 2, 3))))
