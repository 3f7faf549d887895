"""Photographs read safely into plain sRGB pixels, and PNG files written from pixels alone.

Nothing but pixels leaves this file: EXIF, GPS, comments, XMP and colour profiles end in `read_photograph`.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from woundgen.data.files import dicom, heif
from woundgen.data.files.paths import resolve_inside
from woundgen.errors import Code, UserError
from woundgen.storage.files import write_bytes

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "AVIF")
SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".avif", *heif.SUFFIXES, dicom.SUFFIX,
)  # fmt: skip
MAXIMUM_PIXELS = 50_000_000
MAXIMUM_BYTES = 100_000_000
SMALLEST_SIDE = 16

_ACCEPTED = "Give a PNG, JPEG, BMP, TIFF, WEBP, AVIF, HEIC or DICOM photograph."
_ORIENTATIONS_THAT_TURN = (5, 6, 7, 8)  # EXIF 2.3, tag 0x0112: width and height change places


def read_photograph(path: Path, *, roots: Sequence[Path]) -> np.ndarray:
    """The photograph at `path` as uint8 [H, W, 3], sRGB, upright, alpha on white.

    Raises UserError naming the file where it is not one whole, still photograph inside `roots`, within
    the caps.
    """
    return decode_photograph(read_file(path, roots=roots), name=str(path))


def read_file(path: Path, *, roots: Sequence[Path]) -> bytes:
    """The bytes of a file inside `roots`, at most MAXIMUM_BYTES of them, else UserError."""
    file = resolve_inside(path, roots=roots)
    try:
        with file.open("rb") as handle:
            content = handle.read(MAXIMUM_BYTES + 1)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).", "Check its permissions.") from None
    if len(content) > MAXIMUM_BYTES:
        raise UserError(
            f"{path} has more than {MAXIMUM_BYTES // 10**6} MB.", "Save a smaller copy.", code=Code.TOO_LARGE
        )
    return content


def decode_photograph(content: bytes, *, name: str) -> np.ndarray:
    """`read_photograph` for bytes already read; `name` stands in the errors."""
    return np.array(decode_image(content, name=name))


def decode_image(content: bytes, *, name: str) -> Image.Image:
    """The same as an RGB image, of which a part can be taken without making an array of all."""
    if dicom.is_dicom(content):
        with _name_file(name, quoted=False):
            picture = dicom.decode_dicom(content, name=name, maximum_pixels=MAXIMUM_PIXELS)
            _refuse_unusable(picture, name=name)
            return _to_srgb(picture, name=name)
    with _name_file(name), Image.open(io.BytesIO(content), formats=_formats(content, name=name)) as image:
        _refuse_unusable(image, name=name)
        image.load()  # a truncated file raises here: ImageFile.LOAD_TRUNCATED_IMAGES is left off
        ImageOps.exif_transpose(image, in_place=True)
        return _to_srgb(image, name=name)


def photograph_size(path: Path, *, roots: Sequence[Path]) -> tuple[int, int]:
    """(width, height) of the upright photograph, from its header alone."""
    file = resolve_inside(path, roots=roots)
    if dicom.is_dicom(_read_start(file)):
        with _name_file(str(path), quoted=False):
            return dicom.dicom_size(read_file(path, roots=roots), name=str(path))
    formats = _formats(_read_start(file), name=str(path))
    with _name_file(str(path)), Image.open(file, formats=formats) as image:
        if image.format == "TIFF":  # Pillow turns these itself
            return image.size
        # The base class's getexif: that of PNG decodes the whole picture in search of a late chunk.
        turned = Image.Image.getexif(image).get(ExifTags.Base.Orientation) in _ORIENTATIONS_THAT_TURN
        return (image.height, image.width) if turned else image.size


def is_lossy(start: bytes) -> bool:
    """Whether a file that begins with these 16 bytes is JPEG, lossy WEBP, HEIC or AVIF: by content, not by name."""
    webp = start[:4] == b"RIFF" and start[8:16] == b"WEBPVP8 "
    return start.startswith(b"\xff\xd8") or webp or start[4:8] == heif.MARK


def _formats(content: bytes, *, name: str) -> tuple[str, ...]:
    """The formats that Pillow may try. HEIC's decoder is another package, which is asked for such files alone."""
    if not heif.is_heif(content):
        return FORMATS
    heif.require_decoder(name)
    return (heif.FORMAT,)


def _read_start(file: Path) -> bytes:
    try:
        with file.open("rb") as handle:
            return handle.read(132)
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}).", "Check its permissions.") from None


def png_bytes(pixels: np.ndarray, *, text: Mapping[str, str]) -> bytes:
    """uint8 [H, W, 3] as a PNG file that holds the pixels, the given text chunks and nothing else."""
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    chunks = PngInfo()
    for key, value in text.items():
        chunks.add_text(key, value)
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", pnginfo=chunks)
    return buffer.getvalue()


