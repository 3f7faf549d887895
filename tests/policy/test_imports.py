"""The layers of docs/architecture.md, and what the source never does, read off the syntax trees."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "woundgen"
FILES = sorted(SOURCE.rglob("*.py"))

LAYERS: tuple[tuple[str, ...], ...] = (
    ("__init__", "errors", "records", "rundir", "config"),
    ("data", "models", "features", "diffusion", "similarity"),
    ("training", "generation", "screening", "metrics", "utility", "privacy"),
    ("comparison", "reporting"),
    ("workflows",),
    ("commands", "cli"),
)
LAYER_OF = {name: number for number, names in enumerate(LAYERS) for name in names}
# Inside one layer: a part may import itself and these. In the lowest layer, all of it is one part.
ALLOWED_INSIDE_A_LAYER = {("comparison", "reporting"), ("cli", "commands")}
HEAVY = {"torch", "diffusers", "transformers", "peft", "accelerate", "tensorboard"}
WITHOUT_TORCH = {*LAYERS[0], *LAYERS[3], *LAYERS[5]}
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


@dataclass(frozen=True, slots=True)
class Import:
    """`module` as imported, fully qualified, by `importer` (a path below src/woundgen)."""

    importer: Path
    line: int
    module: str

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.module}"


def part_of(path: Path) -> str:
    """The package or module directly below woundgen that a file belongs to."""
    return path.parts[0].removesuffix(".py")


def imports_of(tree: ast.AST, path: Path) -> Iterator[Import]:
    package = ("woundgen", *path.parts[:-1])
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(path, node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*above, *filter(None, [node.module])))
            if module == "woundgen":  # from woundgen import x: x may be a module
                yield from (Import(path, node.lineno, _member(alias.name)) for alias in node.names)
            else:
                yield Import(path, node.lineno, module)


def _member(name: str) -> str:
    return f"woundgen.{name}" if name in LAYER_OF else "woundgen"


def fault_of(found: Import) -> str | None:
    """Why an import inside the package breaks the layers; None where it does not."""
    if found.module.split(".")[0] != "woundgen":
        return None
    importer = part_of(found.importer)
    words = found.module.split(".")
    imported = words[1] if len(words) > 1 else "__init__"
    if imported not in LAYER_OF:
        return f"{found}: no layer is known for {imported}"
    here, there = LAYER_OF[importer], LAYER_OF[imported]
    if there > here:
        return f"{found}: a lower layer imports a higher one"
    same_part = importer == imported or (importer, imported) in ALLOWED_INSIDE_A_LAYER
    if there == here and here != 0 and not same_part:
        return f"{found}: siblings of one layer"
    return None


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for file in FILES:
        yield file.relative_to(SOURCE), ast.parse(file.read_text(), filename=str(file))


def all_imports() -> list[Import]:
    return [found for path, tree in trees() for found in imports_of(tree, path)]


def test_every_part_has_a_layer() -> None:
    parts = {part_of(file.relative_to(SOURCE)) for file in FILES}
    assert parts == set(LAYER_OF)


def test_layers() -> None:
    faults = [fault for found in all_imports() if (fault := fault_of(found))]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("path", "line", "faulty"),
    [
        ("models/a.py", "from woundgen.diffusion.b import c", True),
        ("models/a.py", "from . import b", False),
        ("models/a.py", "from ..diffusion import b", True),
        ("metrics/a.py", "from woundgen.similarity.ssim import b", False),
        ("metrics/a.py", "from woundgen.screening import b", True),
        ("comparison/a.py", "from woundgen.reporting.tables import b", False),
        ("reporting/a.py", "from woundgen.comparison.write import b", True),
        ("rundir.py", "from woundgen import cli", True),
        ("data/phantoms/a.py", "from .b import c", False),
        ("workflows/a.py", "def f():\n    import woundgen.commands.train", True),
    ],
)
def test_the_layer_check_can_fail(path: str, line: str, faulty: bool) -> None:
    found = list(imports_of(ast.parse(line), Path(path)))
    assert found
    assert any(fault_of(one) for one in found) is faulty


def test_torch_stays_out_of_settings_reports_and_verbs() -> None:
    faults = [
        str(found)
        for found in all_imports()
        if found.module.split(".")[0] in HEAVY and part_of(found.importer) in WITHOUT_TORCH
    ]
    assert not faults, "\n".join(faults)


def test_no_torchvision_and_no_unpickling_import() -> None:
    banned = UNPICKLERS | {"torchvision"}
    faults = [str(found) for found in all_imports() if found.module.split(".")[0] in banned]
    assert not faults, "\n".join(faults)


# A published state dict is pickled: read once, at fetch, as tensors alone, and stored as safetensors.
READS_STATE_DICTS = Path("features/convert.py")


def calls_that_run_code(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """eval(), exec(), torch.load() and numpy's allow_pickle=True; module.eval() is something else."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name in ("eval", "exec", "torch.load"):
            yield node.lineno, name
        if any(k.arg == "allow_pickle" and ast.unparse(k.value) != "False" for k in node.keywords):
            yield node.lineno, "allow_pickle"


