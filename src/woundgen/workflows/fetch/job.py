"""`woundgen fetch` by name or by config: which of the two kinds a name is, and all that a config needs."""

from __future__ import annotations

from pathlib import Path

from woundgen.config.train import TrainConfig
from woundgen.errors import UserError
from woundgen.events import Work
from woundgen.features.store import SOURCES
from woundgen.models.sources import ALIASES, PINNED
from woundgen.workflows.fetch.bases import fetch_base, list_bases
from woundgen.workflows.fetch.listing import Fetchable
from woundgen.workflows.fetch.networks import fetch_weights, list_networks


def needed_by(config: TrainConfig) -> list[str]:
    """Names of what a config's run reads and does not ship; what is local already has no name here."""
    base = ALIASES.get(config.model.base, config.model.base)
    return [name for name in (base, *config.evaluation.feature_networks) if name in PINNED or name in SOURCES]


def fetch_named(name: str, *, home: Path, mirror: str | None, folder: Path | None) -> Work[Path]:
    if ALIASES.get(name, name) in PINNED:
        return (yield from fetch_base(name, home=home, mirror=mirror, folder=folder))
    if name not in SOURCES:
        raise UserError(f"{name!r} is nothing that can be fetched.", f"Use one of {', '.join((*PINNED, *SOURCES))}.")
    return (yield from fetch_weights(name, home=home, mirror=mirror, folder=folder))


def list_fetchable(home: Path) -> tuple[Fetchable, ...]:
    """Return all that can be fetched: base models, then feature networks."""
    return (*list_bases(), *list_networks(home))
