"""DICOM photographs: each photometric interpretation against its definition, no header, one error line."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageCms
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from woundgen.data.files.images import decode_photograph, photograph_size, png_bytes
from woundgen.data.files.patient_groups import patient_group
from woundgen.data.layouts.find_photos import find_photos
from woundgen.errors import UserError

CANARY = "CANARY^PATIENT"


def dicom(pixels: np.ndarray, kind: str, *, bits: int = 8, compressed: bool = False, **more: object) -> bytes:
    """A secondary capture with a patient's name; `more` are further elements by keyword."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = JPEGBaseline8Bit if compressed else ExplicitVRLittleEndian
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    made.PatientName, made.PatientID, made.StudyDescription = CANARY, CANARY, CANARY
    made.Rows, made.Columns = pixels.shape[:2]
    made.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    if pixels.ndim == 3:
        made.PlanarConfiguration = 0
    made.PhotometricInterpretation = kind
    made.BitsAllocated = 16 if bits > 8 else 8
    made.BitsStored, made.HighBit, made.PixelRepresentation = bits, bits - 1, 0
    for key, value in more.items():
        setattr(made, key, value)
    if compressed:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=95, subsampling=0)
        made.PixelData = encapsulate([buffer.getvalue()])
        made["PixelData"].VR = "OB"
    else:
        made.PixelData = pixels.tobytes()
        made["PixelData"].VR = "OW" if bits > 8 else "OB"
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, made, enforce_file_format=True)
    return buffer.getvalue()


def decode(content: bytes) -> np.ndarray:
    return decode_photograph(content, name="photo.dcm")


def refusal(content: bytes) -> str:
    with pytest.raises(UserError) as caught:
        decode(content)
    assert "\n" not in str(caught.value)
    return str(caught.value)


COLOUR = np.random.default_rng(0).integers(0, 256, (24, 32, 3)).astype(np.uint8)
GREY = np.arange(24 * 32).reshape(24, 32)


def test_rgb() -> None:
    assert np.array_equal(decode(dicom(COLOUR, "RGB")), COLOUR)


def test_ybr_full() -> None:
    """PS3.3 C.7.6.3.1.2: as JPEG's YCbCr, which Pillow converts by the same matrix."""
    ybr = np.asarray(Image.fromarray(COLOUR).convert("YCbCr"))
    assert np.abs(decode(dicom(ybr, "YBR_FULL")).astype(int) - COLOUR).max() <= 3


def test_jpeg_inside() -> None:
    smooth = np.asarray(Image.fromarray(COLOUR[:3, :4]).resize((32, 24), Image.Resampling.BICUBIC))
    found = decode(dicom(smooth, "YBR_FULL", compressed=True))
    assert np.abs(found.astype(int) - smooth).max() <= 12


