"""What a generated set leaves on disk, and what a kill at any byte leaves of it."""

import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from woundgen.errors import UserError
from woundgen.generation.image_set import GeneratedSet, Recipe, open_set
from woundgen.generation.sampler import SamplerSettings, image_seed
from woundgen.storage.files import read_json
from woundgen.storage.set_rows import journal_path, read_drawn_rows, read_released_rows, read_tally
from woundgen.verdicts import RejectionKind, Verdict

SAMPLER = SamplerSettings(sampler="euler", steps=9, guidance_scale=1.5, seed=11, block=3, height=8, width=8)
RECIPE = Recipe(
    label="R",
    prompt="a wound, healing",
    negative_prompt="",
    base="basedigest",
    adapters=(("first", 1.0), ("second", 0.25)),
    precision="float32",
    sampler=SAMPLER,
    count=50,
    screening={"policy": "calibrated", "threshold": 2.5},
)
VERDICTS = [
    Verdict(True, "", {"z": 0.5}, nearest=4),
    Verdict(False, "sharpness", {"z": 9.0}, nearest=7, category="sharpness"),
    Verdict(True, "", {"z": 1.0}),
]


def block_images(first: int) -> np.ndarray:
    return np.random.default_rng(first).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)


def append(target: GeneratedSet, first: int) -> None:
    target.append(range(first, first + 3), block_images(first), VERDICTS)


@pytest.fixture
def two_blocks(tmp_path: Path) -> Path:
    target = open_set(tmp_path / "set", RECIPE)
    append(target, 0)
    append(target, 3)
    return target.folder


def contents(folder: Path) -> dict[str, bytes]:
    """Of the set and of its private folder."""
    both = (folder, journal_path(folder).parent)
    return {
        f"{'private/' * (i > 0)}{p.relative_to(place)}": p.read_bytes()
        for i, place in enumerate(both)
        for p in place.rglob("*")
        if p.is_file()
    }


def test_the_image_folder(two_blocks: Path):
    with (two_blocks / "metadata.csv").open(newline="") as handle:
        table = list(csv.DictReader(handle))
    assert [(row["file_name"], row["label"]) for row in table] == [
        (f"images/{index:06d}.png", "R") for index in (0, 2, 3, 5)
    ]
    assert [int(row["seed"]) for row in table] == [image_seed(11, index) for index in (0, 2, 3, 5)]
    for row, pixels in zip(table, [*block_images(0)[::2], *block_images(3)[::2]], strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(two_blocks / row["file_name"])), pixels)
    assert len(list((two_blocks / "images").iterdir())) == 4


def test_every_image_has_a_row(two_blocks: Path):
    rows = [json.loads(line) for line in journal_path(two_blocks).read_text().splitlines()]
    assert [row["index"] for row in rows] == list(range(6))
    assert rows[4] == {
        "index": 4,
        "file_name": None,
        "label": "R",
        "seed": image_seed(11, 4),
        "prompt": "a wound, healing",
        "negative_prompt": "",
        "guidance_scale": 1.5,
        "steps": 9,
        "sampler": "euler",
        "adapter": "first*1+second*0.25",
        "base": "basedigest",
        "sha256": hashlib.sha256(block_images(3)[1].tobytes()).hexdigest(),
        "accepted": False,
        "reason": "sharpness",
        "scores": {"z": 9.0},
        "kind": None,
        "category": "sharpness",
    }


def test_images_say_that_they_are_synthetic(two_blocks: Path):
    image = Image.open(two_blocks / "images" / "000002.png")
    # "xmp" is Pillow's copy of the XMP chunk.
    assert set(image.info) == {"Description", "Software", "XML:com.adobe.xmp", "xmp"}
    assert image.info["Description"].startswith("Synthetic image")
    assert image.info["Software"].startswith("woundgen ")
    namespace = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
    source = ElementTree.fromstring(image.info["xmp"].strip(b"\0")).find(f".//{namespace}DigitalSourceType")
    assert source is not None
    assert source.text == "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def test_the_settings_are_kept(two_blocks: Path):
    stored = json.loads((two_blocks / "set.json").read_text())
    assert stored["sampler"]["guidance_interval"] == [0.0, 1.0]
    assert stored["screening"] == {"policy": "calibrated", "threshold": 2.5}


