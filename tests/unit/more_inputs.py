"""Further files for test_mutated_inputs.py: photographs and tables from outside, results and states of ours."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from odf.opendocument import OpenDocumentSpreadsheet
from odf.table import Table, TableCell, TableRow
from odf.text import P
from openpyxl import Workbook
from PIL import Image
from safetensors.torch import save_file

from woundgen.adapters.kinds import kind_of, read_shapes
from woundgen.adapters.lora_file import read_lora
from woundgen.comparison.candidates import read_candidates
from woundgen.comparison.compare import compare
from woundgen.comparison.write import write_comparison
from woundgen.data.files.images import photograph_size, png_bytes, read_photograph
from woundgen.data.files.patient_groups import patient_group
from woundgen.data.layouts.discover import list_by_layout
from woundgen.data.layouts.find_photos import find_photos
from woundgen.data.layouts.layout import PRESETS
from woundgen.data.layouts.spreadsheets import read_spreadsheet
from woundgen.data.pixels.preparation_file import read_preparation, write_preparation
from woundgen.downstream.assess import HeldOut
from woundgen.downstream.conclude import conclude
from woundgen.errors import UserError
from woundgen.models.learned_tokens import load_embedding
from woundgen.pipeline.record import claim_study, recorded_settings
from woundgen.privacy.exposure import read_seen
from woundgen.records import Preparation
from woundgen.reporting.read_audit import read_audit
from woundgen.reporting.utility_page import read_utility, utility_html, utility_markdown
from woundgen.storage.checkpoint import newest_sound, read_checkpoint, write_checkpoint
from woundgen.storage.content_digest import without_digest
from woundgen.storage.ownership import claim_output
from woundgen.workflows.fetch.check_file import check_file
from woundgen.workflows.tune.unit import read_result

from .data.files.test_dicom import dicom
from .reporting.stored_results import measured, write_run
from .reporting.test_answers import AUDIT

Inputs = list[tuple[Path, Callable[[], Any]]]
PIXELS = np.random.default_rng(0).integers(0, 256, (24, 32, 3)).astype(np.uint8)


def more_inputs(folder: Path) -> Inputs:
    """(file to mutate, reader of it) for each kind of file that test_mutated_inputs.py does not write itself."""
    return [*_pictures(folder), *_tables(folder), *_results(folder), *_states(folder)]


def utility_record() -> dict[str, Any]:
    """Return a utility.json of 20 made-up patients, without a digest, as earlier versions wrote it."""
    truth = np.repeat([0, 1], 10)
    names = ("real", "oversampled x1", "real + synthetic x1", "augmented", "synthetic only")
    draws = np.random.default_rng(0)
    predictions = {name: draws.dirichlet((1, 1), (2, 20)) * 0.5 + np.eye(2)[truth] * 0.5 for name in names}
    counts = {phase: {"images": 10, "groups": 10} for phase in "IR"}
    design = {
        "test": "2 grouped folds", "grouping": "patients", "seeds": 2, "doses": [1.0], "phases_added_to": ["I", "R"],
        "tested": counts, "trained_on": counts, "synthetic": {"I": 20, "R": 20},
    }  # fmt: skip
    test = HeldOut(("I", "R"), truth, np.arange(20))
    record = {"version": 1, "classifier": "colour", "classifier_settings": {}, "adapters": [], "design": design}
    return record | conclude(predictions, test, doses=[1.0]).to_json()


def _pictures(folder: Path) -> Inputs:
    """DICOM of four kinds, and photographs of three formats."""
    grey = np.arange(24 * 32).reshape(24, 32)
    contents = {
        "rgb.dcm": dicom(PIXELS, "RGB"),
        "grey.dcm": dicom(grey.astype(np.uint16), "MONOCHROME2", bits=12, WindowCenter=300.0, WindowWidth=400.0),
        "jpeg.dcm": dicom(PIXELS, "YBR_FULL_422", compressed=True),
        "plain.dcm": dicom((grey % 256).astype(np.uint8), "MONOCHROME1"),
    }
    for suffix, form in {"jpg": "JPEG", "tif": "TIFF", "webp": "WEBP"}.items():
        buffer = io.BytesIO()
        Image.fromarray(PIXELS).save(buffer, form)
        contents[f"photograph.{suffix}"] = buffer.getvalue()
    found: Inputs = []
    for name, content in contents.items():
        path = folder / name
        path.write_bytes(content)
        found.append((path, lambda path=path: read_photograph(path, roots=[folder])))
        found.append((path, lambda path=path: photograph_size(path, roots=[folder])))
        if path.suffix == ".dcm":
            found.append((path, lambda path=path: patient_group(path, roots=[folder])))
    return found


def _tables(folder: Path) -> Inputs:
    """Labels and boxes as others write them: CSV, JSON lines, COCO, Pascal VOC, YOLO."""
    places = {name: folder / f"data_{name}" for name in ("csv", "jsonl", "coco", "voc", "yolo")}
    for place in places.values():
        (place / "images").mkdir(parents=True)
        for number in range(4):
            Image.fromarray(PIXELS).save(place / "images" / f"{number}.png")
    rows = [{"file_name": f"images/{n}.png", "phase": "I", "group_id": f"g{n}", "x0": 2, "y0": 3, "x1": 20, "y1": 21,
             "split": "train", "text": "a wound"} for n in range(4)]  # fmt: skip
    with (places["csv"] / "metadata.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (places["jsonl"] / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    coco = places["coco"] / "labels.json"
    coco.write_text(json.dumps({
        "images": [{"id": n, "file_name": f"images/{n}.png", "width": 32, "height": 24} for n in range(4)],
        "categories": [{"id": 1, "name": "I"}],
        "annotations": [{"image_id": n, "category_id": 1, "bbox": [2, 3, 18, 18]} for n in range(4)],
    }))  # fmt: skip
    voc = places["voc"] / "images" / "0.xml"
    voc.write_text(
        "<annotation><filename>0.png</filename><object><name>I</name><bndbox><xmin>2</xmin><ymin>3</ymin>"
        "<xmax>20</xmax><ymax>21</ymax></bndbox></object></annotation>"
    )
    yolo = places["yolo"]
    (yolo / "labels").mkdir()
    (yolo / "labels" / "0.txt").write_text("0 0.5 0.5 0.4 0.6\n")
    (yolo / "data.yaml").write_text("names: [I, P, R]\n")

    def listed(kind: str) -> Callable[[], Any]:
        return lambda: list_by_layout(places[kind], table=None, layout=PRESETS[kind], modality="rgb")

    books = [write_book(folder / f"book{suffix}", rows) for suffix in (".xlsx", ".ods")]
    return [
        *((book, lambda book=book: read_spreadsheet(book)) for book in books),
        (places["csv"] / "metadata.csv", lambda: find_photos(places["csv"], phases=["I"])),
        (places["jsonl"] / "metadata.jsonl", lambda: find_photos(places["jsonl"], phases=["I"])),
        (coco, listed("coco")),
        (voc, listed("voc")),
        (yolo / "labels" / "0.txt", listed("yolo")),
        (yolo / "data.yaml", listed("yolo")),
    ]


def write_book(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A spreadsheet of the rows, by openpyxl or odfpy."""
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    if path.suffix == ".xlsx":
        book = Workbook()
        for line in lines:
            book.active.append(line)
        book.save(path)
        return path
    document, table = OpenDocumentSpreadsheet(), Table(name="photographs")
    for line in lines:
        row = TableRow()
        for value in line:
            cell = TableCell(valuetype="string")
            cell.addElement(P(text=str(value)))
            row.addElement(cell)
        table.addElement(row)
    document.spreadsheet.addElement(table)
    document.save(str(path))
    return path