@pytest.mark.parametrize("kind", ["MONOCHROME2", "MONOCHROME1"])
@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (12, np.uint16), (16, np.uint16)])
def test_grey(kind: str, bits: int, dtype: type) -> None:
    values = (GREY * (2**bits - 1) // GREY.max()).astype(dtype)
    expected = np.rint(values * (255 / (2**bits - 1)))
    expected = 255 - expected if kind == "MONOCHROME1" else expected
    found = decode(dicom(values, kind, bits=bits))
    assert np.array_equal(found, np.repeat(expected[..., None], 3, -1).astype(np.uint8))


def test_window() -> None:
    """PS3.3 C.11.2.1.2.1: x <= c - 0.5 - (w-1)/2 black, x > c - 0.5 + (w-1)/2 white, linear between, after rescale."""
    values = GREY.astype(np.uint16)
    content = dicom(values, "MONOCHROME2", bits=12, WindowCenter=400, WindowWidth=201, RescaleSlope=2,
                    RescaleIntercept=-100)  # fmt: skip
    x = values * 2.0 - 100
    expected = np.clip(((x - 399.5) / 200 + 0.5) * 255, 0, 255)
    assert np.abs(decode(content)[..., 0] - expected).max() <= 0.5


def test_palette() -> None:
    tables = {
        f"{name}PaletteColorLookupTableData": (np.arange(256) * step % 256 * 257).astype("<u2").tobytes()
        for name, step in (("Red", 1), ("Green", 3), ("Blue", 7))
    }
    shapes = {f"{name}PaletteColorLookupTableDescriptor": [256, 0, 16] for name in ("Red", "Green", "Blue")}
    index = (GREY % 256).astype(np.uint8)
    found = decode(dicom(index, "PALETTE COLOR", **shapes, **tables))
    expected = np.stack([index.astype(int) * step % 256 for step in (1, 3, 7)], axis=-1)
    assert np.array_equal(found, expected)


def test_nothing_of_the_header_comes_through() -> None:
    content = dicom(COLOUR, "RGB")
    assert content.count(CANARY.encode()) == 3
    assert CANARY.encode() not in png_bytes(decode(content), text={})


def test_found_and_sized_like_any_photograph(tmp_path: Path) -> None:
    (tmp_path / "I").mkdir()
    for number in range(2):
        (tmp_path / "I" / f"{number}.dcm").write_bytes(dicom(COLOUR, "RGB"))
    photos = find_photos(tmp_path, phases=["I"])
    assert len(photos) == 2
    assert photograph_size(Path(photos[0].path), roots=[tmp_path]) == (32, 24)


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = dicom(COLOUR, "RGB")
    assert "damaged or truncated" in refusal(whole[:-400])
    assert "damaged or truncated" in refusal(whole[:200])
    film = dicom(np.concatenate([COLOUR, COLOUR]), "RGB", Rows=24, NumberOfFrames=2)
    assert "2 pictures (animated or paged), and names none as representative" in refusal(film)
    assert "burned in" in refusal(dicom(COLOUR, "RGB", BurnedInAnnotation="YES"))
    assert "megapixels" in refusal(dicom(COLOUR, "RGB", Rows=9000, Columns=9000))
    assert "pixels or more a side" in refusal(dicom(COLOUR[:4], "RGB"))
    assert "deflated" in refusal(whole.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99\0", 1))
    monkeypatch.setitem(sys.modules, "pydicom", None)
    assert "woundgen[dicom]" in refusal(whole)


def test_of_several_frames_the_representative_one_is_read() -> None:
    """RepresentativeFrameNumber counts from 1 (PS3.3 C.7.6.16.1.3); one that does not exist is none."""
    frames = np.stack([COLOUR, 255 - COLOUR, COLOUR // 2])
    for number, frame in enumerate(frames, start=1):
        film = dicom(frames.reshape(-1, *COLOUR.shape[1:]), "RGB", Rows=24, NumberOfFrames=3,
                     RepresentativeFrameNumber=number)  # fmt: skip
        assert np.array_equal(decode(film), frame)
    beyond = dicom(frames.reshape(-1, *COLOUR.shape[1:]), "RGB", Rows=24, NumberOfFrames=3, RepresentativeFrameNumber=4)
    assert "names none as representative" in refusal(beyond)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_lossless_syntaxes_that_need_nothing_more(syntax: str) -> None:
    """RLE by pydicom itself; JPEG 2000 by Pillow: the same pixels as uncompressed."""
    data = pydicom.dcmread(io.BytesIO(dicom(COLOUR, "RGB")))
    if syntax == RLELossless:
        data.compress(RLELossless, encoding_plugin="pydicom")
    else:
        picture = io.BytesIO()
        Image.fromarray(COLOUR).save(picture, "JPEG2000", irreversible=False, no_jp2=True, mct=0)
        data.file_meta.TransferSyntaxUID = JPEG2000Lossless
        data.PixelData = encapsulate([picture.getvalue()])
        data["PixelData"].VR = "OB"
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data, enforce_file_format=True)
    assert np.array_equal(decode(buffer.getvalue()), COLOUR)


def test_groups_are_patients_and_name_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same patient is one group, of another issuer another; under another key all ids differ."""
    monkeypatch.setenv("WOUNDGEN_PATIENT_KEY", str(tmp_path / "key"))
    (folder := tmp_path / "data" / "I").mkdir(parents=True)
    patients = ({"PatientID": "123"}, {"PatientID": " 123 "}, {"PatientID": "124"}, {"PatientID": ""},
                {"PatientID": "123", "IssuerOfPatientID": "B"})  # fmt: skip
    for number, elements in enumerate(patients):
        (folder / f"{number}.dcm").write_bytes(dicom(COLOUR, "RGB", **elements))
    groups = [photo.group for photo in find_photos(tmp_path / "data", phases=["I"])]
    assert groups[0] == groups[1] is not None
    assert groups[3] is None
    assert len({*groups}) == 4
    assert not any(group == "123" or CANARY in str(group) for group in groups)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert [photo.group for photo in find_photos(tmp_path / "data", phases=["I"])] == groups
    monkeypatch.setenv("WOUNDGEN_PATIENT_KEY", str(tmp_path / "other"))
    again = [photo.group for photo in find_photos(tmp_path / "data", phases=["I"])]
    assert not {*again} & {*groups} - {None}
    (tmp_path / "other").write_bytes(b"short")
    with pytest.raises(UserError, match="no key of woundgen"):
        find_photos(tmp_path / "data", phases=["I"])


def test_files_of_an_archive_have_no_suffix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PS3.10, 8.5: IM000001, with a DICOMDIR beside; in folders and in a table; their patients count as others' do."""
    monkeypatch.setenv("WOUNDGEN_PATIENT_KEY", str(tmp_path / "key"))
    (folder := tmp_path / "data" / "I").mkdir(parents=True)
    for name in ("IM000001", "b.dicom", "c.dcm", "1.2.840.5", "DICOMDIR"):
        (folder / name).write_bytes(dicom(COLOUR, "RGB", PatientID="7"))
    (folder / "LICENCE").write_text("no photograph")
    photos = find_photos(tmp_path / "data", phases=["I"])
    assert [Path(photo.path).name for photo in photos] == ["1.2.840.5", "IM000001", "b.dicom", "c.dcm"]
    assert len({photo.group for photo in photos}) == 1
    assert photos[0].group is not None
    (tmp_path / "data" / "metadata.csv").write_text("file_name,phase\nI/IM000001,I\nI/b.dicom,I\n")
    assert len(find_photos(tmp_path / "data", phases=["I"])) == 2


def test_a_tables_group_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WOUNDGEN_PATIENT_KEY", str(tmp_path / "key"))
    (data := tmp_path / "data").mkdir()
    for number in range(3):
        (data / f"{number}.dcm").write_bytes(dicom(COLOUR, "RGB", PatientID="7"))
    (data / "metadata.csv").write_text("file_name,phase,group_id\n0.dcm,I,mine\n1.dcm,I,\n2.dcm,I,\n")
    groups = [photo.group for photo in find_photos(data, phases=["I"])]
    assert groups[0] == "mine"
    assert groups[1] == groups[2] != "mine"


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80"])
def test_a_missing_decoder_is_named_with_what_to_install(syntax: str) -> None:
    """JPEG lossless and JPEG-LS: pydicom's own list of plug-ins (it ships none); the file is not called damaged."""
    data = pydicom.dcmread(io.BytesIO(dicom(np.zeros((48, 48, 3), np.uint8), "RGB", compressed=True)))
    if pydicom.pixels.get_decoder(syntax).is_available:
        pytest.fail("a decoder plug-in is installed here; the test needs an environment without one")
    told = refusal(with_syntax(data, syntax))
    assert "no decoder for it is installed" in told
    assert "pip install python-gdcm, or pylibjpeg pylibjpeg-libjpeg (GPL 3.0)" in told
    assert "damaged" not in told


def with_syntax(data: Dataset, syntax: str) -> bytes:
    data.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data, enforce_file_format=True)
    return buffer.getvalue()


def test_what_installed_decoders_cannot_read_may_be_sound() -> None:
    """JPEG of 12 bits (pydicom's sample), which Pillow does not read; MPEG-2, which nothing does."""
    content = Path(get_testdata_file("JPGExtended.dcm")).read_bytes()
    told = refusal(content)
    assert "in a way that no installed decoder reads" in told
    assert "pip install python-gdcm" in told
    film = pydicom.dcmread(io.BytesIO(dicom(COLOUR, "RGB", compressed=True)))
    assert "MPEG2 Main Profile / Main Level, which is not read" in refusal(with_syntax(film, "1.2.840.10008.1.2.4.100"))


def test_documents_hold_no_picture(tmp_path: Path) -> None:
    """A structured report (pydicom's sample) lies beside photographs in many exports."""
    path = tmp_path / "report.dcm"
    path.write_bytes(Path(get_testdata_file("test-SR.dcm")).read_bytes())
    assert "DICOM without a picture (" in refusal(path.read_bytes())
    with pytest.raises(UserError, match="without a picture"):
        photograph_size(path, roots=[tmp_path])


def test_colour_profile() -> None:
    """An ICC profile (PS3.3 C.11.15) means what it means in a PNG; grey values have none."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = srgb.replace(b"rXYZ", b"....").replace(b"gXYZ", b"rXYZ").replace(b"....", b"gXYZ")  # red means green
    tagged = io.BytesIO()
    Image.fromarray(COLOUR).save(tagged, "PNG", icc_profile=profile)
    found = decode(dicom(COLOUR, "RGB", ICCProfile=profile))
    assert np.array_equal(found, decode_photograph(tagged.getvalue(), name="photo.png"))
    assert np.abs(found.astype(int) - COLOUR).max() > 5
    grey = (GREY % 256).astype(np.uint8)
    assert np.array_equal(decode(dicom(grey, "MONOCHROME2", ICCProfile=profile)), decode(dicom(grey, "MONOCHROME2")))


def test_a_curve_that_is_not_applied_is_named() -> None:
    content = dicom(np.zeros((48, 48), np.uint8), "MONOCHROME2", VOILUTFunction="SIGMOID")
    assert "VOI LUT function SIGMOID, which is not read" in refusal(content)


@pytest.mark.parametrize(
    ("keyword", "valid"),
    [
        ("WindowCenter", "1234567890123456"), ("WindowWidth", "1234567890123456"), ("NumberOfFrames", "123456789012"),
        ("RescaleSlope", "1234567890123456"), ("VOILUTFunction", "SIGMOID"),
        ("PhotometricInterpretation", "MONOCHROME9"), ("BurnedInAnnotation", "ANNOTATION"),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.66"), ("TransferSyntaxUID", "1.2.840.10008.1.2.1"),
        ("PixelPaddingValue", None), ("PixelData", None),
    ],
)  # fmt: skip
def test_no_value_of_a_header_is_quoted(
    keyword: str, valid: str | None, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A name where a number, a code or a UID should stand: in no error, warning or log."""
    elements = {"WindowCenter": "50", "WindowWidth": "100"} | ({keyword: valid} if valid else {})
    pixels = np.zeros((20, 30), np.uint16)
    kind = elements.pop("PhotometricInterpretation", "MONOCHROME2")
    syntax = elements.pop("TransferSyntaxUID", None)
    content = dicom(pixels, kind, bits=12, **elements)
    if keyword == "PixelData":
        content = content[:-40]
    elif valid:
        marked = (b"CANARY^PATIENT" * 2)[: len(valid)]
        assert valid.encode() in content
        content = content.replace((syntax or valid).encode(), marked)
    path = tmp_path / "a.dcm"
    path.write_bytes(content)
    for read in (
        lambda: decode_photograph(content, name="a.dcm"),
        lambda: photograph_size(path, roots=[tmp_path]),
        lambda: patient_group(path, roots=[tmp_path]),
    ):
        try:
            read()
        except UserError as error:
            print(error)
    assert "CANARY" not in "".join(capfd.readouterr())
    assert "CANARY" not in caplog.text
