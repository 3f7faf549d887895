"""The job of `woundgen push`: a generated set or an adapter to the Hugging Face hub, and nothing private."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from woundgen.adapters.post_hoc_ema import adapter_of
from woundgen.adapters.saved import adapter_metadata
from woundgen.errors import UserError
from woundgen.events import Info, Work
from woundgen.models.base import ALIASES, EMBEDDED, PINNED
from woundgen.privacy.private_names import names_of_run, refuse_names
from woundgen.storage.files import read_json
from woundgen.storage.names import DATASET_CARD, RUN_JSON, SET_JSON
from woundgen.storage.ownership import run_of
from woundgen.workflows.export.job import export_adapter
from woundgen.workflows.push.hub import Kind, upload
from woundgen.workflows.push.model_card import model_card
from woundgen.workflows.push.set_files import check_audit, set_files

_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, slots=True)
class PushRequest:
    """source: a generated set, or a run, checkpoint or adapter. audit: the --out of `woundgen audit` of the set.

    unaudited: send without it. public: for everybody to see. dry_run: say what would be sent, and send nothing.
    weights, base: of an adapter, as for export.
    """

    source: Path
    repo: str
    audit: Path | None
    unaudited: bool
    public: bool
    dry_run: bool
    weights: str = "auto"
    base: str | None = None


@dataclass(frozen=True, slots=True)
class Pushed:
    """An upload. address: of the repository; None for a dry run. sizes: bytes by file name."""

    address: str | None
    repo: str
    kind: Kind
    public: bool
    sizes: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return address, repository, kind, access, and each file with its bytes."""
        return {
            "address": self.address, "repo": self.repo, "kind": self.kind, "public": self.public,
            "files": dict(self.sizes),
        }  # fmt: skip


def push(request: PushRequest) -> Work[Pushed]:
    """Send it, and return what was sent, or would be. Raises UserError before anything is sent."""
    if not _REPO.fullmatch(request.repo):
        raise UserError(f"--repo {request.repo!r} is no repository.", "Give USER/NAME.")
    refuse_private(request.source)
    if (request.source / SET_JSON).is_file():
        return (yield from _send(request, _set_files(request), kind="dataset"))
    if not request.unaudited:
        raise UserError(
            f"{request.source} is an adapter: whoever has it can draw without any screen, and no audit covers that.",
            "Add --unaudited to send it all the same; or send a set.",
        )
    with TemporaryDirectory() as folder:
        files = yield from _adapter_files(request, Path(folder))
        return (yield from _send(request, files, kind="model"))


def refuse_private(source: Path) -> None:
    """UserError for a folder that holds patients: by its name, and by its mode."""
    if not source.exists():
        raise UserError(f"{source} does not exist.", "Name a generated set, or what a run trained.")
    real = source.resolve()
    private = [folder for folder in (real, *real.parents) if folder.name.endswith(".private")]
    if private:
        raise UserError(f"{private[0]} is private: it holds photographs or scores against them.", "Send the set alone.")
    if real.is_dir() and real.stat().st_mode & 0o777 == 0o700 and not (real / SET_JSON).is_file():
        raise UserError(f"{source} is private (mode 0700).", "Name a generated set, or what a run trained.")


def _set_files(request: PushRequest) -> dict[str, Path | bytes]:
    if request.audit is not None:
        check_audit(request.source, request.audit)
    elif not request.unaudited:
        raise UserError(
            f"{request.source} comes without an audit.",
            "Make it (woundgen audit) and name it with --audit; or add --unaudited.",
        )
    return set_files(request.source, audit=request.audit)


def _adapter_files(request: PushRequest, folder: Path) -> Work[dict[str, Path | bytes]]:
    """In diffusers' layout, with a model card; nothing else of the run."""
    adapter = adapter_of(request.source, weights=request.weights)
    written = folder / "adapter"
    yield from export_adapter(
        request.source, form="diffusers", out=written, weights=request.weights, base_name=request.base, title=None,
    )  # fmt: skip
    name = request.base or adapter.base or ""
    known = ALIASES.get(name, name)
    card = model_card(
        repo=request.repo,
        kind=adapter.kind,
        base=known if known in (EMBEDDED, *PINNED) else "a base model of the user's",
        base_digest=adapter.base_digest,
        notes=adapter_metadata(adapter.file),
    )
    if (run := run_of(adapter.file)) is not None:
        refuse_names({DATASET_CARD: card, "--repo": request.repo}, [names_of_run(read_json(run / RUN_JSON))])
    files: dict[str, Path | bytes] = {
        path.relative_to(written).as_posix(): path.read_bytes()
        for path in sorted(written.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }
    return files | {DATASET_CARD: card.encode()}


def _send(request: PushRequest, files: Mapping[str, Path | bytes], *, kind: Kind) -> Work[Pushed]:
    sizes = {name: len(file) if isinstance(file, bytes) else file.stat().st_size for name, file in files.items()}
    access = "public" if request.public else "private"
    for name in sorted(sizes):
        yield Info(f"  {name} ({sizes[name]:,} bytes)")
    yield Info(f"{len(sizes)} files, {sum(sizes.values()):,} bytes, for the {access} {kind} {request.repo}")
    if request.dry_run:
        yield Info("a dry run: nothing was sent")
        return Pushed(None, request.repo, kind, request.public, sizes)
    address = upload(request.repo, files, kind=kind, private=not request.public, message="Upload with woundgen")
    yield Info(f"sent: {address}")
    return Pushed(address, request.repo, kind, request.public, sizes)
