"""The job of `woundgen data cache`: what is kept of patients' photographs, and how to be rid of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from woundgen.data.pixels.pixel_cache import PixelCache
from woundgen.events import Info, Work
from woundgen.storage.names import prepared_folder
from woundgen.workflows.dataset.importing import read_source


def show_cache(source: Path | None, *, purge: bool) -> Work[None]:
    """List or purge the prepared photographs; those of `source` alone where it is given."""
    cache = PixelCache(prepared_folder())
    digests = None if source is None else {row.sha256 for row in read_source(source).rows}
    entries = cache.entries(digests)
    size = sum(path.stat().st_size for path in entries)
    of = "" if source is None else f" of the photographs in {source}"
    yield Info(f"{cache.folder}: {len(entries)} prepared photographs{of}, {size / 1e6:.1f} MB")
    if entries:
        oldest = min(path.stat().st_mtime for path in entries)
        yield Info(f"the oldest from {datetime.fromtimestamp(oldest, UTC):%Y-%m-%d %H:%M} UTC")
    if purge:
        yield Info(f"{cache.purge(digests)} removed")
