"""What tests of several folders share. Heavy imports stay inside, so that light tests stay light."""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from woundgen.models.base import BaseModel

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the processes would fight over the cores


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test writes to the home of whoever runs it."""
    os.environ["WOUNDGEN_PREPARED"] = str(tmp_path_factory.mktemp("prepared"))


@pytest.fixture(autouse=True)
def _own_console(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command line that a test only parses sets how the console prints; the next test does not see it."""
    monkeypatch.setenv("WOUNDGEN_CONSOLE", "")  # so that it is put back
    monkeypatch.delenv("WOUNDGEN_CONSOLE")


@pytest.fixture(scope="session")
def base_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tiny random base models on disk, by prediction type."""
    from .tiny_base import save_base

    folders = {name: tmp_path_factory.mktemp(name) for name in ("epsilon", "v_prediction")}
    for prediction, folder in folders.items():
        save_base(folder, prediction=prediction)
    return folders


@pytest.fixture(scope="session")
def sdxl_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random base of SDXL's kind on disk."""
    from .tiny_base import save_sdxl

    folder = tmp_path_factory.mktemp("sdxl")
    save_sdxl(folder)
    return folder


@pytest.fixture(scope="session")
def loaded_base(base_folders: dict[str, Path]) -> BaseModel:
    """The v-prediction one, loaded once; `make_base` copies it."""
    from woundgen.models.base import load_base

    return load_base(str(base_folders["v_prediction"]))


@pytest.fixture
def make_base(loaded_base: BaseModel) -> Callable[[], BaseModel]:
    """Bases whose UNet a test may change."""
    return lambda: replace(loaded_base, unet=deepcopy(loaded_base.unet))


@pytest.fixture
def fresh_base(make_base: Callable[[], BaseModel]) -> BaseModel:
    return make_base()