def _results(folder: Path) -> Inputs:
    """Numbers and records that pages and comparisons are made of, without digests, as earlier versions wrote them."""
    place = folder / "results"
    place.mkdir()
    (place / "utility.json").write_text(json.dumps(utility_record()))
    (place / "privacy.json").write_text(json.dumps(AUDIT))
    (place / "exposure.json").write_text(json.dumps({"trained_on": [{"key": "a", "groups": ["b"]}]}))
    write_preparation(place, Preparation(resolution=32, margin=0.25, compressed=True, version=1))
    result = place / "results" / "trial.json"
    result.parent.mkdir()
    points = [{"drawing": {"steps": 20}, "value": 1.0, "recall": 0.5, "images": 8}]
    result.write_text(json.dumps({
        "name": "trial", "steps": 8, "points": points, "best": 0, "copies": 0, "two_sample": 0.5, "violations": [0.0],
        "seconds": 1.0,
    }))  # fmt: skip
    measurements = []
    for name in ("one", "two"):
        (place / name).mkdir()
        measurements.append(place / name / "metrics.json")
        measurements[-1].write_text(json.dumps(measured(name)))
    run = write_run(place / "run", steps=12)
    compared = place / "compared"
    comparison = compare(read_candidates(measurements))
    write_comparison(comparison, out=compared)
    stored = compared / "quality_comparison.json"
    stored.write_text(json.dumps(without_digest(json.loads(stored.read_text()))))

    def read_pages() -> None:
        record = read_utility(place)
        utility_markdown(record), utility_html(record)

    return [
        (place / "utility.json", read_pages),
        (place / "privacy.json", lambda: read_audit(place)),
        (place / "exposure.json", lambda: read_seen(place)),
        (place / "preparation.json", lambda: read_preparation(place)),
        (result, lambda: read_result(place, "trial")),
        (measurements[1], lambda: compare(read_candidates(measurements))),
        (run / "eval.jsonl", lambda: read_candidates([run, measurements[0]])),
        (run / "run.json", lambda: read_candidates([run, measurements[0]])),
        (stored, lambda: write_comparison(comparison, out=compared)),
    ]


