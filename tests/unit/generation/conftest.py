"""Bases to draw with; the folders are shared by all tests (tests/conftest.py)."""

from pathlib import Path

import pytest

from woundgen.models.base import BaseModel, load_base


@pytest.fixture(scope="session", params=["epsilon", "v_prediction"])
def base(request: pytest.FixtureRequest, base_folders: dict[str, Path]) -> BaseModel:
    """Shared by tests that leave its weights alone."""
    return load_base(str(base_folders[request.param]))


@pytest.fixture
def fresh_bases(base_folders: dict[str, Path]) -> list[BaseModel]:
    """Three copies for tests that change weights."""
    return [load_base(str(base_folders["v_prediction"])) for _ in range(3)]
