"""The job of `woundgen data cache`: what is kept of patients' photographs, and how to be rid of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from woundgen.data.pixels.pixel_cache import PixelCache
from woundgen.storage.names import prepared_folder
from woundgen.workflows.dataset.importing import read_source

Say = Callable[[str], None]


def show_cache(source: Path | None, *, purge: bool, say: Say) -> None:
    """List or purge the prepared photographs; those of `source` alone where it is given."""
    cache = PixelCache(prepared_folder())
    digests = None if source is None else {row.sha256 for row in read_source(source).rows}
    found = cache.entries(digests)
    size = sum(path.stat().st_size for path in found)
    of = "" if source is None else f" of the photographs in {source}"
    say(f"{cache.folder}: {len(found)} prepared photographs{of}, {size / 1e6:.1f} MB")
    if found:
        oldest = min(path.stat().st_mtime for path in found)
        say(f"the oldest from {datetime.fromtimestamp(oldest, UTC):%Y-%m-%d %H:%M} UTC")
    if purge:
        say(f"{cache.purge(digests)} removed")
