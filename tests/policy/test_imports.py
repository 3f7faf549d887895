"""Which part may import which (docs/architecture.md), and what the source never does, read off the syntax trees."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from .syntax_trees import parse

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "woundgen"
FILES = sorted(SOURCE.rglob("*.py"))

# What each part may import, besides itself and COMMON. A part is a folder or a file of src/woundgen; `data` and
# `workflows` are told apart by what lies in them. Each row names rows above it alone, so that no circle can arise.
COMMON = {"__init__", "errors", "events", "numbers", "records", "verdicts"}
ARROWS: dict[str, set[str]] = {
    "__init__": set(),
    "errors": set(),
    "events": set(),
    "numbers": set(),
    "records": set(),
    "verdicts": set(),
    # Mechanisms
    "copies": set(),
    "diffusion": set(),
    "phantoms": set(),
    "similarity": set(),
    "storage": set(),
    "web": {"storage"},
    "study": {"storage", "web"},
    "review": {"storage", "web"},
    "config": {"storage"},
    "downstream": set(),
    "runtime": {"storage"},
    "features": {"storage"},
    "models": {"runtime", "storage"},
    "adapters": {"config", "diffusion", "models", "storage"},
    "data/__init__": set(),
    "data/leaks": set(),
    "data/files": {"storage"},
    "data/layouts": {"data/files", "data/leaks", "storage"},
    "data/pixels": {"copies", "data/files", "data/layouts", "storage"},
    "data/splits": {"copies", "data/files", "data/leaks", "data/pixels"},
    "data/folds": {"data/layouts", "data/splits"},
    "data/phantom_frames": {"data/pixels", "phantoms"},
    "data/photo_set": {"config", "data/folds", "data/layouts", "data/pixels", "data/splits", "storage"},
    "screening": {"copies", "data/pixels", "similarity"},
    "metrics": {"features", "runtime", "similarity"},
    "privacy": {"data/files", "data/layouts", "similarity", "storage"},
    "tuning": {"adapters", "config", "metrics", "similarity"},
    "generation": {"data/files", "data/layouts", "diffusion", "models", "runtime", "storage"},
    "training": {"adapters", "config", "diffusion", "features", "models", "runtime", "storage"},
    "shipped": {"diffusion", "features", "models", "storage", "training"},
    "reporting": {"config", "copies", "data/files", "data/pixels", "data/splits", "screening", "storage"},
    "comparison": {"reporting", "storage"},
    # Jobs: any mechanism, and the jobs named here.
    "workflows/__init__": set(),
    "workflows/doctor": set(),
    "workflows/export": set(),
    "workflows/fetch": set(),
    "workflows/push": {"workflows/export"},
    "workflows/rebuild": set(),
    "workflows/report": set(),
    "workflows/screen": set(),
    "workflows/study": set(),
    "workflows/review": set(),
    "workflows/train": set(),
    "workflows/dataset": set(),
    "workflows/utility": set(),
    "workflows/generate": {"workflows/screen"},
    "workflows/tune": {"workflows/generate", "workflows/train"},
    "workflows/evaluate": {"workflows/generate"},
    "workflows/audit": {"workflows/evaluate", "workflows/screen"},
    "workflows/demo": {
        "workflows/dataset",
        "workflows/generate",
        "workflows/report",
        "workflows/train",
    },
    # The public functions, and the command line that stands on them: any job, any mechanism.
    "api": set(),
    "pipeline": {"api"},
    "commands": {"api", "pipeline"},
    "cli": {"commands", "runtime", "storage"},
    "__main__": {"cli"},
}
BY_CONTENT = ("data", "workflows")
JOBS = {part for part in ARROWS if part.startswith("workflows/")}
TOP = {"api", "pipeline", "commands"}
MECHANISMS = set(ARROWS) - JOBS - TOP - {"cli", "__main__"}
ALLOWED = {
    part: arrows | COMMON | (MECHANISMS if part in JOBS or part in TOP else set()) | (JOBS if part in TOP else set())
    for part, arrows in ARROWS.items()
}
HEAVY = {"torch", "diffusers", "transformers", "peft", "accelerate", "tensorboard"}
WITHOUT_TORCH = {*COMMON, "config", "storage", "reporting", "comparison", "api", "pipeline", "commands", "cli"}
MAY_IMPORT_TORCH = {Path("storage/checkpoint.py"), Path("storage/retention.py"), Path("storage/tensors.py")}
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
    """The row of ARROWS that a file belongs to."""
    names = [*path.parts[:-1], path.stem]
    return "/".join(names[:2]) if names[0] in BY_CONTENT else names[0]


def part_of_module(module: str) -> str:
    """The row of ARROWS that a module of woundgen, or a name in it, belongs to."""
    names = module.split(".")[1:] or ["__init__"]
    return "/".join([*names, "__init__"][:2]) if names[0] in BY_CONTENT else names[0]


def imports_of(tree: ast.AST, path: Path) -> Iterator[Import]:
    """Each import; what is imported from a package goes by its own name, for it may be a module."""
    package = ("woundgen", *path.parts[:-1])
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(path, node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*above, *filter(None, [node.module])))
            if is_package(module):
                yield from (Import(path, node.lineno, _member(module, alias.name)) for alias in node.names)
            else:
                yield Import(path, node.lineno, module)


def is_package(module: str) -> bool:
    names = module.split(".")
    return names[0] == "woundgen" and (SOURCE.joinpath(*names[1:]) / "__init__.py").is_file()


def _member(module: str, name: str) -> str:
    """`module`.`name` where that is a module, else the package itself."""
    inside = SOURCE.joinpath(*module.split(".")[1:])
    return f"{module}.{name}" if (inside / f"{name}.py").is_file() or (inside / name).is_dir() else module


def fault_of(found: Import) -> str | None:
    """Why an import inside the package is against ARROWS; None where it is not."""
    if found.module.split(".")[0] != "woundgen":
        return None
    importer, imported = part_of(found.importer), part_of_module(found.module)
    for part in (importer, imported):
        if part not in ARROWS:
            return f"{found}: {part} is not in the table"
    if imported == importer or imported in ALLOWED[importer]:
        return None
    return f"{found}: {importer} may not import {imported}"


def find_cycle(imports: Mapping[str, Iterable[str]]) -> list[str] | None:
    """A circle of modules that import one another, as [a, .., a]; None where there is none."""
    done: set[str] = set()

    def visit(module: str, trail: list[str]) -> list[str] | None:
        if module in trail:
            return [*trail[trail.index(module) :], module]
        if module in done:
            return None
        for other in imports.get(module, ()):
            if cycle := visit(other, [*trail, module]):
                return cycle
        done.add(module)
        return None

    return next((cycle for module in imports if (cycle := visit(module, []))), None)


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for file in FILES:
        yield file.relative_to(SOURCE), parse(file)


@cache
def all_imports() -> tuple[Import, ...]:
    return tuple(found for path, tree in trees() for found in imports_of(tree, path))


def module_of(path: Path) -> str:
    names = [*path.parts[:-1], *([path.stem] if path.stem != "__init__" else [])]
    return ".".join(("woundgen", *names))


def test_the_table_has_a_row_for_every_part() -> None:
    assert {part_of(file.relative_to(SOURCE)) for file in FILES} == set(ARROWS)


def test_every_row_names_rows_above_it() -> None:
    order = list(ARROWS)
    for row, (part, arrows) in enumerate(ARROWS.items()):
        assert arrows <= set(order[:row]), part


def test_arrows() -> None:
    faults = [fault for found in all_imports() if (fault := fault_of(found))]
    assert not faults, "\n".join(faults)


def test_few_jobs_stand_on_others() -> None:
    """Pairs of rooms of `workflows/` of which one imports the other. Tuning, the demo and audits are made of jobs."""
    pairs = {(part_of(found.importer), part_of_module(found.module)) for found in all_imports()}
    between = {pair for pair in pairs if set(pair) <= JOBS and len(set(pair)) == 2}
    assert between <= {(job, other) for job in JOBS for other in ARROWS[job]}
    assert len(between) <= 12


def test_no_import_cycle() -> None:
    imports: dict[str, set[str]] = {module_of(file.relative_to(SOURCE)): set() for file in FILES}
    for found in all_imports():
        if found.module.split(".")[0] == "woundgen" and found.module != module_of(found.importer):
            imports[module_of(found.importer)].add(found.module)
    assert {other for others in imports.values() for other in others} <= set(imports)
    cycle = find_cycle(imports)
    assert not cycle, " -> ".join(cycle or [])


def test_the_cycle_check_can_fail() -> None:
    assert find_cycle({"a": ["b"], "b": ["c"], "c": ["b"]}) == ["b", "c", "b"]
    assert find_cycle({"a": ["b", "c"], "b": ["c"], "c": []}) is None


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
        ("storage/names.py", "from woundgen import cli", True),
        ("phantoms/a.py", "from .b import c", False),
        ("data/files/a.py", "from woundgen.data.layouts.manifest import b", True),
        ("data/files/a.py", "from woundgen.data import leaks", True),
        ("data/layouts/a.py", "from woundgen.data import leaks", False),
        ("data/layouts/a.py", "from ..files import images", False),
        ("workflows/train/a.py", "from woundgen.models.base import b", False),
        ("workflows/train/a.py", "from woundgen.workflows.generate import job", True),
        ("workflows/train/a.py", "def f():\n    import woundgen.commands.train", True),
        ("commands/a.py", "from woundgen.workflows.train.job import b", False),
        ("models/a.py", "from woundgen.novelties import b", True),
    ],
)
def test_the_arrow_check_can_fail(path: str, line: str, faulty: bool) -> None:
    found = list(imports_of(ast.parse(line), Path(path)))
    assert found
    assert any(fault_of(one) for one in found) is faulty


def test_torch_stays_out_of_settings_reports_and_verbs() -> None:
    faults = [
        str(found)
        for found in all_imports()
        if found.module.split(".")[0] in HEAVY
        and part_of(found.importer) in WITHOUT_TORCH
        and found.importer not in MAY_IMPORT_TORCH
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
MAY_CONNECT = {Path("workflows/fetch/download.py"), Path("workflows/push/hub.py")}  # what is asked for, what is sent
FINDS_A_PORT = Path("runtime/processes.py")  # a free one of this machine, where the processes of a run meet


def test_one_file_receives_and_one_sends() -> None:
    found = {(found.importer, found.module) for found in all_imports() if found.module.split(".")[0] in CONNECTS}
    assert {importer for importer, _ in found - {(FINDS_A_PORT, "socket")}} == MAY_CONNECT
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

    (models/base.py has a record called BaseModel too; in config/ the name is pydantic's. metrics/table.py has one
    that is called Protocol, elsewhere the name is typing's.)
    """
    ours = own_classes() - {"BaseModel", "Protocol"}
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
DISTRIBUTION_OF = {"PIL": "pillow", "yaml": "pyyaml", "cv2": "opencv-python-headless", "sklearn": "scikit-learn"}
# Of extras: what reads DICOM says what to install where it is absent; for the pages, web/serve.py says it first.
OPTIONAL = {
    (Path("data/files/dicom.py"), "pydicom"),
    (Path("reporting/notebook.py"), "pandas"),
    (Path("data/files/heif.py"), "pillow_heif"),
    (Path("data/layouts/spreadsheets.py"), "openpyxl"),
    (Path("data/layouts/spreadsheets.py"), "odf"),
    *((Path("training/tracker_clients.py"), name) for name in ("wandb", "mlflow", "trackio")),
    (Path("study/app.py"), "starlette"),
    (Path("review/app.py"), "starlette"),
    (Path("web/serve.py"), "starlette"),
    (Path("web/serve.py"), "uvicorn"),
}
# Parts of a declared dependency's own interface: jinja2 hands out markupsafe's Markup, transformers tokenizers';
# diffusers and transformers load from the hub through huggingface_hub.
COMES_WITH = {"markupsafe": "jinja2", "tokenizers": "transformers", "huggingface_hub": "diffusers"}


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
