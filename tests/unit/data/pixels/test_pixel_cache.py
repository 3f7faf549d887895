"""The cache of prepared photographs: private, listed, purged as a whole or by photograph; processes change nothing."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest

from woundgen.cli import run
from woundgen.data.files.images import write_png
from woundgen.data.photo_set import gather
from woundgen.data.pixels.prepare import prepare_all
from woundgen.records import Box, Photo
from woundgen.storage.names import prepared_folder


@pytest.fixture
def photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of phases I and R, four each, with a cache of their own."""
    monkeypatch.setenv("WOUNDGEN_PREPARED", str(tmp_path / "prepared"))
    for phase in "IR":
        (tmp_path / "data" / phase).mkdir(parents=True)
        for number in range(4):
            rng = np.random.default_rng([ord(phase), number])
            pixels = rng.integers(30, 256, (40, 50, 3)).astype(np.uint8)
            write_png(tmp_path / "data" / phase / f"{number}.png", pixels, text={})
    return tmp_path / "data"


def gathered(root: Path, phase: str) -> np.ndarray:
    return gather(root, phases=[phase], resolution=32, margin=0.1, train_share=0.5, seed=0).images


def test_training_keeps_prepared_pixels(photographs: Path) -> None:
    first = gathered(photographs, "I")
    folder = prepared_folder()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    entries = sorted(folder.iterdir())
    assert len(entries) == 4
    before = [path.stat().st_mtime_ns for path in entries]
    assert np.array_equal(gathered(photographs, "I"), first)
    assert [path.stat().st_mtime_ns for path in entries] == before  # read, not made again
    altered = bytearray(entries[0].read_bytes())
    altered[0] ^= 255
    entries[0].write_bytes(altered)
    assert np.array_equal(gathered(photographs, "I"), first)  # an entry with another digest is none


def test_a_home_that_cannot_be_written_is_no_obstacle(photographs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_cache = gathered(photographs, "I")
    monkeypatch.setenv("WOUNDGEN_PREPARED", str(photographs / "I" / "0.png" / "below a file"))
    assert np.array_equal(gathered(photographs, "I"), with_cache)


def test_a_full_disk_leaves_no_entry(photographs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes the next run slower, not this one fail."""
    with monkeypatch.context() as patch:
        patch.setattr("os.writev", lambda _descriptor, parts: len(parts[0]))
        first = gathered(photographs, "I")
    assert list(prepared_folder().iterdir()) == []
    assert np.array_equal(gathered(photographs, "I"), first)
    assert len(list(prepared_folder().iterdir())) == 4


def test_listed_and_purged(photographs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gathered(photographs, "I")
    gathered(photographs, "R")
    (prepared_folder() / "mine.txt").write_text("not ours")
    only = photographs.parent / "only" / "R"
    only.mkdir(parents=True)
    for number in (0, 1):
        (only / f"{number}.png").write_bytes((photographs / "R" / f"{number}.png").read_bytes())
    assert run(["data", "cache"]) == 0
    assert "8 prepared photographs, " in capsys.readouterr().out
    assert run(["data", "cache", str(only.parent)]) == 0
    assert "2 prepared photographs of the photographs in " in capsys.readouterr().out
    assert run(["data", "cache", str(only.parent), "--purge"]) == 0
    assert "2 removed" in capsys.readouterr().out
    assert run(["data", "cache", "--purge"]) == 0
    assert "6 removed" in capsys.readouterr().out
    assert [path.name for path in prepared_folder().iterdir()] == ["mine.txt"]
    assert len(list(photographs.rglob("*.png"))) == 8


def test_two_processes_give_what_one_gives(photographs: Path, tmp_path: Path) -> None:
    """In order, with the problems of both; the file that is none costs a line."""
    photos = [Photo(str(path), "I", box=Box(4, 4, 30, 30)) for path in sorted(photographs.rglob("*.png"))] * 5

    def prepared(processes: int, cache: Path | None) -> np.ndarray:
        return prepare_all(
            photos, resolution=16, margin=0.2, roots=[photographs], cache_dir=cache,
            processes=processes,
        )  # fmt: skip

    alone = prepared(1, None)
    assert np.array_equal(prepared(2, tmp_path / "cache"), alone)
    (photographs / "I" / "1.png").write_text("no image")
    with pytest.raises(Exception, match=r"1\.png is not an image") as caught:
        prepared(2, None)
    assert "5 problems" in str(caught.value)
