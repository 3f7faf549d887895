"""Images are held against all that anything drawn from was trained on; where that cannot be, the set says so."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from woundgen.cli import run
from woundgen.data.photo_set import photographs_of
from woundgen.storage.files import read_json
from woundgen.storage.names import private_folder
from woundgen.workflows.generate import job as generate

from .conftest import Workshop

WORDS = ["generate", "--count", "4", "--block", "4", "--steps", "2", "--size", "32", "--policy", "report"]
COPIED = 2  # index of the drawn image that is a copy

CopyOf = Callable[[Path], None]


@pytest.fixture
def copy_of(trained: Path, monkeypatch: pytest.MonkeyPatch) -> CopyOf:
    """Makes the model draw one photograph, turned upside down, at COPIED."""
    photos, draw = photographs_of(trained), generate.draw_parts

    def choose(photograph: Path) -> None:
        row = [Path(photo.path) for photo in photos.photos].index(photograph)

        def drawing(base: object, settings: object, indices: Sequence[int], **named: object) -> list[np.ndarray]:
            (images,) = draw(base, settings, indices, **named)
            for place, index in enumerate(indices):
                if index == COPIED:
                    images[place] = photos.images[row][::-1, ::-1]
            return [images]

        monkeypatch.setattr(generate, "draw_parts", drawing)

    return choose


@pytest.fixture(scope="module")
def other(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the same photographs, divided otherwise."""
    out = tmp_path_factory.mktemp("runs") / "other"
    assert run(workshop.train(out, "--set", "seed=5", "--set", "max_steps=2")) == 0
    return out


def quarantined(out: Path) -> dict[int, str]:
    rows = [read_json(path) for path in sorted((private_folder(out) / "quarantine").glob("*.json"))]
    return {row["index"]: row["photograph"] for row in rows}


def trained_by_one_alone(knows: Path, not_by: Path) -> Path:
    """A photograph that `knows` was trained on and the other run was not."""
    sides = [{photo.path: photo.split for photo in photographs_of(run).photos} for run in (knows, not_by)]
    return Path(next(path for path, side in sides[0].items() if side == "train" and sides[1][path] != "train"))


@pytest.mark.parametrize("way", ["adapter", "guide"])
def test_copies_of_what_the_second_run_was_trained_on_are_held_back(
    copy_of: CopyOf, workshop: Workshop, trained: Path, other: Path, tmp_path: Path, way: str
) -> None:
    photograph = trained_by_one_alone(other, not_by=trained)
    copy_of(photograph)
    out = tmp_path / "set"
    words = [*WORDS, "--adapter", str(trained), f"--{way}", str(other), "--real", str(workshop.photographs)]
    assert run([*words, "--out", str(out)]) == 0
    assert quarantined(out) == {COPIED: str(photograph)}
    assert not (out / "images" / f"{COPIED:06d}.png").exists()
    assert "| copies | held back |" in (out / "README.md").read_text()


def test_an_adapter_without_its_run_may_have_seen_every_photograph(
    copy_of: CopyOf, workshop: Workshop, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lone = tmp_path / "lone"
    shutil.copytree(next(trained.glob("checkpoints/*/raw")), lone)
    photos = photographs_of(trained)
    photograph = Path(photos.photos[photos.rows("validation")[0]].path)
    copy_of(photograph)
    out = tmp_path / "set"
    words = [*WORDS, "--adapter", str(lone), "--real", str(workshop.photographs), "--out", str(out)]
    assert run(words) == 0
    assert quarantined(out) == {COPIED: str(photograph)}
    assert "held against all photographs" in capsys.readouterr().out


def test_a_set_held_against_other_photographs_says_so(
    workshop: Workshop, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = tmp_path / "others"
    words = ["phantoms", "--count", "24", "--phases", "I", "--size", "48", "--seed", "9", "--out", str(others)]
    assert run(words) == 0
    out = tmp_path / "set"
    assert run([*WORDS, "--adapter", str(trained), "--real", str(others), "--out", str(out)]) == 0
    assert "not looked for in full" in (out / "README.md").read_text()
    assert read_json(out / "set.json")["screening"]["copies_not_looked_for"] is True
    assert "copies of others are not found" in capsys.readouterr().out.replace("\n", " ")
