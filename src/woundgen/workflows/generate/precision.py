"""The precision that a set is drawn in: as asked, as the set was begun, or as its adapters were trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from woundgen.adapters.saved import adapter_metadata
from woundgen.config.choices import Precision
from woundgen.storage.files import read_json
from woundgen.storage.names import SET_JSON
from woundgen.workflows.generate.request import GenerateRequest

DrawPrecision = Literal["fp32", "fp16", "bf16"]
PRECISIONS: Mapping[DrawPrecision, torch.dtype] = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}


def keep_precision(request: GenerateRequest, out: Path) -> GenerateRequest:
    """Return the request with the precision of the set that `out` holds, where the user leaves it open."""
    path = out / SET_JSON
    if request.options.precision != "auto" or not path.exists():
        return request
    recorded = _known(read_json(path).get("precision"))
    return request if recorded is None else replace(request, options=replace(request.options, precision=recorded))


def choose_draw_precision(asked: Precision, files: Sequence[Path], device: torch.device) -> DrawPrecision:
    """Return the precision to draw in. auto: on a GPU the half precision that all adapters were trained in, else fp32.

    An adapter whose run did not record its precision counts as trained in fp32.
    """
    if asked != "auto":
        return asked
    trained = {_known(adapter_metadata(file).get("precision")) or "fp32" for file in files}
    return trained.pop() if device.type == "cuda" and len(trained) == 1 else "fp32"


def _known(precision: object) -> DrawPrecision | None:
    """Return the precision of that name, None for another name."""
    return next((name for name in PRECISIONS if name == precision), None)
