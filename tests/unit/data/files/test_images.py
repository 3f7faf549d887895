"""Reading photographs: what is refused, how modes are converted, and that only pixels come through."""

from __future__ import annotations

import contextlib
import io
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from woundgen.data.files import images
from woundgen.data.files.images import decode_photograph, photograph_size, read_photograph, write_png
from woundgen.data.files.paths import relative_name
from woundgen.errors import UserError

CANARY = "MRN-40417-CANARY"


def picture(width: int = 40, height: int = 30, *, seed: int = 0) -> np.ndarray:
    """Smooth colours, so that lossy formats keep them."""
    y, x = np.mgrid[0:height, 0:width]
    red, green = 40 + 160 * x / width, 60 + 120 * y / height
    return np.stack([red, green, np.full_like(red, 90 + seed)], axis=-1).astype(np.uint8)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def decode(content: bytes) -> np.ndarray:
    return decode_photograph(content, name="photo.png")


def refusal(content: bytes) -> str:
    with pytest.raises(UserError) as caught:
        decode(content)
    assert "photo.png" in caught.value.what
    assert "\n" not in str(caught.value)
    assert caught.value.fix
    return str(caught.value)


@pytest.mark.parametrize(("form", "off"), [("PNG", 0), ("BMP", 0), ("TIFF", 0), ("JPEG", 10), ("WEBP", 20)])
def test_every_format(form: str, off: int, tmp_path: Path) -> None:
    path = tmp_path / f"a.{form.lower()}"
    path.write_bytes(encoded(Image.fromarray(picture()), form))
    pixels = read_photograph(path, roots=[tmp_path])
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - picture()).max() <= off


def test_text_named_png() -> None:
    assert "not an image" in refusal(b"patient,phase\n1,I\n")


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "JPEG", "WEBP"])
def test_truncated(form: str) -> None:
    content = encoded(Image.fromarray(picture(200, 160)), form)
    for share in (0.3, 0.6, 0.9):
        refusal(content[: int(len(content) * share)])


def test_gif_and_animated() -> None:
    frames = [Image.fromarray(picture(seed=seed)) for seed in (0, 60)]
    assert "not an image of an accepted format" in refusal(
        encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    )
    for form in ("PNG", "WEBP", "TIFF"):
        assert "2 pictures" in refusal(encoded(frames[0], form, save_all=True, append_images=frames[1:]))


def test_camera_jpeg_with_preview() -> None:
    frames = [Image.fromarray(picture()), Image.fromarray(picture(20, 20))]
    content = encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert decode(content).shape == (30, 40, 3)


@pytest.mark.parametrize("size", [(1, 1), (15, 400), (400, 15)])
def test_tiny(size: tuple[int, int]) -> None:
    assert f"{size[0]}x{size[1]}" in refusal(encoded(Image.new("RGB", size), "PNG"))


def test_pixel_cap_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    header = struct.pack(">IIBBBBB", 9000, 6000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    assert "9000x6000" in refusal(bomb)
    huge = struct.pack(">IIBBBBB", 10_000, 9_500, 8, 2, 0, 0, 0)  # beyond Pillow's own warning
    assert "megapixels" in refusal(bomb.replace(chunk(b"IHDR", header), chunk(b"IHDR", huge)))


def test_byte_cap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_png(tmp_path / "a.png", picture(), text={})
    monkeypatch.setattr(images, "MAXIMUM_BYTES", 100)
    with pytest.raises(UserError, match=r"a\.png has more than"):
        read_photograph(tmp_path / "a.png", roots=[tmp_path])


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def rgb16_png(values: np.ndarray) -> bytes:
    """uint16 [H, W, 3] by the PNG specification (Pillow cannot write it): big-endian rows, filter 0."""
    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_sixteen_bit_colour() -> None:
    values = np.random.default_rng(0).integers(0, 65536, (20, 24, 3)).astype(np.uint16)
    assert np.abs(decode(rgb16_png(values)) - values / 257).max() <= 1


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize("full", [65535, 4095])
def test_sixteen_bit_grey(form: str, full: int) -> None:
    values = np.linspace(0, full, 400).astype(np.uint16).reshape(20, 20)
    pixels = decode(encoded(Image.fromarray(values), form))
    expected = np.rint(values * (255 / full))  # 65535 / 255 = 257; 12 bits in 16 keep their own range
    assert np.array_equal(pixels, np.repeat(expected[..., None], 3, axis=-1).astype(np.uint8))


def test_float_grey() -> None:
    values = np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20)
    assert np.array_equal(decode(encoded(Image.fromarray(values), "TIFF"))[..., 1], np.rint(values * 255))
    assert "grey values" in refusal(encoded(Image.fromarray(values - 0.5), "TIFF"))
    assert "grey values" in refusal(encoded(Image.fromarray(values * np.float32(np.nan)), "TIFF"))