def _states(folder: Path) -> Inputs:
    """What work goes on from, adapters of two kinds, and a fetched file."""
    place = folder / "states"
    study, claimed = place / "study", place / "claimed"
    claim_study(study, given={"data": "d", "phases": ["I"]})
    claim_output(claimed, identity="a" * 64, what="set")
    checkpoints = place / "checkpoints"
    checkpoints.mkdir()
    checkpoint = write_checkpoint(
        checkpoints, "epoch_0001_step_000004", state={"step": 4}, tensors={"a": torch.ones(3)}
    )
    lora, words, fetched = (place / f"{name}.safetensors" for name in ("kohya", "words", "fetched"))
    save_file({
        "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight": torch.ones(2, 4),
        "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q.lora_up.weight": torch.ones(4, 2),
    }, lora)  # fmt: skip
    save_file({"<wound>": torch.ones(2, 4)}, words)
    save_file({"weight": torch.ones(4, 4)}, fetched)
    picture = place / "picture.png"
    picture.write_bytes(png_bytes(PIXELS, text={}))
    narrow = SimpleNamespace(config=SimpleNamespace(hidden_size=3))  # so that nothing is taught: the file is refused

    def go_on() -> None:
        newest = newest_sound(checkpoints)
        if newest.faults:  # what train prints; it goes on from the checkpoint before
            raise UserError("; ".join(newest.faults))
        if newest.folder is not None:
            read_checkpoint(newest.folder)

    return [
        (study / "stages.json", lambda: recorded_settings(study)),
        (claimed / ".woundgen.json", lambda: claim_output(claimed, identity="a" * 64, what="set")),
        (checkpoint / "manifest.json", go_on),
        (checkpoint / "state.json", go_on),
        (checkpoint / "state.safetensors", go_on),
        (lora, lambda: (kind_of(read_shapes(lora)), read_lora(lora))),
        (words, lambda: load_embedding(SimpleNamespace(), narrow, words)),  # type: ignore[arg-type]
        (fetched, lambda: check_file(fetched, name="model.safetensors", source="a mirror")),
    ]