@pytest.mark.parametrize(
    "change",
    [
        {"sampler": replace(SAMPLER, guidance_interval=(0.0, 0.9))},
        {"adapters": (("first", 1.0), ("second", 0.5))},
        {"screening": {"policy": "calibrated", "threshold": 2.4}},
        {"precision": "float16"},
    ],
)
def test_a_changed_setting_is_another_set(two_blocks: Path, change: dict):
    before = contents(two_blocks)
    with pytest.raises(UserError, match="another generated set"):
        open_set(two_blocks, replace(RECIPE, **change))
    assert contents(two_blocks) == before


def test_a_kill_at_any_byte_of_the_last_block_is_mended(two_blocks: Path, tmp_path: Path):
    """The manifest and the table cut anywhere after block 0, with the images of block 1 on disk."""
    whole = contents(two_blocks)
    manifest, table = whole["private/manifest.jsonl"], whole["metadata.csv"]
    first_block = sum(len(line) for line in manifest.splitlines(keepends=True)[:3])
    for step, cut in enumerate(range(first_block, len(manifest), 97)):
        folder = tmp_path / f"cut{step}"
        shutil.copytree(two_blocks, folder)
        shutil.copytree(journal_path(two_blocks).parent, journal_path(folder).parent)
        journal_path(folder).write_bytes(manifest[:cut])
        (folder / "metadata.csv").write_bytes(table[: len(table) - step])
        (folder / "images" / ".000004.png.123.tmp").write_bytes(b"half")
        reopened = open_set(folder, RECIPE)
        assert reopened.tally().drawn == 3
        assert sorted(path.name for path in (folder / "images").iterdir()) == ["000000.png", "000002.png"]
        append(reopened, 3)
        assert contents(folder) == whole


@pytest.mark.parametrize("change", [lambda text: text.replace(b'"seed": ', b'"seed": 1'), lambda text: text[:-300]])
def test_a_changed_manifest_is_refused_and_drawing_writes_it_anew(two_blocks: Path, change: Callable[[bytes], bytes]):
    manifest = two_blocks / "manifest.jsonl"
    before = manifest.read_bytes()
    manifest.write_bytes(change(before))
    with pytest.raises(UserError, match="not the one whose digest is in"):
        read_released_rows(two_blocks)
    open_set(two_blocks, RECIPE)
    assert manifest.read_bytes() == before
    assert len(read_released_rows(two_blocks)) == 4


def test_changed_counts_and_settings_are_refused(two_blocks: Path):
    for name, old, new in (("counts.json", '"drawn": 6', '"drawn": 5'), ("set.json", '"steps": 9', '"steps": 8')):
        path = two_blocks / name
        content = path.read_text()
        assert old in content
        path.write_text(content.replace(old, new))
        with pytest.raises(UserError, match=f"{name} was changed after it was written"):
            read_tally(two_blocks) if name == "counts.json" else read_json(path)


def test_the_last_line_end_is_the_commit(two_blocks: Path):
    manifest = journal_path(two_blocks)
    manifest.write_bytes(manifest.read_bytes()[:-1])
    assert open_set(two_blocks, RECIPE).tally().drawn == 3


