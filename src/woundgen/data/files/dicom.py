"""Photographs in DICOM files: the picture as it is meant to be shown, and nothing of the header.

Needs pydicom: pip install 'woundgen[dicom]'. Photometric interpretations MONOCHROME1 and 2, RGB, YBR and PALETTE COLOR
(DICOM PS3.3 C.7.6.3.1.2). Of several frames, the representative (C.7.6.16.1.3). pydicom and Pillow decode RLE, JPEG of
8 bits and JPEG 2000; other syntaxes are read where a plug-in of pydicom is installed, and named where it is not.
"""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from woundgen.errors import Code, UserError

SUFFIX = ".dcm"
_DEFLATED = b"1.2.840.10008.1.2.1.99"  # inflated as a whole while read: no cap could hold it
_UNREAD_CURVES = ("SIGMOID", "LINEAR_EXACT")  # PS3.3 C.11.2.1.3
_UNREAD_KINDS = ("HSV", "ARGB", "CMYK", "XYB")  # PS3.3 C.7.6.3.1.2, the retired ones among them
_META_BYTES = 4096  # where the transfer syntax stands
_OTHER_NAMES = {"gdcm": "python-gdcm"}  # of packages, where the registry's differ from those that pydicom names
_LICENCES = {"pylibjpeg-libjpeg": " (GPL 3.0)"}


def is_dicom(content: bytes) -> bool:
    """By the mark after the preamble (PS3.10, 7.1)."""
    return content[128:132] == b"DICM"


def dicom_size(content: bytes, *, name: str) -> tuple[int, int]:
    """(width, height), from the header alone."""
    with _unlogged():
        header = _read(content, name=name, pixels=False)
        _require_picture(header, name=name)
        return int(header.Columns), int(header.Rows)


def decode_dicom(content: bytes, *, name: str, maximum_pixels: int) -> Image.Image:
    """An RGB image, with the file's colour profile in `info`; raise UserError for what is no photograph within the cap.

    pydicom's errors on damaged bytes pass through.
    """
    with _unlogged():
        return _decode_picture(content, name=name, maximum_pixels=maximum_pixels)


@contextmanager
def _unlogged() -> Iterator[None]:
    """Silence pydicom's log, whose warnings quote the header's values."""
    log = logging.getLogger("pydicom")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(level)


def _decode_picture(content: bytes, *, name: str, maximum_pixels: int) -> Image.Image:
    header = _read(content, name=name, pixels=False)
    _require_picture(header, name=name)
    width, height = int(header.Columns), int(header.Rows)
    if width * height > maximum_pixels:
        raise UserError(
            f"{name} is {width}x{height}, more than {maximum_pixels // 10**6} megapixels.",
            "Save a copy.",
            code=Code.TOO_LARGE,
        )
    frame = _frame(header, name=name)
    if str(getattr(header, "BurnedInAnnotation", "")).upper() == "YES":
        raise UserError(f"{name} says that it has text burned in (BurnedInAnnotation).", "Give a copy without it.")
    _refuse_other_curves(header, name=name)
    whole = _read(content, name=name, pixels=True)
    kind = str(whole.PhotometricInterpretation)
    picture = Image.fromarray(_to_rgb(whole, _decode(whole, frame, name=name), kind=kind))
    if "ICCProfile" in header and not kind.startswith("MONOCHROME"):  # PS3.3 C.11.15: of colours
        picture.info["icc_profile"] = bytes(header.ICCProfile)
    return picture


def _require_picture(header: Any, *, name: str) -> None:
    """UserError for reports, plans and the like. Image storage without rows is damaged, which decoding shows."""
    kind = _registered(header.get("SOPClassUID"))
    if "Rows" not in header and kind and "Image" not in kind:
        raise UserError(f"{name} is DICOM without a picture ({kind}).", "Remove it.", code=Code.UNREADABLE_FILE)


def _registered(uid: Any) -> str:
    """Return the name by which DICOM registers a UID; "" where it registers none, or for none."""
    from pydicom.uid import UID_dictionary

    return str(UID_dictionary[uid][0]) if uid in UID_dictionary else ""


def _frame(header: Any, *, name: str) -> int:
    """The frame to read, from 0. UserError for several of which none is named."""
    frames = int(getattr(header, "NumberOfFrames", None) or 1)
    representative = int(header.get("RepresentativeFrameNumber", None) or 0)
    if frames > 1 and not 1 <= representative <= frames:
        raise UserError(
            f"{name} holds {frames} pictures (animated or paged), and names none as representative.",
            "Save the one you mean.",
            code=Code.SEVERAL_PICTURES,
        )
    return representative - 1 if frames > 1 else 0


