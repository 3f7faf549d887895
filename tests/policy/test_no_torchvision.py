"""torchvision is not needed: the registry's cannot be imported beside a CPU build of torch, and then nor can diffusers.

See "Dependencies" in docs/architecture.md. The sources are searched for it in test_imports.py.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
HIDE = """
import importlib.machinery as machinery

find = machinery.PathFinder.find_spec

def without_torchvision(name, path=None, target=None):
    return None if name.split(".")[0] == "torchvision" else find(name, path, target)

machinery.PathFinder.find_spec = without_torchvision
"""
IMPORT_ALL = """
import sys
from diffusers import StableDiffusionPipeline
import woundgen.models.base
import woundgen.generation.sampler
assert "torchvision" not in sys.modules
"""
NEEDS_IT = {"torchvision", "timm", "lpips", "torch-fidelity", "clean-fid", "pytorch-fid"}


def closure(distribution: str, extras: set[str]) -> set[str]:
    """Canonical names of all that installing `distribution[extras]` brings on this machine."""
    seen: dict[str, set[str]] = {}
    waiting = [(canonicalize_name(distribution), extras)]
    while waiting:
        name, wanted = waiting.pop()
        if name in seen and wanted <= seen[name]:
            continue
        seen.setdefault(name, set()).update(wanted)
        for text in metadata.requires(name) or []:
            need = Requirement(text)
            if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in (seen[name] or {""}) | {""}):
                waiting.append((canonicalize_name(need.name), set(need.extras)))
    return set(seen)


def pinned(*, docs: bool = False) -> dict[str, str]:
    """Name -> version: of the package with [test], or what [docs] adds."""
    parts = (ROOT / "constraints.txt").read_text().split("# What the extra [docs] adds")
    pairs = (line.split("==") for line in parts[docs].splitlines()[docs:] if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pairs}


def test_no_dependency_brings_it() -> None:
    assert not NEEDS_IT & closure("woundgen", {"test"})


def test_not_named_by_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [*project["dependencies"], *(text for group in project["optional-dependencies"].values() for text in group)]
    assert not NEEDS_IT & {canonicalize_name(Requirement(text).name) for text in named}
    assert not NEEDS_IT & (set(pinned()) | set(pinned(docs=True)))


def test_constraints_pin_all_that_is_installed_and_nothing_else() -> None:
    """What torch brings for a GPU is pinned by torch; colorama comes on Windows alone."""
    for_gpu = {name for name in closure("torch", set()) if name.startswith(("nvidia-", "cuda-", "triton"))}
    assert closure("woundgen", {"test"}) - for_gpu - {"woundgen", "colorama"} == set(pinned())


def test_pins_lie_in_the_ranges() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for text in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
        need = Requirement(text)
        version = pinned()[canonicalize_name(need.name)]
        assert need.specifier.contains(version), f"{text}: {version}"
        assert "+" not in version, "a local version is on no registry"


def test_pins_of_the_docs_are_others_and_lie_in_the_ranges() -> None:
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["docs"]
    assert not set(pinned(docs=True)) & set(pinned())
    for need in map(Requirement, extra):
        assert need.specifier.contains(pinned(docs=True)[canonicalize_name(need.name)]), need.name


def test_pipeline_imports_without_it() -> None:
    """In this process where it is not installed, as constraints.txt has it; else in one that cannot find it."""
    if find_spec("torchvision") is None:
        exec(IMPORT_ALL, {})
        return
    done = subprocess.run([sys.executable, "-c", HIDE + IMPORT_ALL], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
