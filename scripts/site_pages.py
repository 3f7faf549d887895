"""Pages of the documentation's site that are made when it is built, so that they cannot drift (a hook of mkdocs.yml).

    mkdocs build --strict

reference/cli.md comes from the command line's parser, reference/api.md from the public names of woundgen; links that
lead out of docs/ name the file instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
OUTSIDE = re.compile(
    r"\[(?P<text>[^\]]*)\]\((?:\.\./)+(?P<path>(?:src|configs|examples|tests|benchmarks|scripts|[A-Z]+\.\w+)[^)#]*)[^)]*\)"
)
PRIVATE_GLOSS = {"completion", "install_completion", "show_completion", "help"}


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Called by mkdocs for every page before it is rendered."""
    made = {"reference/cli.md": cli_page, "reference/api.md": api_page}.get(page.file.src_uri)
    text = markdown if made is None else made()
    return OUTSIDE.sub(name_file, text)


def name_file(link: re.Match[str]) -> str:
    """Replace a link to a file of the checkout, which the site does not hold, by its name."""
    path = link["path"].rstrip("/")
    return f"`{path}`" if path in link["text"] else f"{link['text']} (`{path}` of the checkout)"


def cli_page() -> str:
    """Return a section for each verb: what it does, its options, its examples."""
    import typer

    from woundgen.cli import app

    group: Any = typer.main.get_command(app)
    parts = [
        "# Command line",
        "Made from the parser. Every verb has `-h`; options that stand before the verb are in the first table.",
        options_table(group),
    ]
    for name, command in group.commands.items():
        for title, leaf in leaves(f"woundgen {name}", command):
            parts += [f"## {title}", *help_parts(leaf.help or ""), options_table(leaf)]
    return "\n\n".join(part for part in parts if part) + "\n"


def leaves(title: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Give every command that can be run, with its words."""
    if not hasattr(command, "commands"):
        yield title, command
        return
    for name, inner in command.commands.items():
        yield from leaves(f"{title} {name}", inner)


def help_parts(text: str) -> Iterator[str]:
    """Give the paragraphs of a help text; those marked as they are, the examples, become code."""
    for paragraph in text.strip().split("\n\n"):
        if paragraph.startswith("\b"):
            yield "```\n" + "\n".join(line.strip() for line in paragraph.lstrip("\b\n").splitlines()) + "\n```"
        else:
            yield re.sub(r"(?<!`)(<[^>]*>)", r"`\1`", paragraph)


def options_table(command: Any) -> str:
    rows = [row(parameter) for parameter in command.params if parameter.name not in PRIVATE_GLOSS]
    head = ["| option | default | what it does |", "| --- | --- | --- |"]
    return "\n".join([*head, *rows]) if rows else ""


def row(parameter: Any) -> str:
    names = ", ".join(f"`{name}`" for name in parameter.opts if parameter.param_type_name == "option")
    names = names or f"`{parameter.make_metavar(None) if parameter.metavar else (parameter.name or '').upper()}`"
    default = parameter.default
    shown = "required" if parameter.required else "" if default in (None, False, (), []) else f"`{default}`"
    text = (getattr(parameter, "help", None) or "").replace("|", "\\|")
    return f"| {names} | {shown} | {text} |"


def api_page() -> str:
    """Return a mkdocstrings directive for each public name."""
    import woundgen

    names = [name for name in getattr(woundgen, "__all__", ()) if not name.startswith("_")]
    parts = [
        "# Python",
        "Made from the docstrings. `import woundgen` is quick; torch is imported when a function needs it.",
    ]
    for name in sorted(names, key=lambda name: (name[0].isupper(), name)):
        home = getattr(getattr(woundgen, name), "__module__", None)
        if home and home != "woundgen":
            parts.append(f"::: {home}.{name}")
    return "\n\n".join(parts) + "\n"