def read_patient(content: bytes, *, name: str) -> str:
    """Return PatientID with its issuer, from the header alone; "" where the file names no patient, or is not DICOM."""
    if not is_dicom(content):
        return ""
    try:
        with warnings.catch_warnings(), _unlogged():
            warnings.simplefilter("ignore")  # pydicom's quote the header's values
            header = _read(content, name=name, pixels=False)
            patient = str(header.get("PatientID", "") or "").strip()
            issuer = str(header.get("IssuerOfPatientID", "") or "").strip()
    except UserError:
        raise
    except Exception as error:  # a dozen types on damaged bytes, whose words may quote the header
        what = f"its header cannot be read: {type(error).__name__}"
        raise UserError(f"{name} is damaged ({what}).", "Restore it from its source.", code=Code.DAMAGED) from None
    return f"{issuer}\n{patient}" if patient else ""


def _decode(data: Any, frame: int, *, name: str) -> NDArray[Any]:
    """Stored values of a frame, YBR turned into RGB; UserError with the plug-ins to install where none decodes it."""
    from pydicom.pixels import get_decoder, pixel_array

    syntax = data.file_meta.TransferSyntaxUID
    if not syntax.is_compressed:
        return pixel_array(data, index=frame)
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        named = _registered(syntax) or "nothing that DICOM knows"
        raise UserError(f"{name} is compressed as {named}, which is not read.", "Save it as JPEG.") from None
    plugins = _installable(decoder.missing_dependencies)
    if not decoder.is_available:
        raise UserError(
            f"{name} is compressed as {syntax.name}, and no decoder for it is installed.", f"pip install {plugins}."
        )
    try:
        return pixel_array(data, index=frame)
    except RuntimeError:  # of all decoders that are installed, which may lack a depth or a mode
        if not plugins:
            raise
        raise UserError(
            f"{name} is damaged, or compressed as {syntax.name} in a way that no installed decoder reads.",
            f"Restore it from its source; or pip install {plugins}.",
            code=Code.DAMAGED,
        ) from None


def _installable(missing: list[str]) -> str:
    """Packages to install, from pydicom's sentences such as "gdcm - requires gdcm>=3.0.10"."""
    choices = []
    for sentence in missing:
        names = re.findall(r"([A-Za-z][\w-]*)>=", sentence)
        choices.append(" ".join(_OTHER_NAMES.get(name, name) + _LICENCES.get(name, "") for name in names))
    return ", or ".join(choices)


def _refuse_other_curves(header: Any, *, name: str) -> None:
    """UserError where the picture is meant to be shown through a curve that is not applied here."""
    function = str(header.get("VOILUTFunction", "LINEAR")).upper()
    if "VOILUTSequence" in header or function != "LINEAR":
        named = function if function in _UNREAD_CURVES else "that DICOM does not know"
        kind = "a VOI LUT sequence" if "VOILUTSequence" in header else f"VOI LUT function {named}"
        raise UserError(f"{name} is shown through {kind}, which is not read.", "Save a copy as a plain picture.")


def _read(content: bytes, *, name: str, pixels: bool) -> Any:
    if _DEFLATED in content[:_META_BYTES]:
        raise UserError(f"{name} is a deflated DICOM file, which is not read.", "Save it with another transfer syntax.")
    return _pydicom(name).dcmread(io.BytesIO(content), stop_before_pixels=not pixels)


def _pydicom(name: str) -> ModuleType:
    try:
        import pydicom
    except ImportError:
        raise UserError(f"{name} is DICOM, and pydicom is not installed.", "pip install 'woundgen[dicom]'") from None
    return pydicom


def _to_rgb(data: Any, values: NDArray[Any], *, kind: str) -> NDArray[np.uint8]:
    """uint8 [H, W, 3] of decoded pixels; pydicom has turned YBR into RGB and undone its subsampling."""
    if kind.startswith("MONOCHROME"):
        grey = _grey(data, values.astype(np.float64))
        return np.repeat((255 - grey if kind == "MONOCHROME1" else grey)[..., None], 3, axis=-1)
    if kind == "PALETTE COLOR":
        from pydicom.pixels import apply_color_lut

        values = apply_color_lut(values, data)
        return (values >> 8 if values.dtype == np.uint16 else values)[..., :3].astype(np.uint8)
    if kind == "RGB" or kind.startswith("YBR"):
        return np.rint(values * (255 / (2 ** int(data.BitsStored) - 1))).astype(np.uint8)
    named = kind if kind in _UNREAD_KINDS else "unknown to DICOM"  # nothing of a header is quoted as it stands
    raise UserError(f"The photometric interpretation is {named}, which is not read.", "Save a copy as RGB.")


def _grey(data: Any, values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """By the first window (PS3.3 C.11.2.1.2.1, linear), or the whole range of the stored bits."""
    if "WindowCenter" in data and "WindowWidth" in data:
        values = values * float(getattr(data, "RescaleSlope", 1)) + float(getattr(data, "RescaleIntercept", 0))
        centre, width = (float(np.atleast_1d(one)[0]) for one in (data.WindowCenter, data.WindowWidth))
        shares = (values - (centre - 0.5)) / max(width - 1, 1e-9) + 0.5
    else:
        steps = 2 ** int(data.BitsStored)
        shares = (values + (steps // 2 if int(data.PixelRepresentation) else 0)) / (steps - 1)
    return np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)