def _break_append(monkeypatch: pytest.MonkeyPatch, *, name: str) -> None:
    """name: of the file below its set or the set's private folder."""
    from woundgen.generation import image_set

    original: Callable[[Path, str], None] = image_set._append

    def torn(path: Path, text: str) -> None:
        if str(path).endswith(name):
            original(path, text[: len(text) // 2])
            raise KeyboardInterrupt
        original(path, text)

    monkeypatch.setattr(image_set, "_append", torn)


@pytest.mark.parametrize("name", ["metadata.csv", "again/manifest.jsonl", ".private/manifest.jsonl"])
def test_an_append_cut_short_is_mended(two_blocks: Path, tmp_path: Path, monkeypatch, name: str):
    target = open_set(tmp_path / "again", RECIPE)
    append(target, 0)
    with monkeypatch.context() as patched:
        _break_append(patched, name=name)
        with pytest.raises(KeyboardInterrupt):
            append(target, 3)
    append(open_set(target.folder, RECIPE), 3)
    assert contents(target.folder) == contents(two_blocks)


def test_files_of_others_are_left_alone(two_blocks: Path):
    (two_blocks / "images" / "note.txt").write_text("mine")
    open_set(two_blocks, RECIPE)
    assert (two_blocks / "images" / "note.txt").exists()


def test_a_lost_image_is_named(two_blocks: Path):
    (two_blocks / "images" / "000003.png").unlink()
    with pytest.raises(UserError, match=r"000003\.png is listed"):
        open_set(two_blocks, RECIPE)


def test_half_a_block_is_our_mistake(tmp_path: Path):
    target = open_set(tmp_path / "set", RECIPE)
    with pytest.raises(AssertionError):
        target.append(range(1, 4), block_images(0), VERDICTS)
    with pytest.raises(AssertionError):
        target.append(range(2), block_images(0)[:2], VERDICTS[:2])


def test_released_rows_hold_no_score_against_photographs(two_blocks: Path):
    target = open_set(two_blocks, RECIPE)
    scores = {"ssim_max": 0.123456, "nearness": 2.5, "embedding_nearest": 1.5, "sharpness": -3.25}
    reason, category = "copy by best SSIM (0.9 > 0.8)", "copy by best SSIM"
    copy = Verdict(False, reason, scores, kind=RejectionKind.COPY, category=category)
    verdicts = [Verdict(True, "", scores), copy, Verdict(True, "")]
    target.append(range(6, 9), block_images(6), verdicts)
    public = [json.loads(line) for line in (two_blocks / "manifest.jsonl").read_text().splitlines()]
    assert [row["index"] for row in public] == [0, 2, 3, 5, 6, 8]
    assert public[4]["scores"] == {"sharpness": -3.25}
    shared = "".join(path.read_text() for path in two_blocks.glob("*") if path.is_file())
    assert "0.123456" not in shared
    assert "0.9 >" not in shared
    assert str(image_seed(11, 7)) not in shared
    counts = json.loads((two_blocks / "counts.json").read_text())
    counts.pop("content_sha256")
    assert counts == {
        "drawn": 9, "accepted": 6, "not_kept": {"copy by best SSIM": 1, "sharpness": 2}, "copies": 1,
        "manifest_sha256": hashlib.sha256((two_blocks / "manifest.jsonl").read_bytes()).hexdigest(),
    }  # fmt: skip
    assert read_drawn_rows(two_blocks)[7]["scores"] == scores
    assert journal_path(two_blocks).parent.stat().st_mode & 0o777 == 0o700


def older(folder: Path) -> Path:
    """The set as earlier versions wrote it: every row in the public manifest, and no private folder."""
    journal_path(folder).replace(folder / "manifest.jsonl")
    journal_path(folder).parent.rmdir()
    (folder / "counts.json").unlink()
    return folder


def test_a_set_of_an_earlier_version_is_read_and_gone_on_with(two_blocks: Path):
    whole, tally, rows = contents(two_blocks), read_tally(two_blocks), read_drawn_rows(two_blocks)
    older(two_blocks)
    assert (read_tally(two_blocks), read_drawn_rows(two_blocks)) == (tally, rows)
    assert [row["index"] for row in read_released_rows(two_blocks)] == [0, 2, 3, 5]
    assert open_set(two_blocks, RECIPE).tally() == tally
    assert contents(two_blocks) == whole


def test_a_finished_set_needs_no_private_folder(two_blocks: Path):
    tally = read_tally(two_blocks)
    shutil.rmtree(journal_path(two_blocks).parent)
    before = contents(two_blocks)
    with pytest.raises(UserError, match=r"set\.private/manifest\.jsonl is gone"):
        open_set(two_blocks, RECIPE)
    assert contents(two_blocks) == before
    folder, smaller = two_blocks.with_name("whole"), replace(RECIPE, count=2)
    append(open_set(folder, smaller), 0)
    shutil.rmtree(journal_path(folder).parent)
    assert open_set(folder, smaller).tally() == replace(tally, drawn=3, accepted=2, reasons={"sharpness": 1})
