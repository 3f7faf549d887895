"""Everything that waits for a card, in order of worth, in as many minutes as there are.

    python benchmarks/gpu_all.py --minutes 10 --out results/gpu              # SD 2.1's shape at 128x128, batch 16
    python benchmarks/gpu_all.py --minutes 1 --device cpu --name tiny --out /tmp/gpu       # the script itself, anywhere

Writes `gpu_all.json` and `gpu_all.md` into --out after every row, each whole at any moment, so that the run may be cut
when it likes; the rows name card, driver and versions. An item is begun only where the time that it takes on a card is
left; what was not begun is listed. One that fails is a row with its error, and the others go on. Random weights of the
published shape: what a step costs does not depend on what they are. A card that does nothing else is needed.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from gpu_items import Item, items
from gpu_training import Effort, Row, Shape
from harness import make_parser, read_options

from tests.published_architectures import UNETS
from woundgen.runtime.hardware import installed_cards
from woundgen.runtime.provenance import git_state, versions
from woundgen.storage.files import write_text

LEAST_MINUTES = 3.0
JSON, MARKDOWN = "gpu_all.json", "gpu_all.md"


@dataclass(slots=True)
class Results:
    """Rows so far, and what is known of the machine; written whole after each."""

    folder: Path
    machine: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self.write()

    def write(self) -> None:
        content = {"machine": self.machine, "rows": self.rows, "not begun": self.skipped}
        for name, text in ((JSON, json.dumps(content, indent=1)), (MARKDOWN, self.markdown())):
            write_text(self.folder / name, text + "\n")

    def markdown(self) -> str:
        lines = [f"{key}: {value}  " for key, value in self.machine.items()]
        for kind in dict.fromkeys(kind_of(row) for row in self.rows):
            group = [row for row in self.rows if kind_of(row) == kind]
            columns = list(dict.fromkeys(key for row in group for key in row))
            lines += ["", f"## {kind}", "", _line(columns), _line(["---"] * len(columns))]
            lines += [_line([show(row.get(column)) for column in columns]) for row in group]
        if self.skipped:
            lines += ["", f"Not begun for want of time: {'; '.join(self.skipped)}."]
        return "\n".join(lines)


def kind_of(row: Row) -> str:
    """Return the first word or two of a row's item: rows of a kind share a table."""
    return "failed" if "error" in row else str(row["item"]).split(",")[0]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def show(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    return "" if value is None else str(value).replace("|", "/")


RunAlone = Callable[[Item, float], Iterator[Row]]
"""(item, seconds that are left) -> its rows, from a process of its own."""


def measure(
    todo: Sequence[Item],
    shape: Shape,
    effort: Effort,
    results: Results,
    *,
    seconds: float,
    run_alone: RunAlone,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Run the items that fit in `seconds`, and write each row as it comes.

    After one that failed on a card the others run in processes of their own: an error can leave CUDA unusable.
    """
    end, spoilt = clock() + seconds, False
    results.write()
    for item in todo:
        if clock() + item.seconds > end:
            results.skipped.append(item.name)
            results.write()
            continue
        started = clock()
        try:
            rows = run_alone(item, end - clock()) if item.environment or spoilt else item.rows(shape, effort)
            for row in rows:
                results.add({"item": item.name} | row)
        except Exception as error:
            spoilt = shape.device.type == "cuda"
            text = str(error).strip().splitlines()[0][:200] if str(error).strip() else ""
            results.add({"item": item.name, "error": f"{type(error).__name__}: {text}"})
        print(f"{item.name}: {clock() - started:.0f} s", flush=True)
        gc.collect()
        if shape.device.type == "cuda":
            torch.cuda.empty_cache()


def run_in_process(item: Item, seconds: float, *, words: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of an item that this script measures when it is started again. words: of this start."""
    with tempfile.TemporaryDirectory() as folder:
        more = ["--item", item.name, "--out", folder, "--minutes", str(seconds / 60)]
        environment = {**os.environ, **item.environment}  # set before CUDA starts
        done = subprocess.run(
            [sys.executable, __file__, *words, *more], capture_output=True, text=True, timeout=seconds, env=environment
        )
        if done.returncode:
            raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no words")
        yield from json.loads((Path(folder) / JSON).read_text())["rows"]


def describe_machine(shape: Shape, effort: Effort) -> dict[str, Any]:
    """Return card, driver, versions, commit and what is measured."""
    cards = installed_cards()
    on_card = shape.device.type == "cuda"
    return {
        "card": torch.cuda.get_device_name() if on_card else "none: a CPU",
        "driver": cards[0].driver if on_card and cards else None,
        "torch": f"{torch.__version__} (CUDA {torch.version.cuda})",
        "versions": versions(),
        "commit": git_state(Path(__file__).parent).get("commit"),
        "shape": f"{shape.name} at {shape.side}x{shape.side}, batch {shape.batch}",
        "effort": str(effort),
    }


def main(words: Sequence[str] | None = None) -> None:
    parser = make_parser(
        __doc__, out=Path, minutes=LEAST_MINUTES, device="cuda", side=128, batch=16, sampler_steps=50,
        threads=torch.get_num_threads(),
    )  # fmt: skip
    parser.add_argument("--name", choices=UNETS, default="sd21")
    parser.add_argument("--steps", type=int, default=12, help="steps of training that are counted")
    parser.add_argument("--only", nargs="+", help="items whose names contain one of these words")
    parser.add_argument("--no-estimates", action="store_true", help="begin items whatever they take on a card")
    parser.add_argument("--item", help="this item alone, whatever it takes: what a start for one item is given")
    words = sys.argv[1:] if words is None else words
    options = read_options(parser, words)
    shape = Shape(options.name, options.side, options.batch, torch.device(options.device))
    effort = Effort(warm=3, steps=options.steps, sampler_steps=options.sampler_steps, rounds=3)
    todo = [item for item in items() if not options.only or any(word in item.name for word in options.only)]
    if options.no_estimates:
        todo = [replace(item, seconds=0.0) for item in todo]
    if options.item:
        todo = [replace(item, seconds=0.0, environment={}) for item in items() if item.name == options.item]
    results, run_alone = Results(options.out, describe_machine(shape, effort)), partial(run_in_process, words=words)
    measure(todo, shape, effort, results, seconds=60 * options.minutes, run_alone=run_alone)


if __name__ == "__main__":
    main()
