"""Mutated inputs over every reader: each is read, or refused in a UserError; nothing else is ever raised.

What breaks a rule of tests/unit/mutations.py must be refused. A reader has 20 s of processor and 4 GB of memory.
"""

from __future__ import annotations

import json
import os
import random
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from woundgen.adapters.lora import fuse_lora
from woundgen.adapters.saved import drawing_notes, find_adapter
from woundgen.config.load import load_quality_config, load_train_config, stored_config
from woundgen.config.quality import QualityConfig
from woundgen.config.train import TrainConfig
from woundgen.data.files.images import png_bytes, read_photograph
from woundgen.data.layouts.layout_file import read_layout
from woundgen.data.layouts.manifest import read_left_out, read_manifest, write_manifest
from woundgen.errors import UserError
from woundgen.privacy.exposure import find_keys, read_seen
from woundgen.records import LeftOut, ManifestRow
from woundgen.reporting.read_run import collect
from woundgen.reporting.read_set import collect_scores, collect_set
from woundgen.reporting.stored_metrics import read_paired, read_values
from woundgen.review.decisions import read_decisions
from woundgen.screening.calibration import NO_NETWORKS, calibrate
from woundgen.screening.statistics import Statistics
from woundgen.storage.files import read_json, sha256_json
from woundgen.storage.set_rows import read_drawn_rows, read_tally
from woundgen.study.app import ReaderPages
from woundgen.study.files import journal_path, read_study, read_truth
from woundgen.study.session import Answer, Session, read_answers
from woundgen.workflows.screen.job import stored_calibration

from .more_inputs import more_inputs
from .mutations import mutate_file
from .reporting.stored_results import measured, write_run, write_set
from .study.conftest import make_study

SECONDS = 20.0
MEMORY = 4 << 30  # bytes beyond what the process holds as it begins


class Layer(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(layers_per_block=1)
        self.to_q = torch.nn.Linear(4, 4)
        self.to_k = torch.nn.Linear(4, 4)


def write_adapter(folder: Path) -> Path:
    """A LoRA of two layers, in diffusers' form."""
    folder.mkdir()
    settings = {"unet.r": 2, "unet.lora_alpha": 2, "unet.target_modules": ["to_q", "to_k"]}
    tensors = {f"unet.{name}.lora_{half}.weight": torch.ones(2, 4) if half == "A" else torch.ones(4, 2)
               for name in ("to_q", "to_k") for half in "AB"}  # fmt: skip
    file = folder / "pytorch_lora_weights.safetensors"
    save_file(tensors, file, metadata={"lora_adapter_metadata": json.dumps(settings)})
    notes = {
        "base": "embedded", "base_digest": "b", "phase": "I", "prompt": "a", "negative_prompt": "", "steps": 5,
        "guidance_scale": 1.5, "prompts": {"I": "a", "R": "b"}, "train_resolution": 128,
        "lora": {"rank": 2, "alpha": 2, "targets": ["to_q", "to_k"]},
    }  # fmt: skip
    (folder / "woundgen_adapter.json").write_text(json.dumps(notes))
    return file


def write_inputs(folder: Path) -> list[tuple[Path, Callable[[], Any]]]:
    """(file to mutate, reader of it), for each kind of file that is read."""
    run, drawn = write_run(folder / "run", steps=12), write_set(folder / "set")
    (drawn / "metrics.json").write_text(json.dumps(measured()))
    (drawn / "counts.json").write_text(json.dumps({"drawn": 24, "accepted": 17, "not_kept": {"copy": 7}}))
    (drawn / "training_groups.json").write_text(json.dumps({"trained_on": [{"key": "a", "groups": ["b"]}]}))
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(TrainConfig().model_dump(mode="json")))
    layout = folder / "mapping.yaml"
    layout.write_text("columns: {file_name: Filename, phase: Stage}\nvalues: {inflamed: I}\n")
    imported = folder / "import"
    imported.mkdir()
    row = ManifestRow("a.png", "0" * 64, "I", None, None, 64, "a.png", None, None)
    write_manifest(imported, [row], left_out=[LeftOut("b.png", "tiny", "b.png is tiny")], root=folder, facts={})
    adapter = write_adapter(folder / "adapter")
    metrics = drawn / "metrics.json"
    calibration, screened = write_calibration(folder), SimpleNamespace(used=NO_NETWORKS)
    study = folder / "study"
    make_study(study)
    answers, order = journal_path(study, "reader-1"), read_study(study).orders["reader-1"]
    write_answers(answers, order)
    review = folder / "reviewed.private" / "review.jsonl"
    review.parent.mkdir()
    decision = {"images": [1, 2], "verdict": "reject", "reason": "blurred", "reviewer": "A", "nonce": "n" * 8}
    review.write_text("".join(json.dumps(row) + "\n" for row in (decision, {"undo": 0, "reviewer": "A"}, decision)))
    picture = folder / "picture.png"
    picture.write_bytes(png_bytes(np.zeros((8, 8, 3), np.uint8), text={}))

    def fuse() -> None:
        fuse_lora(Layer(), [(adapter, 1.0)])

    def report() -> None:
        collect(run, [drawn], [read_json(metrics)])

    return [
        (config, lambda: load_train_config(config)),
        (config, lambda: load_quality_config(config)),
        (layout, lambda: read_layout(layout)),
        (imported / "import.json", lambda: read_manifest(imported)),
        (imported / "manifest.csv", lambda: read_manifest(imported)),
        (imported / "left_out.csv", lambda: read_left_out(imported)),
        (run / "run.json", report),
        (run / "run.json", lambda: find_keys(run)),
        (run / "run.json", lambda: stored_config(read_json(run / "run.json")["config"])),
        (run / "train.jsonl", report),
        (run / "eval.jsonl", report),
        (drawn / "set.json", lambda: collect_set(drawn)),
        (drawn / "manifest.jsonl", lambda: (collect_set(drawn), collect_scores(drawn), read_drawn_rows(drawn))),
        (drawn / "counts.json", lambda: read_tally(drawn)),
        (drawn / "training_groups.json", lambda: read_seen(drawn)),
        (metrics, report),
        (metrics, lambda: read_values(read_json(metrics)["rows"], source="metrics.json")),
        (metrics, lambda: read_paired(read_json(metrics)["rows"], source="metrics.json")),
        (calibration, lambda: stored_calibration(calibration, SimpleNamespace(digest="d"), QualityConfig(), screened)),
        (study / "study.json", lambda: ReaderPages(study).close()),
        (study / "links.json", lambda: ReaderPages(study).close()),
        (study / "truth.json", lambda: read_truth(study)),
        (answers, lambda: read_answers(answers, order)),
        (review, lambda: read_decisions(folder / "reviewed")),
        (picture, lambda: read_photograph(picture, roots=[folder])),
        (adapter, fuse),
        (adapter.parent / "woundgen_adapter.json", lambda: find_adapter(adapter, weights="auto")),
        (adapter.parent / "woundgen_adapter.json", lambda: drawing_notes(adapter)),
        *more_inputs(folder),
    ]