def test_cmyk() -> None:
    cmyk = Image.merge("CMYK", [Image.new("L", (20, 20), value) for value in (0, 255, 255, 0)])
    for form in ("TIFF", "JPEG"):
        assert np.abs(decode(encoded(cmyk, form)).astype(int) - (255, 0, 0)).max() <= 3


def test_grey_bilevel_palette() -> None:
    grey = np.arange(400, dtype=np.uint16).reshape(20, 20).astype(np.uint8)
    assert np.array_equal(decode(encoded(Image.fromarray(grey), "PNG")), np.repeat(grey[..., None], 3, -1))
    bilevel = decode(encoded(Image.fromarray(grey > 100), "PNG"))
    assert set(np.unique(bilevel)) == {0, 255}
    palette = Image.new("P", (20, 20), 1)
    palette.putpalette([0, 0, 0, 10, 200, 30])
    assert (decode(encoded(palette, "PNG")) == (10, 200, 30)).all()
    assert (decode(encoded(palette, "PNG", transparency=1)) == 255).all()


def test_alpha_on_white() -> None:
    half = Image.new("RGBA", (20, 20), (0, 100, 200, 51))  # alpha 0.2: 0.2 c + 0.8 * 255
    for form in ("PNG", "TIFF"):
        assert np.abs(decode(encoded(half, form)).astype(int) - (204, 224, 244)).max() <= 1
    grey = Image.new("LA", (20, 20), (100, 0))
    assert (decode(encoded(grey, "PNG")) == 255).all()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(form: str, orientation: int, tmp_path: Path) -> None:
    """EXIF 2.3, tag 0x0112: 2-4 flips and half turn, 5-8 transposed."""
    upright = picture(48, 32)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.png"
    path.write_bytes(encoded(Image.fromarray(np.ascontiguousarray(stored)), form, exif=exif))
    pixels = read_photograph(path, roots=[tmp_path])
    assert pixels.shape == upright.shape
    assert np.abs(pixels.astype(int) - upright).mean() <= 3
    assert photograph_size(path, roots=[tmp_path]) == (48, 32)


def test_colour_profile() -> None:
    """A linear-light profile: value v means the sRGB value of v's inverse transfer (IEC 61966-2-1)."""
    lab = Image.fromarray(picture())
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.abs(decode(encoded(lab, "PNG", icc_profile=srgb)).astype(int) - picture()).max() <= 1
    linear = linear_profile(srgb)
    value = 0.2
    tagged = Image.new("RGB", (20, 20), (51, 51, 51))
    expected = 255 * (1.055 * value ** (1 / 2.4) - 0.055)
    assert np.abs(decode(encoded(tagged, "PNG", icc_profile=linear)) - expected).max() <= 1.5
    grey = Image.new("L", (20, 20), 51)
    assert np.abs(decode(encoded(grey, "PNG", icc_profile=linear)) - expected).max() <= 1.5


def linear_profile(srgb: bytes) -> bytes:
    """sRGB's profile with its three curves replaced by gamma 1 (ICC.1: 'curv' with a count of 0)."""
    profile = bytearray(srgb)
    count = struct.unpack(">I", profile[128:132])[0]
    for index in range(count):
        at = 132 + 12 * index
        signature, offset, _ = struct.unpack(">4sII", profile[at : at + 12])
        if signature in (b"rTRC", b"gTRC", b"bTRC"):
            profile[offset : offset + 12] = b"curv" + bytes(8)
            profile[at + 8 : at + 12] = struct.pack(">I", 12)
    return bytes(profile)


