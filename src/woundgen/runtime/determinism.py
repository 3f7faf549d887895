"""Switch torch to algorithms that repeat to the bit on a GPU, and back.

https://docs.pytorch.org/docs/stable/notes/randomness.html lists the switches. They act on kernels only: randomness is a
function of position anyway (diffusion/randomness.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from typing import TypeAlias

import torch

from woundgen.errors import UserError

CUBLAS = "CUBLAS_WORKSPACE_CONFIG"
WORKSPACE = ":4096:8"
"""The larger of the two values at which cuBLAS adds in a fixed order, whatever stream a product runs on."""

Switch: TypeAlias = tuple[Callable[[], object], Callable[[object], object], object]
"""(read, write, value under determinism)."""


@contextmanager
def deterministic_algorithms(enabled: bool, *, environment: MutableMapping[str, str] = os.environ) -> Iterator[None]:
    """Run with deterministic kernels while inside, and restore every switch afterwards; nothing where not `enabled`.

    An operation that has no deterministic kernel then raises torch's RuntimeError, which names it. UserError where CUDA
    is in use already, too late for cuBLAS to read its setting.
    """
    if not enabled:
        yield
        return
    with ExitStack() as stack:
        stack.enter_context(_workspace(environment))
        for read, write, value in _switches():
            stack.callback(write, read())
            write(value)
        yield


def _switches() -> list[Switch]:
    """Single precision without TF32; no kernels chosen by timing; attention by kernels that have an ordered backward.

    FlashAttention's and cuDNN's are left out. The memory-efficient kernel adds in a fixed order where torch asks for
    deterministic algorithms strictly; the plain kernel serves where that does not apply.
    """
    cuda, cudnn = torch.backends.cuda, torch.backends.cudnn
    return [
        (torch.are_deterministic_algorithms_enabled, lambda on: torch.use_deterministic_algorithms(bool(on)), True),
        (torch.get_float32_matmul_precision, lambda kind: torch.set_float32_matmul_precision(str(kind)), "highest"),
        (lambda: cudnn.allow_tf32, lambda on: setattr(cudnn, "allow_tf32", on), False),
        (lambda: cudnn.benchmark, lambda on: setattr(cudnn, "benchmark", on), False),
        (lambda: cudnn.deterministic, lambda on: setattr(cudnn, "deterministic", on), True),
        (cuda.flash_sdp_enabled, lambda on: cuda.enable_flash_sdp(bool(on)), False),
        (cuda.cudnn_sdp_enabled, lambda on: cuda.enable_cudnn_sdp(bool(on)), False),
        (cuda.mem_efficient_sdp_enabled, lambda on: cuda.enable_mem_efficient_sdp(bool(on)), True),
        (cuda.math_sdp_enabled, lambda on: cuda.enable_math_sdp(bool(on)), True),
    ]


@contextmanager
def _workspace(environment: MutableMapping[str, str]) -> Iterator[None]:
    """cuBLAS reads its setting at the first product on the GPU, and a value that the user has set goes before ours."""
    if CUBLAS in environment:
        yield
        return
    if torch.cuda.is_initialized():
        raise UserError(
            f"deterministic: true comes too late for cuBLAS: this process has used the GPU without {CUBLAS}.",
            f"Set {CUBLAS}={WORKSPACE} before it starts.",
        )
    environment[CUBLAS] = WORKSPACE
    try:
        yield
    finally:
        environment.pop(CUBLAS, None)
