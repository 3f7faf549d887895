"""`deterministic: true` sets what it says, on any machine, and puts it back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from woundgen.errors import UserError
from woundgen.runtime.determinism import CUBLAS, WORKSPACE, deterministic_algorithms

Switches = dict[str, object]


def switches() -> Switches:
    cuda, cudnn = torch.backends.cuda, torch.backends.cudnn
    return {
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "only warns": torch.is_deterministic_algorithms_warn_only_enabled(),
        "matmul": torch.get_float32_matmul_precision(),
        "TF32 of matmul": cuda.matmul.allow_tf32,
        "TF32 of cuDNN": cudnn.allow_tf32,
        "cuDNN times kernels": cudnn.benchmark,
        "cuDNN deterministic": cudnn.deterministic,
        "flash": cuda.flash_sdp_enabled(),
        "cudnn attention": cuda.cudnn_sdp_enabled(),
        "efficient": cuda.mem_efficient_sdp_enabled(),
        "math": cuda.math_sdp_enabled(),
    }


DETERMINISTIC: Switches = {
    "deterministic algorithms": True,
    "only warns": False,
    "matmul": "highest",
    "TF32 of matmul": False,
    "TF32 of cuDNN": False,
    "cuDNN times kernels": False,
    "cuDNN deterministic": True,
    "flash": False,
    "cudnn attention": False,
    "efficient": True,
    "math": True,
}


@pytest.fixture
def unusual() -> Iterator[None]:
    """Settings that are all other than those of determinism, of a process that has its own mind."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=True):
        torch.set_float32_matmul_precision("high")
        torch.backends.cuda.enable_mem_efficient_sdp(False)
        yield
        torch.backends.cuda.enable_mem_efficient_sdp(True)
        torch.set_float32_matmul_precision("highest")


@pytest.mark.usefixtures("unusual")
def test_all_switches_are_set_and_restored() -> None:
    environment: dict[str, str] = {}
    before = switches()
    assert before["matmul"] == "high"
    with deterministic_algorithms(True, environment=environment):
        assert switches() == DETERMINISTIC
        assert environment == {CUBLAS: WORKSPACE}
    assert switches() == before
    assert not environment


@pytest.mark.usefixtures("unusual")
def test_an_error_inside_restores_them_too() -> None:
    before = switches()
    with pytest.raises(ZeroDivisionError), deterministic_algorithms(True, environment={}):
        1 / 0  # noqa: B018
    assert switches() == before


def test_off_changes_nothing() -> None:
    environment: dict[str, str] = {}
    before = switches()
    with deterministic_algorithms(False, environment=environment):
        assert switches() == before
        assert not environment


def test_the_users_own_workspace_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    environment = {CUBLAS: ":16:8"}
    with deterministic_algorithms(True, environment=environment):
        assert environment == {CUBLAS: ":16:8"}
    assert environment == {CUBLAS: ":16:8"}


def test_too_late_for_cublas_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    before = switches()
    with (
        pytest.raises(UserError, match=f"comes too late.*{CUBLAS}"),
        deterministic_algorithms(True, environment={}),
    ):
        pass
    assert switches() == before


def test_an_operation_without_a_deterministic_kernel_is_refused() -> None:
    """Such as this one, on any device."""
    with deterministic_algorithms(True, environment={}), pytest.raises(RuntimeError, match="deterministic"):
        torch.zeros(4).put_(torch.tensor([0, 0]), torch.ones(2), accumulate=False)
