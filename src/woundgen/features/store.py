"""Fetched weights: their folder, their sources, and a check of their digests. No network here.

A network's folder holds safetensors and `source.json`: addresses, digests of what was downloaded, digests of
what was stored. A digest that its publisher names is pinned in SOURCES. One that nobody has published is
recorded at the first fetch in `digests.json` and held from then on; none is invented.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from woundgen.errors import UserError
from woundgen.storage.files import read_json, sha256_file

SOURCE_JSON, DIGESTS_JSON, WEIGHTS_FILE, CONFIG_FILE = (
    "source.json", "digests.json", "model.safetensors", "config.json",
)  # fmt: skip
Kind = Literal["inception", "lpips", "dinov2"]

_TORCHVISION = "https://download.pytorch.org/models"
_LPIPS = (
    "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/"
    "082bb24f84c091ea94de2867d34c4544f68e0963/lpips/weights/v0.1"
)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """name: as stored while fetching, and at a mirror. sha256: None where nobody has published it."""

    name: str
    url: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class WeightsSource:
    """Files of one network; kind decides how they become safetensors. megabytes: to download, about."""

    kind: Kind
    files: tuple[SourceFile, ...]
    licence: str
    megabytes: int


def _dinov2(size: str, revision: str, weights: str | None, config: str | None, megabytes: int) -> WeightsSource:
    place = f"https://huggingface.co/facebook/dinov2-{size}/resolve/{revision}"
    files = (
        SourceFile(CONFIG_FILE, f"{place}/{CONFIG_FILE}", config),
        SourceFile(WEIGHTS_FILE, f"{place}/{WEIGHTS_FILE}", weights),
    )
    return WeightsSource("dinov2", files, "Apache-2.0", megabytes)


def _lpips_source(trunk: str, file: str, sha256: str, linear_sha256: str, megabytes: int) -> WeightsSource:
    files = (
        SourceFile(file, f"{_TORCHVISION}/{file}", sha256),
        SourceFile(f"{trunk}.pth", f"{_LPIPS}/{trunk}.pth", linear_sha256),
    )
    return WeightsSource("lpips", files, "trunk BSD-3-Clause (torchvision), linear weights BSD-2-Clause", megabytes)


SOURCES: Mapping[str, WeightsSource] = {
    "inception": WeightsSource(
        "inception",
        (
            SourceFile(
                "pt_inception-2015-12-05-6726825d.pth",
                "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
                "pt_inception-2015-12-05-6726825d.pth",
                "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
            ),
        ),
        "Apache-2.0 (TensorFlow's weights, ported by pytorch-fid)",
        96,
    ),
    "lpips-vgg": _lpips_source(
        "vgg",
        "vgg16-397923af.pth",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
        528,
    ),
    "lpips-alex": _lpips_source(
        "alex",
        "alexnet-owt-7be5be79.pth",
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
        233,
    ),
    "dinov2-small": _dinov2(
        "small",
        "ed25f3a31f01632728cabb09d1542f84ab7b0056",
        "ae1e99fcefd534ed978cdeb8326f08030c96e28b7a81ffcbc98a857c84d14be1",
        "1809f83e3bdb1609a501a610ad4a742f4fd8ae44d72ca4aa0df52d1f2ac8628d",
        88,
    ),
    "dinov2-base": _dinov2("base", "f9e44c814b77203eaa57a6bdbbd535f21ede1415", None, None, 346),
    "dinov2-large": _dinov2(
        "large",
        "47b73eefe95e8d44ec3623f8890bd894b6ea2d6c",
        "399fba97a95f22c36834418bc69373364a99af3a1153da1c0fb31db567c92e23",
        None,
        1218,
    ),
}


def weights_home() -> Path:
    """$WOUNDGEN_WEIGHTS, else ~/.cache/woundgen/weights."""
    return Path(os.environ.get("WOUNDGEN_WEIGHTS", "~/.cache/woundgen/weights")).expanduser()


def is_fetched(name: str, *, home: Path) -> bool:
    """Return whether weights of that name were fetched; whether they are whole is for find_weights to say."""
    return (home / name / SOURCE_JSON).is_file()


def find_weights(name: str, *, home: Path) -> tuple[Path, str]:
    """(folder, digest) of fetched weights. UserError with the fetch command where absent or altered."""
    folder = home / name
    if not is_fetched(name, home=home):
        raise UserError(
            f"The weights of feature network {name} are not in {home}, and nothing is downloaded unasked.",
            f"Fetch them once: woundgen fetch {name}",
        )
    for file, digest in read_json(folder / SOURCE_JSON)["stored"].items():
        if not (folder / file).is_file() or sha256_file(folder / file) != digest:
            raise UserError(
                f"{folder / file} is not what was fetched (its digest differs).", f"Fetch again: woundgen fetch {name}"
            )
    return folder, sha256_file(folder / WEIGHTS_FILE)