def loads_tensors_only(tree: ast.AST, line: int) -> bool:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.lineno == line]
    flags = [k for call in calls for k in call.keywords if k.arg == "weights_only"]
    return bool(flags) and all(ast.unparse(k.value) == "True" for k in flags)


def test_nothing_is_unpickled_or_evaluated() -> None:
    faults = [
        f"{path}:{line} {name}"
        for path, tree in trees()
        for line, name in calls_that_run_code(tree)
        if not (path == READS_STATE_DICTS and name == "torch.load" and loads_tensors_only(tree, line))
    ]
    assert not faults, "\n".join(faults)
    assert (SOURCE / READS_STATE_DICTS).read_text().count("torch.load(path,") == 1, "in one place"


CONNECTS = {"urllib", "http", "socket", "ssl", "requests", "httpx", "aiohttp", "huggingface_hub", "ftplib"}
MAY_CONNECT = Path("workflows/download.py")
FINDS_A_PORT = Path("workflows/processes.py")  # a free one of this machine, where the processes of a run meet


def test_one_file_can_open_a_connection() -> None:
    found = {(found.importer, found.module) for found in all_imports() if found.module.split(".")[0] in CONNECTS}
    assert {importer for importer, _ in found - {(FINDS_A_PORT, "socket")}} == {MAY_CONNECT}
    assert "127.0.0.1" in (SOURCE / FINDS_A_PORT).read_text(), "on this machine only"


def test_the_call_check_can_fail() -> None:
    code = "eval('1')\nexec('1')\ntorch.load(f)\nnp.load(f, allow_pickle=True)\nunet.eval()\nnp.load(f)"
    assert [line for line, _ in calls_that_run_code(ast.parse(code))] == [1, 2, 3, 4]
    assert not loads_tensors_only(ast.parse("torch.load(f)"), 1)
    assert not loads_tensors_only(ast.parse("torch.load(f, weights_only=False)"), 1)
    assert loads_tensors_only(ast.parse("torch.load(f, weights_only=True)"), 1)


def own_classes() -> set[str]:
    return {node.name for _, tree in trees() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


def test_no_inheritance_of_our_own() -> None:
    """nn.Module, pydantic's BaseModel and exceptions may be bases; a class of woundgen may not.

    (models/base.py has a record that is called BaseModel too; in config.py the name is pydantic's.)
    """
    ours = own_classes() - {"BaseModel"}
    faults = [
        f"{path}:{node.lineno} {node.name}({base})"
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for base in map(ast.unparse, node.bases)
        if base.split(".")[-1] in ours
    ]
    assert not faults, "\n".join(faults)


# What is imported under another name than it is installed by.
DISTRIBUTION_OF = {"PIL": "pillow", "yaml": "pyyaml", "sklearn": "scikit-learn"}
# Of an extra: one file, which says what to install where it is absent.
OPTIONAL = {(Path("data/dicom.py"), "pydicom")}
# Parts of a declared dependency's own interface: jinja2 hands out markupsafe's Markup, transformers tokenizers'.
COMES_WITH = {"markupsafe": "jinja2", "tokenizers": "transformers"}


def test_every_import_is_declared() -> None:
    declared = {
        text.split(">")[0].split("=")[0].strip().lower()
        for text in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    }
    faults = []
    for found in all_imports():
        name = found.module.split(".")[0]
        if name == "woundgen" or name in sys.stdlib_module_names or (found.importer, name) in OPTIONAL:
            continue
        if COMES_WITH.get(name, DISTRIBUTION_OF.get(name, name)).lower() not in declared:
            faults.append(f"{found}, which pyproject.toml does not declare")
    assert not faults, "\n".join(faults)