def write_calibration(folder: Path) -> Path:
    """calibration.json of 12 made-up references, with its digest."""
    values = np.random.default_rng(0).normal(size=(2, 12))
    columns = {"ssim_mean": values[0], "sharpness": values[1]}
    columns |= {"copy_places": np.full(12, 4.0), "copy_layout": np.full(12, 0.3)}
    calibration = calibrate(Statistics(columns, {"copy_places": np.zeros(12, int)}))
    record = {"photographs": "d", "size": 32, "calibration": calibration.to_json()}
    file = folder / "calibration.json"
    file.write_text(json.dumps(record | {"digest": sha256_json(record)}))
    return file


def write_answers(path: Path, order: Sequence[str]) -> None:
    session = Session(path, order)
    for position in range(4):
        session.answer(position, f"{position:016x}", Answer("real", 3, "I", 4, "a remark", 1.5))
    session.undo(3)
    session.close()


@contextmanager
def bounded_memory(room: int) -> Iterator[None]:
    """Let this process take `room` bytes of private memory more than it has (RLIMIT_DATA), then MemoryError."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    held = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (int(held.split()[1]) * 1024 + room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def check_mutations(folder: Path, numbers: range) -> None:
    """Each number names one mutated input, whatever piece it is run in."""
    inputs = write_inputs(folder)
    found: dict[str, str] = {}
    counts: Counter[str] = Counter()
    began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in numbers:
        chance = random.Random(number)
        path, reader = inputs[number % len(inputs)]
        before = path.read_bytes()
        content, rule = mutate_file(path, chance)
        path.write_bytes(content)
        started = time.process_time()
        counts["to be refused"] += rule is not None
        try:
            with bounded_memory(MEMORY):
                reader()
            counts["read"] += 1
            if rule is not None:
                found.setdefault(f"{path.name}: read in silence with {rule}", f"{number}: {content[-300:]!r}")
        except UserError as error:
            counts["refused"] += 1
            if len(str(error)) > 1500:
                found[f"{path.name}: a message of {len(str(error))} characters"] = repr(content[:300])
        except BaseException as error:  # MemoryError and SystemExit, too
            if isinstance(error, KeyboardInterrupt):
                raise
            found.setdefault(f"{path.name}: {type(error).__name__}: {str(error)[:80]}", repr(content[:300]))
        finally:
            path.write_bytes(before)
        assert time.process_time() - started < SECONDS, f"{path.name}: {content[:200]!r}"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - began) >> 10
    print(f"{len(numbers)} inputs over {len(inputs)} readers: {dict(counts)}; memory grew by {grown} MB at most")
    assert not found, f"{len(found)} kinds:\n" + "\n".join(f"{kind}\n    {text}" for kind, text in found.items())


def test_a_mutated_input_is_read_or_refused(tmp_path: Path) -> None:
    check_mutations(tmp_path, range(448))


@pytest.mark.slow
def test_ten_thousand_mutated_inputs_are_read_or_refused(tmp_path: Path) -> None:
    """In pieces with WOUNDGEN_MUTATIONS=FIRST:END, such as 0:2500."""
    first, end = map(int, os.environ.get("WOUNDGEN_MUTATIONS", "0:10000").split(":"))
    check_mutations(tmp_path, range(first, end))
