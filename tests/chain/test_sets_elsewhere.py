"""Sets and phantoms, read by the software whose conventions they follow."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from woundgen.cli import run
from woundgen.privacy.exposure import Seen, read_seen, write_set_record

from ..peers import run_peer
from ..split_keywords import files_below, split_keyword_in

COUNT = 6


@pytest.fixture(scope="module")
def folders(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Below a folder whose own name is a split keyword, for that must not count."""
    root = tmp_path_factory.mktemp("train") / "test"
    words = ["generate", "--adapter", str(trained), "--count", str(COUNT), "--steps", "2", "--size", "32"]
    assert run([*words, "--out", str(root / "drawn")]) == 0
    assert run(["phantoms", "--count", str(COUNT), "--size", "48", "--out", str(root / "phantoms")]) == 0
    return {"drawn": root / "drawn", "phantoms": root / "phantoms"}


@pytest.mark.parametrize("name", ["drawn", "phantoms"])
def test_no_path_is_taken_for_a_split(folders: dict[str, Path], name: str) -> None:
    files = files_below(folders[name])
    assert Path("exposure.json") in files
    assert {path: found for path in files if (found := split_keyword_in(path))} == {}


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("training_groups.json", True),
        ("a_train.csv", True),
        ("images/val3.png", True),
        ("test-x/0.png", True),
        ("retrained.json", False),
        ("evaluations.json", False),
        ("exposure.json", False),
    ],
)
def test_the_rule_can_fail(path: str, taken: bool) -> None:
    assert (split_keyword_in(Path(path)) is not None) is taken


def test_the_record_of_an_older_set_is_read_and_replaced(tmp_path: Path) -> None:
    record = {"trained_on": [{"key": None, "groups": ["P1"]}]}
    (tmp_path / "training_groups.json").write_text(json.dumps(record))
    assert read_seen(tmp_path) == [Seen(None, frozenset({"P1"}))]
    write_set_record(tmp_path, {"trained_on": []})
    assert [path.name for path in tmp_path.iterdir()] == ["exposure.json"]
    assert read_seen(tmp_path) == []


LOAD = """
import json, sys, datasets
found = datasets.load_dataset("imagefolder", data_dir=sys.argv[1])
bare = datasets.load_dataset(sys.argv[1])
print(json.dumps({name: [sorted(rows.features), len(rows), rows[0]["image"].size] for name, rows in found.items()}))
print(json.dumps({name: len(rows) for name, rows in bare.items()}))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "column", "side"), [("drawn", "label", 32), ("phantoms", "phase", 48)])
def test_datasets_reads_every_image(
    folders: dict[str, Path], tmp_path: Path, name: str, column: str, side: int
) -> None:
    rows, bare = map(json.loads, run_peer("data", LOAD, folders[name], folder=tmp_path).splitlines())
    ((columns, count, size),) = rows.values()
    assert {"image", column} <= set(columns)
    assert (count, size) == (COUNT, [side, side])
    assert bare == {"train": COUNT}


@pytest.mark.parametrize(("name", "kind"), [("drawn", "trainedAlgorithmicMedia"), ("phantoms", "algorithmicMedia")])
def test_every_picture_says_that_no_camera_took_it(
    folders: dict[str, Path], trained: Path, name: str, kind: str
) -> None:
    """IPTC's Digital Source Type, in the set and in the grids of its training."""
    grids = list((trained / "samples").glob("*.png"))
    assert grids
    for path in [*folders[name].rglob("*.png"), *(grids if name == "drawn" else ())]:
        with Image.open(path) as image:
            assert f"/digitalsourcetype/{kind}<" in image.text["XML:com.adobe.xmp"], path  # type: ignore[attr-defined]
            assert "not a photograph" in image.text["Description"]  # type: ignore[attr-defined]


CROISSANT = """
import json, sys, mlcroissant
data = mlcroissant.Dataset(jsonld=sys.argv[1] + "/croissant.json")
assert not data.metadata.ctx.issues.errors, data.metadata.ctx.issues.report()
rows = list(data.records("rows"))
files = list(data.records("files"))
def plain(value):
    return value.decode() if isinstance(value, bytes) else value
print(json.dumps([len(rows), len(files), {key: plain(value) for key, value in rows[0].items()}], default=str))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["drawn", "phantoms"])
def test_mlcroissant_validates_and_reads_the_description(folders: dict[str, Path], tmp_path: Path, name: str) -> None:
    rows, files, first = json.loads(run_peer("data", CROISSANT, folders[name], folder=tmp_path))
    assert (rows, files) == (COUNT, COUNT)
    assert first["rows/file_name"] == "images/000000.png"


PANDAS = """
import json, sys, pandas
table = pandas.read_csv(sys.argv[1] + "/metadata.csv")
rows = pandas.read_json(sys.argv[1] + "/manifest.jsonl", lines=True)
print(json.dumps([len(table), str(table["seed"].dtype), str(table["index"].dtype), int(rows["accepted"].sum())]))
"""


@pytest.mark.slow
def test_pandas_reads_both_tables(folders: dict[str, Path], tmp_path: Path) -> None:
    count, seed, index, kept = json.loads(run_peer("data", PANDAS, folders["drawn"], folder=tmp_path))
    assert (count, kept) == (COUNT, COUNT)
    assert (seed, index) in (("int64", "int64"), ("uint64", "int64"))


IMAGE_FOLDER = """
import json, sys
from torchvision.datasets import ImageFolder
found = ImageFolder(sys.argv[1])
print(json.dumps([found.classes, [label for _, label in found.samples], found[0][0].size]))
"""


@pytest.mark.slow
def test_torchvision_reads_sets_in_class_folders(folders: dict[str, Path], tmp_path: Path) -> None:
    """Sets lie whole in folders that are named by class; images are found in each one's `images`."""
    classes = tmp_path / "classes"
    for name, label in (("drawn", "I"), ("phantoms", "R")):
        shutil.copytree(folders[name], classes / label)
    names, labels, size = json.loads(run_peer("data", IMAGE_FOLDER, classes, folder=tmp_path))
    assert names == ["I", "R"]
    assert labels == [0] * COUNT + [1] * COUNT
    assert size == [32, 32]


WEBDATASET = """
import csv, json, os, sys, webdataset
source, shard = sys.argv[1], sys.argv[2]
with webdataset.TarWriter(shard) as sink:
    for row in csv.DictReader(open(os.path.join(source, "metadata.csv"))):
        name = row["file_name"]
        with open(os.path.join(source, name), "rb") as picture:
            key = os.path.splitext(os.path.basename(name))[0]
            sink.write({"__key__": key, "png": picture.read(), "json": row})
read = list(webdataset.WebDataset(shard, shardshuffle=False).decode("rgb8").to_tuple("png", "json"))
print(json.dumps([len(read), list(read[0][0].shape), sorted(read[0][1])]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "side", "column"), [("drawn", 32, "seed"), ("phantoms", 48, "group_id")])
def test_webdataset_writes_and_reads_shards_of_a_set(
    folders: dict[str, Path], tmp_path: Path, name: str, side: int, column: str
) -> None:
    count, shape, columns = json.loads(
        run_peer("data", WEBDATASET, folders[name], tmp_path / "shard.tar", folder=tmp_path)
    )
    assert (count, shape) == (COUNT, [side, side, 3])
    assert {"file_name", column} <= set(columns)
