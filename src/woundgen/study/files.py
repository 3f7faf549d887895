"""The folder of a study. It holds photographs of patients and is private (mode 0700).

study.json      what the server needs: readers, their orders, sizes. Nothing in it tells real from synthetic
truth.json      what each picture is; read by the report alone
links.json      the readers' tokens
images/ID.png   all pictures, through one preparation and one encoding
answers/        a journal for each reader
"""

from __future__ import annotations

import io
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from woundgen.errors import UserError
from woundgen.storage.files import read_json, write_bytes, write_json
from woundgen.storage.names import LINKS_JSON, STUDY_JSON, TRUTH_JSON
from woundgen.storage.schemas import STUDY_ITEM, check_object

PICTURES, ANSWERS, REPORT = "images", "answers", "report"
VERSION = 1
TOKEN_BYTES = 32
EPOCH = 1_000_000_000  # the time stamp of every picture


@dataclass(frozen=True, slots=True)
class Truth:
    """Truth of a picture. group: the patient, numbered. file: of a synthetic image, in its set. answer: of a check."""

    kind: str
    phase: str
    group: int
    set: int | None = None
    file: str | None = None
    answer: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ReaderStudy:
    """study.json. orders: reader -> item ids in the order shown. size: pixels a side."""

    title: str
    size: int
    phases: tuple[str, ...]
    orders: Mapping[str, tuple[str, ...]]
    design: Mapping[str, Any]


def write_study(folder: Path, study: ReaderStudy, truth: Mapping[str, Truth], *, facts: Mapping[str, Any]) -> None:
    """study.json is written last: a folder with it is whole."""
    (folder / ANSWERS).mkdir(mode=0o700, exist_ok=True)
    links = {reader: secrets.token_urlsafe(TOKEN_BYTES) for reader in study.orders}
    for name, content in (
        (TRUTH_JSON, {"items": {name: asdict(one) for name, one in truth.items()}, **facts}),
        (LINKS_JSON, links),
        (STUDY_JSON, {"version": VERSION, **asdict(study)}),
    ):
        write_json(folder / name, content)
        (folder / name).chmod(0o600)


def read_study(folder: Path) -> ReaderStudy:
    """Raises UserError where `folder` holds no study of this version."""
    record = read_json(folder / STUDY_JSON)
    if not isinstance(record, dict) or record.get("version") != VERSION:
        raise UserError(f"{folder / STUDY_JSON} is not of this version.", "Draw a new study: woundgen study new.")
    orders = {}
    for reader, order in record["orders"].items():
        if not isinstance(order, list) or not all(_is_name(name) for name in (reader, *order)):
            raise UserError(
                f"{folder / STUDY_JSON}: the order of {reader!r:.80} is no list of pictures.", "Restore it."
            )
        orders[reader] = tuple(order)
    return ReaderStudy(record["title"], record["size"], tuple(record["phases"]), orders, record["design"])


def _is_name(name: object) -> bool:
    """Whether it may name a file of the study."""
    return isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9-]{1,64}", name) is not None


def read_truth(folder: Path) -> tuple[dict[str, Truth], dict[str, Any]]:
    """(item id -> what it is, facts of the study's sources)."""
    record = read_json(folder / TRUTH_JSON)
    items = {}
    for name, one in record.pop("items").items():
        check_object(one, file=STUDY_ITEM, name=f"{folder / TRUTH_JSON}: {name}")
        items[name] = Truth(*(one[field.name] for field in fields(Truth)))
    return items, record


def read_links(folder: Path) -> dict[str, str]:
    """reader -> token."""
    links = read_json(folder / LINKS_JSON)
    if not isinstance(links, dict) or not all(isinstance(token, str) and token for token in links.values()):
        raise UserError(f"{folder / LINKS_JSON} does not hold a token for each reader.", "Restore it.")
    return links


def journal_path(folder: Path, reader: str) -> Path:
    return folder / ANSWERS / f"{reader}.jsonl"


def draw_ids(count: int) -> list[str]:
    """Random names that say nothing: not the order, not the kind, not the seed."""
    return [secrets.token_hex(8) for _ in range(count)]


def write_pictures(folder: Path, images: Sequence[NDArray[np.uint8]], names: Sequence[str]) -> None:
    """Each as images/NAME.png, in the order of their names, uncompressed and with one time stamp.

    A smooth picture compresses better than a noisy one: without compression all files have the same number of bytes,
    so that neither a size nor a loading time tells one kind from the other.
    """
    (folder / PICTURES).mkdir(mode=0o700, exist_ok=True)
    for name, pixels in sorted(zip(names, images, strict=True), key=lambda pair: pair[0]):
        path = folder / PICTURES / f"{name}.png"
        write_bytes(path, encode(pixels))
        path.chmod(0o600)
        os.utime(path, (EPOCH, EPOCH))


def encode(pixels: NDArray[np.uint8]) -> bytes:
    """uint8 [H, W, 3] as a PNG without compression, text, profile or time."""

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()
