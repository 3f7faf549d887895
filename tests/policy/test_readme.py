"""Every command that README.md, docs/, the configs and the help show is one that woundgen takes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from woundgen.cli import VERBS
from woundgen.config import load_train_config

_spec = importlib.util.spec_from_file_location("commands_in_text", Path(__file__).with_name("commands_in_text.py"))
assert _spec is not None
assert _spec.loader is not None
text = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(text)

ROOT = text.ROOT
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
COMMENTED = sorted([*(ROOT / "configs").glob("*.yaml"), *(ROOT / "src" / "woundgen" / "presets").glob("*.yaml")])
COMMENTED += sorted((ROOT / "scripts").glob("*.py"))

COMMANDS = [
    *((page.name, words, True) for page in PAGES for words in text.fenced_commands(page.read_text())),
    *((page.name, words, False) for page in PAGES for words in text.inline_commands(page.read_text())),
    *((file.name, words, False) for file in COMMENTED for words in text.commented_commands(file.read_text())),
    *((f"{v.__name__} --help", words, True) for v in VERBS for words in text.commented_commands(v.__doc__ or "")),
]


@pytest.mark.parametrize(("where", "words", "whole"), COMMANDS)
def test_command_parses(where: str, words: list[str], whole: bool) -> None:
    elliptic = "..." in words
    fault = text.fault_of([word for word in words if word != "..."], whole=whole and not elliptic)
    assert fault is None, f"{where}: woundgen {' '.join(words)}: {fault}"


@pytest.mark.parametrize(("where", "words", "whole"), COMMANDS)
def test_named_configs_exist_and_take_the_overrides(where: str, words: list[str], whole: bool) -> None:
    named = dict(zip(words, words[1:], strict=False))
    for option in ("--config", "--thresholds"):
        path = named.get(option, "")
        assert not path.startswith("configs/") or (ROOT / path).is_file(), f"{where}: {path}"
    overrides = [value for option, value in zip(words, words[1:], strict=False) if option == "--set"]
    if overrides:
        load_train_config(None, overrides)


def test_every_verb_is_shown_in_the_readme() -> None:
    shown = {words[0] for where, words, _ in COMMANDS if where == "README.md"}
    assert {verb.__name__ for verb in VERBS} <= shown


def test_readme_opens_with_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    main_job = "python -m venv .venv && .venv/bin/pip install -c constraints.txt -e . && .venv/bin/woundgen demo"
    tests = ".venv/bin/pip install -c constraints.txt -e '.[test]' && .venv/bin/pytest"
    assert 0 < readme.index(main_job) < readme.index(tests) < 2500


def test_links_lead_somewhere() -> None:
    import re

    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            if not target.startswith(("http", "mailto")) and not target.endswith(".png"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


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
    words = text.words_of(line)
    assert words is not None
    assert (text.fault_of(words) is not None) is faulty
