"""Which run a generated set was drawn with: by the digests of adapters, never by a phase's letter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from woundgen.errors import UserError
from woundgen.storage.files import read_json, sha256_file
from woundgen.storage.names import AVERAGES, CHECKPOINTS, SET_JSON, TRAINED_FILES


def adapter_digests(generated: Path) -> tuple[str, ...]:
    """Return the digests of the adapters that a set was drawn with; none for a base alone, or where no recipe is."""
    path = generated / SET_JSON
    recipe = read_json(path) if path.exists() else {}
    return tuple(digest for digest, _ in recipe.get("adapters", ()))


def find_trained_file(run: Path, digests: Iterable[str]) -> Path | None:
    """Return the first file among a run's checkpoints and averages that has one of these digests."""
    wanted = set(digests)
    if not wanted:
        return None
    places = ((run / CHECKPOINTS).glob("*/*/*"), (run / AVERAGES).glob("*/*"))
    files = (file for found in places for file in sorted(found) if file.name in TRAINED_FILES)
    return next((file for file in files if sha256_file(file) in wanted), None)


def drawn_elsewhere(generated: Path, run: Path) -> bool:
    """Whether a set says which adapters drew it, and `run` holds none of them."""
    digests = adapter_digests(generated)
    return bool(digests) and find_trained_file(run, digests) is None


def join_sets(runs: Sequence[Path], generated: Sequence[Path]) -> dict[Path, list[Path]]:
    """Return each run with the sets that its adapters drew. UserError that names a set which no run drew."""
    joined: dict[Path, list[Path]] = {run: [] for run in runs}
    for folder in generated:
        digests = adapter_digests(folder)
        owner = next((run for run in runs if find_trained_file(run, digests) is not None), None)
        if owner is None:
            drawn = f"adapter {digests[0][:12]}, which no run named here holds" if digests else "no adapter of a run"
            raise UserError(f"{folder} was drawn with {drawn}.", "Add the --run that drew it, or leave the set out.")
        joined[owner].append(folder)
    return joined
