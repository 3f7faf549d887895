"""Which precision a set is drawn in, and how many images at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from woundgen.generation.sampler import SamplerSettings
from woundgen.models.base import BaseModel, encode_prompts
from woundgen.workflows.generate.acceleration import choose_group, choose_unet_pass
from woundgen.workflows.generate.precision import choose_draw_precision, keep_precision
from woundgen.workflows.generate.request import GenerateOptions, GenerateRequest

CARD, CPU = torch.device("cuda"), torch.device("cpu")
GIB = 1 << 30


def adapters(folder: Path, precisions: Sequence[str | None]) -> list[Path]:
    files = []
    for number, precision in enumerate(precisions):
        (folder / str(number)).mkdir()
        notes = {} if precision is None else {"precision": precision}
        (folder / str(number) / "woundgen_adapter.json").write_text(json.dumps(notes))
        files.append(folder / str(number) / "pytorch_lora_weights.safetensors")
    return files


@pytest.mark.parametrize(
    ("asked", "trained", "device", "expected"),
    [
        ("auto", ["bf16"], CARD, "bf16"),
        ("auto", ["fp16", "fp16"], CARD, "fp16"),
        ("auto", ["fp16", "bf16"], CARD, "fp32"),  # no half precision that both were trained in
        ("auto", ["fp32"], CARD, "fp32"),
        ("auto", [None], CARD, "fp32"),  # a run of an older version, or another program's file
        ("auto", [], CARD, "fp32"),  # the base alone
        ("auto", ["fp16"], CPU, "fp32"),  # a CPU draws as it always did
        ("auto", ["fp8"], CARD, "fp32"),
        ("fp32", ["fp16"], CARD, "fp32"),
        ("bf16", ["fp16"], CPU, "bf16"),
    ],
)
def test_choice(tmp_path: Path, asked: Any, trained: list[str | None], device: torch.device, expected: str) -> None:
    assert choose_draw_precision(asked, adapters(tmp_path, trained), device) == expected


def request(precision: Any) -> GenerateRequest:
    return GenerateRequest((), options=GenerateOptions(precision=precision))


@pytest.mark.parametrize(
    ("asked", "recorded", "expected"),
    [
        ("auto", "fp32", "fp32"),
        ("auto", "bf16", "bf16"),
        ("auto", None, "auto"),
        ("auto", "fp8", "auto"),
        ("fp16", "fp32", "fp16"),  # another set, which the folder will refuse
    ],
)
def test_a_set_goes_on_as_it_was_begun(tmp_path: Path, asked: str, recorded: str | None, expected: str) -> None:
    if recorded is not None:
        (tmp_path / "set.json").write_text(json.dumps({"precision": recorded}))
    assert keep_precision(request(asked), tmp_path).options.precision == expected


def test_a_cpu_runs_the_unet_plainly() -> None:
    from woundgen.models.unet_pass import plain_pass

    assert choose_unet_pass(CPU, faults=[]) is plain_pass


def test_a_group_is_what_free_memory_holds(loaded_base: BaseModel) -> None:
    """The meter sees one block drawn, and its answer decides."""
    prompt, negative = encode_prompts(loaded_base, ["a wound", "blurry"]).split(1)
    sampler = SamplerSettings("dpmsolver++", 30, 2.0, 0, 4, 32, 32)
    model: Any = SimpleNamespace(
        base=loaded_base, recipe=SimpleNamespace(sampler=sampler), prompt=prompt, negative=negative, guide=None
    )
    shapes = []

    def meter(run: Callable[[], Any]) -> tuple[int, int]:
        shapes.append(run().shape)
        return GIB, 8 * GIB

    assert choose_group(model, memory=meter) == 16
    assert shapes == [(4, 32, 32, 3)]
