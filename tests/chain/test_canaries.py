"""What stands in photographs beside pixels reaches no output: canaries in every metadata field of PNG, JPEG, TIFF,
WEBP and DICOM, through import, check, split, training, drawing, measuring, audit and reports; all output searched."""

from __future__ import annotations

import base64
import io
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import ExifTags, Image, ImageCms, TiffImagePlugin
from PIL.PngImagePlugin import PngInfo

from woundgen.cli import run
from woundgen.storage.names import prepared_folder

from .conftest import Workshop

CANARY = "CANARYMRN40417"
XMP = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:li>{CANARY}</rdf:li></x:xmpmeta>".encode()
IPTC = b"\x1c\x02\x78" + struct.pack(">H", len(CANARY)) + CANARY.encode()  # 2:120, caption
FORMATS = {"PNG": "png", "JPEG": "jpg", "TIFF": "tif", "WEBP": "webp", "DICOM": "dcm"}


def scene(seed: int) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(30, 226, (6, 6, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((48, 48), Image.Resampling.BICUBIC)


def exif() -> Image.Exif:
    """Every text tag of the image, of Exif and of GPS, user comment and maker's note included."""
    made = Image.Exif()
    for tag in ("ImageDescription", "Make", "Model", "Software", "DateTime", "Artist", "Copyright", "HostComputer"):
        made[ExifTags.Base[tag]] = CANARY
    made[ExifTags.Base.XPComment] = CANARY.encode("utf-16-le")
    inner = made.get_ifd(ExifTags.IFD.Exif)
    for tag in ("DateTimeOriginal", "DateTimeDigitized", "OffsetTime", "CameraOwnerName", "BodySerialNumber",
                "LensMake", "LensModel", "LensSerialNumber", "ImageUniqueID"):  # fmt: skip
        inner[ExifTags.Base[tag]] = CANARY
    inner[ExifTags.Base.UserComment] = b"ASCII\0\0\0" + CANARY.encode()
    inner[ExifTags.Base.MakerNote] = CANARY.encode()
    places = made.get_ifd(ExifTags.IFD.GPSInfo)
    for tag in (ExifTags.GPS.GPSDateStamp, ExifTags.GPS.GPSMapDatum, ExifTags.GPS.GPSDestBearingRef):
        places[tag] = CANARY
    places[ExifTags.GPS.GPSProcessingMethod] = b"ASCII\0\0\0" + CANARY.encode()
    return made


def profile() -> bytes:
    """sRGB, its description overwritten in place: ICC text tags are as long as they are."""
    made = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    text = CANARY.encode("utf-16-be")
    at = made.find("sRGB".encode("utf-16-be"))
    assert at > 0
    made[at : at + len(text)] = text
    return bytes(made)


def dicom(seed: int) -> bytes:
    """A photograph with a canary in every text element that names people, places or devices, in one of its own, too."""
    made = pydicom.Dataset()
    made.file_meta = pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = f"1.2.{seed + 1}"
    for keyword in (
        "PatientName", "PatientAddress", "PatientComments", "InstitutionName", "StudyDescription", "StationName",
        "OperatorsName", "ReferringPhysicianName", "SeriesDescription", "ImageComments", "DeviceSerialNumber",
        "AccessionNumber", "Manufacturer", "IssuerOfPatientID",
    ):  # fmt: skip
        setattr(made, keyword, CANARY)
    made.PatientID = f"{CANARY}-{seed}"
    made.private_block(0x0011, CANARY, create=True).add_new(1, "LO", CANARY)
    pixels = np.asarray(scene(seed))
    made.Rows, made.Columns, made.SamplesPerPixel, made.PlanarConfiguration = *pixels.shape[:2], 3, 0
    made.PhotometricInterpretation, made.PixelRepresentation = "RGB", 0
    made.BitsAllocated, made.BitsStored, made.HighBit = 8, 8, 7
    made.PixelData = pixels.tobytes()
    made["PixelData"].VR = "OB"
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, made, enforce_file_format=True)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def planted(form: str, seed: int) -> bytes:
    buffer = io.BytesIO()
    if form == "DICOM":
        return dicom(seed)
    if form == "PNG":
        text = PngInfo()
        for key in ("Title", "Author", "Description", "Copyright", "Creation Time", "Software", "Comment", CANARY):
            text.add_text(key, CANARY)
        text.add_text("Compressed", CANARY, zip=True)
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
        scene(seed).save(buffer, form, pnginfo=text, exif=exif(), icc_profile=profile())
        content = buffer.getvalue()
        own = chunk(b"prVt", CANARY.encode()) + chunk(b"sPLT", CANARY.encode() + b"\0\x08")
        return content[:33] + own + content[33:-12] + chunk(b"tEXt", b"Late\0" + CANARY.encode()) + content[-12:]
    if form == "JPEG":
        scene(seed).save(buffer, form, exif=exif(), icc_profile=profile(), comment=CANARY, xmp=XMP, quality=95)
        content = buffer.getvalue()
        photoshop = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC
        segments = {n: CANARY.encode() for n in range(0xE3, 0xF0)} | {0xED: photoshop}
        own = b"".join(bytes([0xFF, n]) + struct.pack(">H", len(d) + 2) + d for n, d in segments.items())
        return content[:2] + own + content[2:]
    if form == "TIFF":
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        for tag in (269, 270, 271, 272, 285, 305, 306, 315, 316, 33432):
            tags[tag] = CANARY
        for tag, value in {700: XMP, 33723: IPTC, 34377: IPTC, 37724: CANARY.encode(), 65000: CANARY}.items():
            tags[tag] = value
        scene(seed).save(buffer, form, tiffinfo=tags, icc_profile=profile())
        return buffer.getvalue()
    scene(seed).save(buffer, form, exif=exif(), xmp=XMP, icc_profile=profile(), quality=95)
    content = buffer.getvalue() + b"prVt" + struct.pack("<I", len(CANARY)) + CANARY.encode()
    return content[:4] + struct.pack("<I", len(content) - 8) + content[8:]


def readings(content: bytes) -> Iterator[bytes]:
    """The bytes, what base64 hides in pages, and what deflate hides in PNG files of either."""
    yield content
    for found in re.findall(rb"base64,([A-Za-z0-9+/=]+)", content):
        yield from readings(base64.b64decode(found))
    if content.startswith(b"\x89PNG"):
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            yield repr(sorted(image.info.items())).encode()


def holds_canary(content: bytes) -> bool:
    spellings = [CANARY.encode(code) for code in ("ascii", "utf-16-le", "utf-16-be")]
    return any(spelling in reading for reading in readings(content) for spelling in spellings)


def test_planting_and_searching_work() -> None:
    for form in FORMATS:
        content = planted(form, 0)
        assert content.count(CANARY.encode()) >= 10, form
        assert holds_canary(content)
    assert holds_canary(b"<img src='data:image/png;base64," + base64.b64encode(planted("PNG", 0)) + b"'>")
    buffer = io.BytesIO()
    text = PngInfo()
    text.add_text("Compressed", CANARY, zip=True)
    scene(0).save(buffer, "PNG", pnginfo=text)
    assert CANARY.encode() not in buffer.getvalue()
    assert holds_canary(buffer.getvalue())


def test_no_output_byte_holds_a_canary(workshop: Workshop, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    for phase, count in (("I", 32), ("R", 8)):  # trained on, and in passing
        (data / phase).mkdir(parents=True)
        for number in range(count):
            form = list(FORMATS)[number % len(FORMATS)]
            (data / phase / f"{number:02d}.{FORMATS[form]}").write_bytes(planted(form, number + 100 * (phase == "R")))
    out = tmp_path / "out"
    frozen, made, ran = str(out / "frozen"), str(out / "set"), str(out / "run")
    draw = ["--count", "8", "--size", "32", "--steps", "1", "--policy", "report", "--release-copies"]
    commands = [
        ["data", "import", str(data), "--out", str(out / "imported")],
        ["data", "check", str(out / "imported"), "--out", str(out / "checked")],
        ["data", "split", str(out / "imported"), "--train", "0.4", "--validation", "0.3", "--holdout", "0.3",
         "--out", frozen],
        workshop.train(out / "run", "--set", "max_steps=2", data=out / "frozen"),
        ["generate", "--adapter", ran, *draw, "--real", frozen, "--out", made],
        ["evaluate", "--generated", made, "--run", ran, "--phase", "I"],
        ["audit", "--generated", made, "--run", ran, "--out", str(out / "audit")],
        ["report", "--run", ran, "--generated", made, "--private", "--out", str(out / "report")],
    ]  # fmt: skip
    for words in commands:
        assert run(words) == 0, words
    shown = capfd.readouterr()
    assert CANARY not in shown.out + shown.err
    files = [path for place in (out, prepared_folder()) for path in place.rglob("*") if path.is_file()]
    assert len(files) > 40
    assert not [str(path) for path in files if holds_canary(path.read_bytes())]
