"""Pages from templates: everything escaped, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from woundgen import __version__


@cache
def _environment() -> Environment:
    # autoescape is on for every template: the default goes by file endings, and ours end in .j2.
    return Environment(
        loader=PackageLoader("woundgen.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, context: Mapping[str, Any]) -> str:
    """One whole HTML page from a template of reporting/templates."""
    return _environment().get_template(template).render({"version": __version__, **context})