def write_png(path: Path, pixels: np.ndarray, *, text: Mapping[str, str]) -> None:
    """Write `png_bytes` so that a crash leaves the old file or the new one."""
    write_bytes(path, png_bytes(pixels, text=text))


@contextmanager
def _name_file(name: str, *, quoted: bool = True) -> Iterator[None]:
    """Turn whatever a decoder raises on bytes from outside into a UserError about `name`.

    quoted: its words stand in the error. Those of pydicom may hold values of the header, which names a patient.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # corrupt EXIF and the like: irrelevant to the pixels
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except UserError:
        raise
    except UnidentifiedImageError:
        raise UserError(
            f"{name} is not an image of an accepted format.", _ACCEPTED, code=Code.UNREADABLE_FILE
        ) from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise UserError(f"{name} has more than {_megapixels()}.", "Save a smaller copy.", code=Code.TOO_LARGE) from None
    except Exception as error:  # Pillow's decoders raise a dozen types on damaged bytes
        words = str(error).strip().splitlines()[:1] if quoted else []
        raise UserError(
            f"{name} is damaged or truncated ({words[0] if words else type(error).__name__}).",
            "Restore it from its source or remove it.",
            code=Code.DAMAGED,
        ) from None


def _megapixels() -> str:
    return f"{MAXIMUM_PIXELS // 10**6} megapixels"


def _refuse_unusable(image: Image.Image, *, name: str) -> None:
    width, height = image.size
    if width * height > MAXIMUM_PIXELS:
        raise UserError(
            f"{name} is {width}x{height}, more than {_megapixels()}.", "Save a smaller copy.", code=Code.TOO_LARGE
        )
    if min(width, height) < SMALLEST_SIDE:
        least = f"a photograph has {SMALLEST_SIDE} pixels or more a side"
        raise UserError(
            f"{name} is {width}x{height} pixels; {least}.", "Remove it or give the original.", code=Code.TOO_SMALL
        )
    # MPO is a JPEG with previews behind it, as some cameras write: its first picture is the photograph.
    if image.format != "MPO" and getattr(image, "is_animated", False):
        frames = getattr(image, "n_frames", 2)
        raise UserError(
            f"{name} holds {frames} pictures (animated or paged).",
            "Save the one you mean as PNG.",
            code=Code.SEVERAL_PICTURES,
        )


def _to_srgb(image: Image.Image, *, name: str) -> Image.Image:
    profile = image.info.get("icc_profile")
    if image.mode == "RGB" and not profile and not image.has_transparency_data:
        return image
    if image.mode.startswith(("I", "F")):
        image = _to_eight_bits(image, name=name)
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    colour = image.convert({"1": "L", "L": "L", "LA": "L", "CMYK": "CMYK"}.get(image.mode, "RGB"))
    rgb = _through_profile(colour, profile, name=name) if profile else colour.convert("RGB")
    if alpha is None:
        return rgb
    white = Image.new("RGB", rgb.size, "white")
    white.paste(rgb, mask=alpha)
    return white


def _to_eight_bits(image: Image.Image, *, name: str) -> Image.Image:
    """Grey of more than 8 bits as 8 bits.

    Floats are scaled from [0, 1], integers from the smallest usual depth (8, 12, 16 bits) that holds them:
    cameras put 12 bits into 16 unscaled, and dividing by 65535 / 255 = 257 would leave those nearly black.
    """
    values = np.asarray(image)
    low, high = float(values.min()), float(values.max())
    depths = (1.0,) if image.mode == "F" else (255.0, 4095.0, 65535.0)
    full = next((depth for depth in depths if high <= depth), None)
    if full is None or not low >= 0:
        raise UserError(f"{name} has grey values from {low:g} to {high:g}.", "Save it with 8 or 16 bits per channel.")
    return Image.fromarray(np.rint(values * (255.0 / full)).astype(np.uint8))


def _through_profile(image: Image.Image, profile: bytes, *, name: str) -> Image.Image:
    """Embedded ICC profile → sRGB (LittleCMS, perceptual intent)."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}[source.profile.xcolor_space.strip()]
        if image.mode == "L" and mode == "RGB":  # usual: a grey picture tagged as sRGB
            image = image.convert("RGB")
        if image.mode != mode:
            raise ValueError(f"{mode} profile, {image.mode} pixels")
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except Exception as error:
        raise UserError(
            f"{name} has a colour profile that cannot be used ({error}).",
            "Save a copy as sRGB.",
            code=Code.COLOUR_PROFILE,
        ) from None
    assert converted is not None
    return converted
