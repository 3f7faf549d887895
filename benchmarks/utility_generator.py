"""What the project's own generator gives a classifier, at several sizes of the real set.

    python benchmarks/utility_generator.py --out /tmp/own                                # phantoms, sealed hold-out
    python benchmarks/utility_generator.py --out /tmp/own_real --data PHOTOGRAPHS --sizes 20,40   # photographs
    python benchmarks/utility_generator.py --out /tmp/own --sizes 20 --classifier cnn

Patients are put in an order that their names decide. The first of them make up the largest size; all others are
held out, the same ones at every size, and a smaller size takes fewer of the first. One adapter a phase
(`woundgen train`, demo preset), a set of twice as many images as photographs (`woundgen generate`, screened), then
`woundgen utility` at doses 0.25, 0.5 and 1. All of it by the commands a user types, printed as they run; a finished
part is not done again. Photographs without patients: near duplicates stand for them.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import shutil
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from woundgen.cli import run
from woundgen.data.layouts.find_photos import find_photos
from woundgen.data.splits.split import with_cluster_groups
from woundgen.records import PHASES, Photo
from woundgen.workflows.demo.job import PRESET

TESTED, VIEWS, SEED = 300, 2, 860_001  # phantom patients of each phase that are held out, views of each
SHORT = 3  # exit code of `generate` where fewer were accepted than asked for; `utility` says whether they suffice


def photographs(root: Path) -> list[Photo]:
    photos = find_photos(root, phases=PHASES)
    return with_cluster_groups(photos, roots=[root])[0] if any(photo.group is None for photo in photos) else photos


def divide(photos: list[Photo], *, size: int, largest: int) -> list[Photo]:
    """Whole groups until each phase has `size` photographs, and the hold-out: all that even `largest` does not take.

    A group of several phases goes where its first photograph goes.
    """
    had: dict[str, int] = defaultdict(int)
    place: dict[str, int] = {}  # photographs of the phase before the group's first
    ordered = sorted(photos, key=lambda photo: hashlib.sha256((photo.group or "").encode()).digest())
    for photo in ordered:
        place.setdefault(photo.group or "", had[photo.phase])
        had[photo.phase] += 1
    held = [replace(photo, split="holdout") for photo in ordered if place[photo.group or ""] >= largest]
    return [replace(photo, split=None) for photo in ordered if place[photo.group or ""] < size] + held


def write_folder(folder: Path, photos: list[Photo]) -> None:
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


def command(*words: str, allowed: tuple[int, ...] = (0,)) -> None:
    print("woundgen", " ".join(words), flush=True)
    if (code := run(list(words))) not in allowed:
        raise SystemExit(code)


def _finished(run_folder: Path) -> bool:
    path = run_folder / "run.json"
    return path.exists() and json.loads(path.read_text())["status"] == "finished"


def one_size(
    photos: list[Photo], *, size: int, out: Path, classifiers: list[str], settings: list[str], generate: list[str]
) -> list[dict[str, object]]:
    """photos: already divided."""
    real = out / "photographs"
    write_folder(real, photos)
    sets: list[str] = []
    for phase in PHASES:
        folder, adapter = out / f"generated_{phase}", out / "runs" / f"phase_{phase}"
        changed = [word for setting in [f"phases=[{phase}]", *settings] for word in ("--set", setting)]
        if not _finished(adapter):
            command("train", "--config", str(PRESET), "--data", str(real), "--out", str(adapter), *changed)
        command(
            "generate", "--adapter", str(adapter), "--real", str(real), "--count", str(2 * size), *generate,
            "--out", str(folder), allowed=(0, SHORT),
        )  # fmt: skip
        sets += ["--synthetic", str(folder)]
    return [_asked(real, sets, out=out, size=size, classifier=classifier) for classifier in classifiers]


def _asked(real: Path, sets: list[str], *, out: Path, size: int, classifier: str) -> dict[str, object]:
    target = out / f"utility_{classifier}"
    command(
        "utility", "--real", str(real), *sets, "--runs", str(out / "runs"), "--classifier", classifier,
        "--doses", "0,0.25,0.5,1", "--out", str(target),
    )  # fmt: skip
    record = json.loads((target / "utility.json").read_text())
    print(f"size {size}, {classifier}: {record['verdict']['sentence']}", flush=True)
    return {"size": size, "classifier": classifier, "verdict": record["verdict"], "design": record["design"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="photographs [phantoms, rendered into OUT]")
    parser.add_argument("--sizes", default="20,40,80", help="photographs a phase to train on")
    parser.add_argument("--classifier", default="embedded", help="several by commas")
    parser.add_argument("--set", action="append", default=[], help="key=value over the demo preset; repeatable")
    parser.add_argument("--generate", default="", help="more words for woundgen generate, such as '--guidance 1'")
    arguments = parser.parse_args()
    sizes = [int(word) for word in arguments.sizes.split(",")]
    root = arguments.data or arguments.out / "phantoms"
    if arguments.data is None and not (root / "metadata.csv").exists():
        count = str(len(PHASES) * (TESTED * VIEWS + max(sizes)))
        command("phantoms", "--count", count, "--views", str(VIEWS), "--seed", str(SEED), "--out", str(root))
    photos: list[Photo] = photographs(root.resolve())
    results: list[dict[str, object]] = []
    for size in sizes:
        results += one_size(
            divide(photos, size=size, largest=max(sizes)),
            size=size,
            out=arguments.out / f"size_{size}",
            classifiers=arguments.classifier.split(","),
            settings=arguments.set,
            generate=arguments.generate.split(),
        )
        (arguments.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
