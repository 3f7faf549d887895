"""The woundgen command lines that a text shows, and whether the real command line takes them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import typer

from woundgen.cli import VERBS, app

ROOT = Path(__file__).parents[2]
VERB_NAMES = {verb.__name__ for verb in VERBS}
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
    group = typer.main.get_command(app)
    verb, *rest = words
    if verb == "--help":
        return None
    if verb not in VERB_NAMES:
        return f"{verb!r} is no verb"
    command = group.commands[verb]  # type: ignore[attr-defined]
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