def test_unusable_profile() -> None:
    assert "colour profile" in refusal(encoded(Image.fromarray(picture()), "PNG", icc_profile=b"nonsense"))


def test_random_damage_never_crashes() -> None:
    """Either pixels or one line: truncations and byte flips of each format."""
    rng = random.Random(0)
    for form in ("PNG", "JPEG", "BMP", "TIFF", "WEBP"):
        whole = encoded(Image.fromarray(picture(64, 48)), form)
        for _ in range(60):
            damaged = bytearray(whole[: rng.randrange(1, len(whole) + 1)])
            for _ in range(rng.randrange(4)):
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
            with contextlib.suppress(UserError):
                assert decode(bytes(damaged)).ndim == 3


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_no_canary_survives(form: str, tmp_path: Path) -> None:
    path = tmp_path / "in.png"
    path.write_bytes(planted(form))
    assert path.read_bytes().count(CANARY.encode()) >= 3
    write_png(tmp_path / "out.png", read_photograph(path, roots=[tmp_path]), text={"Source": "synthetic"})
    content = (tmp_path / "out.png").read_bytes()
    assert CANARY.encode() not in content
    assert chunk_kinds(content) == [b"IHDR", b"tEXt", b"IDAT", b"IEND"]
    assert [entry.name for entry in tmp_path.glob("*")] != []
    assert not list(tmp_path.glob(".*.tmp"))


def planted(form: str) -> bytes:
    exif = Image.Exif()
    exif[0x010E] = exif[0x013B] = CANARY  # ImageDescription, Artist
    exif.get_ifd(0x8825)[0x001D] = CANARY  # GPSDateStamp
    xmp = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{CANARY}</x:xmpmeta>".encode()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    options: dict[str, object] = {"exif": exif, "icc_profile": srgb}
    if form == "PNG":
        text = PngInfo()
        text.add_text("Comment", CANARY)
        text.add_itxt("XML:com.adobe.xmp", xmp.decode())
        options["pnginfo"] = text
    elif form == "TIFF":
        options |= {"tiffinfo": {700: xmp, 33432: CANARY, 305: CANARY}}
        options.pop("exif")
        options["tiffinfo"] |= {270: CANARY, 315: CANARY}  # type: ignore[operator]
    else:
        options["xmp"] = xmp
        if form == "JPEG":
            options["comment"] = CANARY
    return encoded(Image.fromarray(picture()), form, **options) + CANARY.encode()


def chunk_kinds(png: bytes) -> list[bytes]:
    kinds, at = [], 8
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        kinds.append(kind)
        at += 12 + length
    return kinds


def test_write_png_round_trip(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", picture(), text={"Description": "synthetic – künstlich"})
    with Image.open(tmp_path / "a.png") as image:
        assert np.array_equal(np.asarray(image), picture())
        assert image.info["Description"] == "synthetic – künstlich"


def test_paths_stay_inside(tmp_path: Path) -> None:
    root, secret = tmp_path / "data", tmp_path / "secret.png"
    (root / "I").mkdir(parents=True)
    write_png(secret, picture(), text={})
    write_png(root / "in.png", picture(), text={})
    (root / "out.png").symlink_to(secret)
    (root / "I" / "ok.png").symlink_to(root / "in.png")
    (root / "loop.png").symlink_to(root / "loop.png")
    assert read_photograph(root / "I" / "ok.png", roots=[root]).shape == (30, 40, 3)
    for bad in ("../secret.png", "I/../../secret.png", "out.png", "a\0.png", "gone.png", "loop.png", "I"):
        with pytest.raises(UserError):
            read_photograph(root / bad, roots=[root])
    with pytest.raises(UserError, match="outside"):
        read_photograph(secret, roots=[root])


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "/etc/passwd",
        "../a.png",
        "a/../../b.png",
        "C:\\a.png",
        "c:/a.png",
        "\\\\host\\a",
        "a\\b",
        "a\0",
    ],
)
def test_names_that_leave(name: str) -> None:
    with pytest.raises(UserError):
        relative_name(name)
