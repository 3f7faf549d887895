"""The patient of a DICOM photograph as a salted id: the PatientID itself is read and goes nowhere.

The salt is a random key of the user's, made at first need and private, next to the prepared photographs, so that
the same patient has the same id in every run of this user, and nobody else can test a PatientID against it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from woundgen.data.files import dicom
from woundgen.data.files.images import read_file
from woundgen.data.files.kinds import is_dicom_file
from woundgen.errors import UserError
from woundgen.storage.names import patient_key_file


def patient_group(path: Path, *, roots: Sequence[Path]) -> str | None:
    """Return "dicom-" and 16 hexadecimal digits; None for what is no DICOM file, or names no patient."""
    if not is_dicom_file(path):
        return None
    patient = dicom.read_patient(read_file(path, roots=roots), name=str(path))
    if not patient:
        return None
    return f"dicom-{hmac.new(_key(), patient.encode(), hashlib.sha256).hexdigest()[:16]}"


def _key() -> bytes:
    """Read the user's key, or make it. UserError where neither can be done."""
    path = patient_key_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return _whole(path)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(secrets.token_bytes(32))
        return _whole(path)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read or made ({error.strerror}), the key that hides DICOM's patient ids.",
            "Mend its rights, or set WOUNDGEN_PATIENT_KEY to another file.",
        ) from None


def _whole(path: Path) -> bytes:
    key = path.read_bytes()
    if len(key) != 32:
        raise UserError(f"{path} is no key of woundgen ({len(key)} bytes).", "Move it away; a new key is made.")
    return key
