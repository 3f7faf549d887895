"""Every command that README.md, docs/, the configs, the scripts and the help show is one that woundgen takes.

Lines are parsed by the real command line; nothing is run.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from woundgen.cli import VERBS, build_program
from woundgen.commands.config import ACTIONS as CONFIG_ACTIONS
from woundgen.commands.data import ACTIONS
from woundgen.commands.study import ACTIONS as STUDY_ACTIONS
from woundgen.config.load import load_train_config

ROOT = Path(__file__).parents[2]
VERB_NAMES = {verb.__name__ for verb in VERBS} | {"config", "data", "study"}
SCRIPTS = {
    "train_lora_model.py": "train",
    "evaluate_quality.py": "evaluate",
    "generate_samples.py": "generate",
    "compare_models.py": "compare",
}
_LINE = re.compile(
    r"^[\s#>$]*(?:.*&&\s*)?(?P<call>(?:\S*/)?woundgen\s+\S.*|python\s+(?:\S*/)?(?P<script>\w+\.py)\b.*)$"
)
_INLINE = re.compile(r"`(?:\S*/)?woundgen\s+([^`]+)`")


def words_of(line: str) -> list[str] | None:
    """Arguments of woundgen in a line of shell; None where it calls something else."""
    found = _LINE.match(line)
    if not found:
        return None
    words = shlex.split(found["call"], comments=True)
    if found["script"]:
        verb = SCRIPTS.get(found["script"])
        return None if verb is None else [verb, *words[2:]]
    return words[1:]


def fenced_commands(markdown: str) -> Iterator[list[str]]:
    for block in re.findall(r"^```[^\n]*\n(.*?)^```", markdown, re.S | re.M):
        for line in block.replace("\\\n", " ").splitlines():
            if words := words_of(line):
                yield words


def inline_commands(markdown: str) -> Iterator[list[str]]:
    """`woundgen ...` between backticks; such a mention may leave options out."""
    text = re.sub(r"^```.*?^```", "", markdown, flags=re.S | re.M)
    for mention in _INLINE.findall(text):
        yield shlex.split(mention)


def commented_commands(text: str) -> Iterator[list[str]]:
    """Lines of a docstring or of YAML comments that are nothing but a command."""
    for line in text.splitlines():
        stripped = line.strip().lstrip("#").strip()
        if stripped.startswith(("woundgen ", "python scripts/")) and (words := words_of(stripped)):
            yield words


def fault_of(words: list[str], *, whole: bool = True) -> str | None:
    """What the command line would say against it; parsed only, nothing runs.

    whole: options may not be missing either.
    """
    group = build_program()
    verb, *rest = words
    if verb == "--help":
        return None
    if verb not in VERB_NAMES:
        return f"{verb!r} is no verb"
    command = group.commands[verb]
    if actions := getattr(command, "commands", None):
        action, *rest = rest or [""]
        if action not in actions:
            return None if action == "--help" or not (whole or action) else f"{action!r} is no action of {verb}"
        verb, command = f"{verb} {action}", actions[action]
    known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    unknown = [word for word in rest if word.startswith("--") and word.split("=")[0] not in known]
    if unknown:
        return f"unknown option {unknown[0]}"
    if whole and "--help" not in rest:
        try:
            command.make_context(verb, list(rest))
        except Exception as error:  # the classes are typer's own copies of click's
            return str(error)
    return None


PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
HELPS = (*VERBS, *ACTIONS.values(), *CONFIG_ACTIONS.values(), *STUDY_ACTIONS.values())
COMMENTED = sorted([*(ROOT / "configs").glob("*.yaml"), *(ROOT / "src" / "woundgen" / "presets").glob("*.yaml")])
COMMENTED += sorted((ROOT / "scripts").glob("*.py"))

COMMANDS = [
    *(
        (page.relative_to(ROOT).as_posix(), words, True)
        for page in PAGES
        for words in fenced_commands(page.read_text())
    ),
    *(
        (page.relative_to(ROOT).as_posix(), words, False)
        for page in PAGES
        for words in inline_commands(page.read_text())
    ),
    *((file.name, words, False) for file in COMMENTED for words in commented_commands(file.read_text())),
    *((f"{v.__name__} --help", words, True) for v in HELPS for words in commented_commands(v.__doc__ or "")),
]


@pytest.mark.parametrize(("where", "words", "whole"), COMMANDS)
def test_command_parses(where: str, words: list[str], whole: bool) -> None:
    elliptic = "..." in words
    fault = fault_of([word for word in words if word != "..."], whole=whole and not elliptic)
    assert fault is None, f"{where}: woundgen {' '.join(words)}: {fault}"


@pytest.mark.parametrize(("where", "words", "whole"), COMMANDS)
def test_named_configs_exist_and_take_the_overrides(where: str, words: list[str], whole: bool) -> None:
    named = dict(pairwise(words))
    for option in ("--config", "--thresholds"):
        path = named.get(option, "")
        assert not path.startswith("configs/") or (ROOT / path).is_file(), f"{where}: {path}"
    overrides = [value for option, value in pairwise(words) if option == "--set"]
    if overrides:
        load_train_config(None, overrides)


def test_every_verb_is_shown_in_the_reference() -> None:
    shown = {words[0] for where, words, _ in COMMANDS if where == "docs/reference/index.md"}
    assert shown >= VERB_NAMES


def test_readme_opens_with_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    main_job = "python -m venv .venv && .venv/bin/pip install -c constraints.txt -e . && .venv/bin/woundgen demo"
    tests = ".venv/bin/pip install -c constraints.txt -e '.[test]' && .venv/bin/pytest -n 2"
    assert 0 < readme.index(main_job) < readme.index(tests) < 2500


@pytest.mark.parametrize(
    ("line", "faulty"),
    [
        ("woundgen demo", False),
        ("woundgen demo --fast", True),
        ("woundgen draw --out x", True),
        ("woundgen generate --count 3", True),  # --out is missing
        ("woundgen generate --count three --out x", True),
        ("python scripts/train_lora_model.py --resume latest  # the newest run", False),
        ("python scripts/compare_models.py --best", True),
        ("python -m venv .venv && .venv/bin/pip install -e . && .venv/bin/woundgen demo --fast", True),
    ],
)
def test_the_check_can_fail(line: str, faulty: bool) -> None:
    words = words_of(line)
    assert words is not None
    assert (fault_of(words) is not None) is faulty


LINK = re.compile(r"\[[^\]]*\]\((?!https?://|mailto:)(?P<path>[^)#\s]*)(?:#(?P<anchor>[^)\s]+))?\)")


def anchors_of(page: Path) -> set[str]:
    """Names by which a page's headings are linked, as GitHub makes them."""
    headings = re.findall(r"^#+\s+(.*)$", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Files are there, and headings in them."""
    broken = []
    for link in LINK.finditer(page.read_text()):
        target = page.parent / link["path"] if link["path"] else page
        named = not link["anchor"] or target.suffix != ".md" or link["anchor"] in anchors_of(target)
        if not (target.exists() and named):
            broken.append(link.group(0))
    assert not broken


def benchmark_commands() -> Iterator[tuple[str, list[str]]]:
    """Each `python benchmarks/NAME.py ...` of the documentation and of the benchmarks' own docstrings."""
    for page in (*PAGES, *sorted((ROOT / "benchmarks").glob("*.py"))):
        text = re.sub(r"\\?\n\s*", " ", page.read_text()) if page.suffix == ".md" else page.read_text()
        for words in re.findall(r"python benchmarks/(\w+\.py[^`\n#]*)", text):
            yield page.relative_to(ROOT).as_posix(), words.replace("[", " ").replace("]", " ").split()


def test_benchmarks_that_are_named_exist_and_take_the_options() -> None:
    commands = list(benchmark_commands())
    assert len(commands) > 30
    for page, (name, *words) in commands:
        path = ROOT / "benchmarks" / name
        assert path.exists(), f"{page} names benchmarks/{name}, which is not there"
        source = path.read_text()
        for option in (word for word in words if re.fullmatch(r"--[a-z-]+", word)):
            key = option.removeprefix("--").removeprefix("no-").replace("-", "_")
            declared = f'"--{key.replace("_", "-")}"' in source or re.search(rf"\b{key}=", source)
            assert declared, f"{page}: benchmarks/{name} has no option {option}"
