"""The job of `woundgen data cache`: what is kept of patients' photographs, and how to be rid of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from woundgen.data.layouts.source import read_source
from woundgen.data.pixels.pixel_cache import PixelCache
from woundgen.events import Info, Work
from woundgen.storage.names import prepared_folder


@dataclass(frozen=True, slots=True)
class CacheContent:
    """Prepared photographs in their private folder. size: bytes. oldest: UTC; None where there is none."""

    folder: Path
    photographs: int
    size: int
    oldest: datetime | None
    removed: int

    def to_json(self) -> dict[str, Any]:
        """Return the folder, counts, bytes, and the oldest as an ISO date; counts are those before a purge."""
        return {
            "folder": str(self.folder), "photographs": self.photographs, "bytes": self.size,
            "oldest": None if self.oldest is None else self.oldest.isoformat(timespec="seconds"),
            "removed": self.removed,
        }  # fmt: skip


def show_cache(source: Path | None, *, purge: bool) -> Work[CacheContent]:
    """List or purge the prepared photographs; those of `source` alone where it is given."""
    cache = PixelCache(prepared_folder())
    digests = None if source is None else {row.sha256 for row in read_source(source).rows}
    entries = cache.entries(digests)
    size = sum(path.stat().st_size for path in entries)
    of = "" if source is None else f" of the photographs in {source}"
    yield Info(f"{cache.folder}: {len(entries)} prepared photographs{of}, {size / 1e6:.1f} MB")
    oldest = None
    if entries:
        oldest = datetime.fromtimestamp(min(path.stat().st_mtime for path in entries), UTC)
        yield Info(f"the oldest from {oldest:%Y-%m-%d %H:%M} UTC")
    removed = cache.purge(digests) if purge else 0
    if purge:
        yield Info(f"{removed} removed")
    return CacheContent(cache.folder, len(entries), size, oldest, removed)
