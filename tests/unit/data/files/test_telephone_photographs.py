"""HEIC as telephones write it and AVIF: pixels, orientation, nothing of the header, one line where no decoder is."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from woundgen.data.files.heif import is_heif
from woundgen.data.files.images import decode_photograph, is_lossy, photograph_size, png_bytes, read_photograph
from woundgen.data.layouts.find_photos import find_photos
from woundgen.errors import UserError

CANARY = b"CANARY-CAMERA"
SMOOTH = np.stack(np.meshgrid(np.linspace(0, 255, 64), np.linspace(0, 255, 48)), -1).astype(np.uint8)
PICTURE = np.concatenate([SMOOTH, np.full((48, 64, 1), 90, np.uint8)], axis=-1)


def exif(orientation: int) -> bytes:
    found = Image.Exif()
    found[0x0112], found[0x0110] = orientation, CANARY.decode()
    return found.tobytes()


def heic(pixels: np.ndarray, *, orientation: int = 1) -> bytes:
    made, buffer = pillow_heif.from_pillow(Image.fromarray(pixels)), io.BytesIO()
    made.save(buffer, quality=100, chroma=444, exif=exif(orientation))
    return buffer.getvalue()


def avif(pixels: np.ndarray, *, orientation: int = 1) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "AVIF", quality=100, subsampling="4:4:4", exif=exif(orientation))
    return buffer.getvalue()


@pytest.mark.parametrize("write", [heic, avif])
def test_pixels_are_those_that_were_written(write) -> None:  # type: ignore[no-untyped-def]
    content = write(PICTURE)
    found = decode_photograph(content, name="x")
    assert np.abs(found.astype(int) - PICTURE).max() <= 6
    assert is_lossy(content[:16])
    assert is_heif(content) == (write is heic)
    assert CANARY in content
    assert CANARY not in png_bytes(found, text={})


@pytest.mark.parametrize("write", [heic, avif])
def test_upright_whatever_the_camera_was(write, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Orientation 6: the camera was turned, the first row of the file is the right column of the picture."""
    path = tmp_path / f"a.{write.__name__}"
    path.write_bytes(write(PICTURE, orientation=6))
    expected = np.rot90(PICTURE, -1)
    found = read_photograph(path, roots=[tmp_path])
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= 6
    assert photograph_size(path, roots=[tmp_path]) == (48, 64)


def test_both_are_found_as_photographs(tmp_path: Path) -> None:
    (tmp_path / "I").mkdir()
    (tmp_path / "I" / "a.heic").write_bytes(heic(PICTURE))
    (tmp_path / "I" / "B.HEIF").write_bytes(heic(PICTURE))
    (tmp_path / "I" / "c.avif").write_bytes(avif(PICTURE))
    assert len(find_photos(tmp_path, phases=["I"])) == 3


def test_an_absent_decoder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = heic(PICTURE)
    (tmp_path / "a.heic").write_bytes(content)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for read in (
        lambda: decode_photograph(content, name="a.heic"),
        lambda: photograph_size(tmp_path / "a.heic", roots=[tmp_path]),
    ):
        with pytest.raises(UserError, match=r"a.heic is HEIC, and pillow-heif is not installed.*woundgen\[heic\]"):
            read()


@pytest.mark.parametrize("write", [heic, avif])
def test_spoilt_files_are_one_line(write) -> None:  # type: ignore[no-untyped-def]
    whole = write(PICTURE)
    for content in (whole[: len(whole) // 2], whole[:40], whole[:16] + bytes(200)):
        with pytest.raises(UserError) as caught:
            decode_photograph(content, name="x")
        assert "\n" not in str(caught.value)
