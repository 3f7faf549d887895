"""The only place that knows artefact names, and how a file is written so that a kill leaves old or new."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from woundgen.errors import UserError

RUN_JSON = "run.json"
TRAIN_LOG = "train.jsonl"
EVAL_LOG = "eval.jsonl"
CHECKPOINTS = "checkpoints"
SAMPLES = "samples"
CACHE = "cache"
TENSORBOARD = "tensorboard"
REPORT_HTML = "report.html"
PRIVATE_REPORT_HTML = "report_private.html"
QUALITY_COMPARISON = "QUALITY_COMPARISON.md"
LATEST, BEST = "latest", "best"
STATE_JSON, STATE_TENSORS, MANIFEST = "state.json", "state.safetensors", "manifest.json"
ADAPTER_FILE = "pytorch_lora_weights.safetensors"  # the name diffusers looks for
WHOLE_FILE = "diffusion_pytorch_model.safetensors"  # likewise, of a whole UNet
EMBEDDING_FILE = "learned_embeds.safetensors"  # likewise, of a textual inversion
TRAINED_FILES = (ADAPTER_FILE, WHOLE_FILE, EMBEDDING_FILE)  # what a run can leave: one of them
ADAPTER_NOTES = "woundgen_adapter.json"
IMAGES = "images"
METADATA_CSV, MANIFEST_JSONL = "metadata.csv", "manifest.jsonl"
IMPORT_CSV, IMPORT_JSON, LEFT_OUT_CSV = "manifest.csv", "import.json", "left_out.csv"
CHECK_HTML, CHECK_TXT = "check.html", "check.txt"
SET_JSON = "set.json"
QUARANTINE = "quarantine"
CALIBRATION_JSON, CALIBRATION_MD, CALIBRATION_SVG = "calibration.json", "CALIBRATION.md", "calibration.svg"
AUDIT_JSON, AUDIT_MD, NEAREST_PAIRS = "privacy.json", "PRIVACY.md", "nearest_pairs.png"
DATASET_CARD = "README.md"  # where people and dataset hubs look for it
LOCK = ".woundgen.lock"
MARKER = ".woundgen.json"  # whose folder it is
METRICS_JSON = "metrics.json"
SUMMARY_JSON = "summary.json"
TRAINING_GROUPS = "training_groups.json"
UTILITY_JSON, UTILITY_HTML, UTILITY_MD = "utility.json", "utility.html", "UTILITY.md"


def prepared_folder() -> Path:
    """Where prepared photographs are kept, private: $WOUNDGEN_PREPARED, else ~/.cache/woundgen/prepared."""
    return Path(os.environ.get("WOUNDGEN_PREPARED", "~/.cache/woundgen/prepared")).expanduser()


def private_folder(out: Path) -> Path:
    """Beside what may be shared, so that the folder to share can be passed on whole."""
    return out.with_name(f"{out.name}.private")


def make_private(folder: Path) -> None:
    """Made if need be, and readable by its owner alone: it holds patients."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def fold_folder(out: Path, fold: int) -> Path:
    """The run of one fold, beside what --out names, where `utility --runs` looks for it."""
    return out.with_name(f"{out.name}_fold_{fold}")


def training_report(phase: str) -> str:
    return f"TRAINING_REPORT_phase_{phase}.md"


def checkpoint_name(epoch: int, step: int) -> str:
    return f"epoch_{epoch:04d}_step_{step:06d}"


def fsync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` so that a crash leaves the old content or the new, never a mixture."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_directory(path.parent)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_json(path: Path, content: Any) -> None:
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path} does not exist.", "Is this the folder of a woundgen run?") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not readable JSON ({error}).", "Restore it or start a new run.") from None


def append_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("a") as handle:
        handle.writelines(json.dumps(row, allow_nan=False) + "\n" for row in rows)


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a log; a last line cut short by a kill is left out."""
    if not path.exists():
        return
    with path.open() as handle:
        for line in handle:
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                return


@contextmanager
def told_of_the_disk(folder: Path) -> Iterator[None]:
    """A disk that is full or may not be written, met while `folder` is filled: the user's to mend, in one line.

    Also a file elsewhere that may not be read: nothing is written there.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM) and _is_elsewhere(error.filename, folder):
            raise UserError(
                f"{error.filename} could not be read ({error.strerror}).",
                "Mend its rights and run the same command again; what was saved is whole.",
            ) from None
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        raise UserError(
            f"{error.filename or folder} could not be written ({error.strerror}).",
            "Free space or mend the folder's rights and run the same command again; what was saved is whole.",
        ) from None


def _is_elsewhere(file: object, folder: Path) -> bool:
    return isinstance(file, str | os.PathLike) and not Path(file).absolute().is_relative_to(folder.absolute())


def sha256_file(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_json(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()


def claim_output(folder: Path, *, identity: str, what: str) -> bool:
    """Make `folder` ours, or refuse. Returns True where it already holds this very job (go on with it).

    `identity` is the digest of what decides the result; a folder that holds another job is never touched.
    """
    marker = folder / MARKER
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} exists and is not a folder.", "Choose another --out.")
    # A kill between making the folder and naming it ours leaves a hidden temporary file: still ours to take.
    if folder.is_dir() and any(not path.name.endswith(".tmp") for path in folder.iterdir()):
        if marker.exists() and read_json(marker).get("identity") == identity:
            return True
        raise UserError(
            f"{folder} exists and holds {'another ' + what if marker.exists() else 'other files'}.",
            "Choose another --out, or move that folder away; nothing was written.",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made ({error.strerror}).", "Choose another --out.") from None
    write_json(marker, {"identity": identity, "what": what})
    return False


def reclaim_output(folder: Path, *, identity: str, what: str) -> None:
    """Change what a folder that is already ours stands for (train --allow-changes)."""
    write_json(folder / MARKER, {"identity": identity, "what": what})


def run_of(file: Path) -> Path | None:
    """The run folder that an adapter's file lies in; None for a file that was passed on alone."""
    return next((folder for folder in file.resolve().parents if (folder / RUN_JSON).exists()), None)
