"""What the project's own generator gives a classifier, at several sizes of the real set.

    python benchmarks/utility_generator.py --out /tmp/own                                # phantoms, sealed hold-out
    python benchmarks/utility_generator.py --out /tmp/own_real --data PHOTOGRAPHS        # photographs
    python benchmarks/utility_generator.py --out /tmp/own --sizes 20 --classifier cnn

Per size: the same patients are held out; of the others as many as make up `size` photographs a phase stay; one
adapter a phase (`woundgen train`, demo preset), a set of each (`woundgen generate`, screened), then
`woundgen utility`. All of it by the commands a user types, printed as they run; a finished part is not done
again. Photographs without patients: near duplicates stand for them (--clusters).
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from woundgen.cli import run
from woundgen.data.phases import PHASES
from woundgen.data.sources import find_photos
from woundgen.data.split import with_cluster_groups
from woundgen.records import Photo
from woundgen.similarity.groups import group_codes
from woundgen.utility.folds import deal_folds
from woundgen.workflows.demo import PRESET

PHANTOM_PATIENTS, VIEWS, SEED = 480, 2, 860_001  # patients over all phases
HELD_OUT_PARTS = 2  # every second patient is held out


def photographs(root: Path) -> list[Photo]:
    photos = find_photos(root, phases=PHASES)
    return with_cluster_groups(photos, roots=[root])[0] if any(photo.group is None for photo in photos) else photos


def divide(photos: list[Photo], *, size: int) -> list[Photo]:
    """The hold-out, and of the rest whole groups until each phase has `size` photographs."""
    labels = group_codes([photo.phase for photo in photos], len(photos))
    groups = [photo.group or "" for photo in photos]
    held = {groups[row] for row in deal_folds(labels, groups, folds=HELD_OUT_PARTS, seed=0)[0]}
    kept, had = [], defaultdict(int)
    stays: dict[str, bool] = {}
    for photo, group in sorted(zip(photos, groups, strict=True), key=lambda pair: pair[1]):
        if group in held:
            kept.append(replace(photo, split="holdout"))
        elif stays.setdefault(group, had[photo.phase] < size):
            kept.append(replace(photo, split=None))
            had[photo.phase] += 1
    return kept


def write_folder(folder: Path, photos: list[Photo], *, root: Path) -> None:
    """A copy of the photographs with their table."""
    if (folder / "metadata.csv").exists():
        return
    (folder / "images").mkdir(parents=True)
    rows = []
    for number, photo in enumerate(photos):
        name = f"images/{number:04d}{Path(photo.path).suffix}"
        shutil.copy(photo.path, folder / name)
        box = photo.box
        corners = (box.x_min, box.y_min, box.x_max, box.y_max) if box else ("", "", "", "")
        rows.append([name, photo.phase, photo.group, photo.split or "", *corners])
    with (folder / "metadata.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["file_name", "phase", "group_id", "split", "x_min", "y_min", "x_max", "y_max"])
        writer.writerows(rows)


def command(*words: str) -> None:
    print("woundgen", " ".join(words), flush=True)
    if code := run(list(words)):
        raise SystemExit(code)


def _finished(run_folder: Path) -> bool:
    path = run_folder / "run.json"
    return path.exists() and json.loads(path.read_text())["status"] == "finished"


def one_size(
    photos: list[Photo], *, root: Path, size: int, out: Path, classifier: str, settings: list[str], generate: list[str]
) -> dict[str, object]:
    real = out / "photographs"
    write_folder(real, divide(photos, size=size), root=root)
    sets: list[str] = []
    for phase in PHASES:
        folder, adapter = out / f"generated_{phase}", out / "runs" / f"phase_{phase}"
        changed = [word for setting in [f"phases=[{phase}]", *settings] for word in ("--set", setting)]
        if (
            not (adapter / "run.json").exists()
            or json.loads((adapter / "run.json").read_text())["status"] != "finished"
        ):
            command("train", "--config", str(PRESET), "--data", str(real), "--out", str(adapter), *changed)
        command(
            "generate", "--adapter", str(adapter), "--real", str(real), "--count", str(2 * size), *generate,
            "--out", str(folder),
        )  # fmt: skip
        sets += ["--synthetic", str(folder)]
    target = out / f"utility_{classifier}"
    command(
        "utility", "--real", str(real), *sets, "--runs", str(out / "runs"), "--classifier", classifier,
        "--doses", "0,0.25,0.5,1", "--out", str(target),
    )  # fmt: skip
    record = json.loads((target / "utility.json").read_text())
    return {"size": size, "verdict": record["verdict"], "design": record["design"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="photographs [phantoms, rendered into OUT]")
    parser.add_argument("--sizes", default="20,40,80", help="photographs a phase to train on")
    parser.add_argument("--classifier", default="embedded")
    parser.add_argument("--set", action="append", default=[], help="key=value over the demo preset; repeatable")
    parser.add_argument("--generate", default="", help="more words for woundgen generate, such as '--guidance 1'")
    arguments = parser.parse_args()
    root = arguments.data or arguments.out / "phantoms"
    if arguments.data is None:
        count = str(PHANTOM_PATIENTS * VIEWS)
        command("phantoms", "--count", count, "--views", str(VIEWS), "--seed", str(SEED), "--out", str(root))
    photos, results = photographs(root.resolve()), []
    for size in map(int, arguments.sizes.split(",")):
        results.append(
            one_size(
                photos,
                root=root,
                size=size,
                out=arguments.out / f"size_{size}",
                classifier=arguments.classifier,
                settings=arguments.set,
                generate=arguments.generate.split(),
            )
        )
        (arguments.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
        print(f"size {size}: {results[-1]['verdict']['sentence']}")  # type: ignore[index]


if __name__ == "__main__":
    main()
