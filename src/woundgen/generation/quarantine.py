"""Quarantine of copies: next to the set, never in it, each with the photograph that it copies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from woundgen.data.files.images import write_png
from woundgen.generation.synthetic_mark import synthetic_mark
from woundgen.records import Photo
from woundgen.storage.files import write_json
from woundgen.storage.names import QUARANTINE, private_folder
from woundgen.storage.ownership import make_private
from woundgen.verdicts import Verdict

Explain = Callable[[NDArray[np.uint8], int], tuple[NDArray[np.uint8], Mapping[str, float | bool]]]


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Private (mode 0700): it names photographs. Made with the first copy. photographs: as verdicts count them.

    explain: of an image and the row of its photograph: a picture of both, and how the one lies on the other.
    """

    folder: Path
    photographs: Sequence[Photo]
    explain: Explain

    @staticmethod
    def beside(out: Path, photographs: Sequence[Photo], explain: Explain) -> Quarantine:
        return Quarantine(private_folder(out) / QUARANTINE, photographs, explain)

    def take(self, images: NDArray[np.uint8], indices: Sequence[int], verdicts: Sequence[Verdict]) -> None:
        """The copies among uint8 [N, H, W, 3], accepted or not. A block that is drawn again overwrites its own."""
        for image, index, verdict in zip(images, indices, verdicts, strict=True):
            if not verdict.copy:
                continue
            make_private(self.folder.parent)
            make_private(self.folder)
            write_png(self.folder / f"{index:06d}.png", image, text=synthetic_mark())
            pair = {"index": index, "reason": verdict.reason, "released": verdict.accepted, "scores": verdict.scores}
            if verdict.nearest is None:
                write_json(self.folder / f"{index:06d}.json", {"photograph": None, **pair}, private=True)
                continue
            picture, match = self.explain(image, verdict.nearest)
            write_png(self.folder / f"{index:06d}.match.png", picture, text={})
            photograph = self.photographs[verdict.nearest].path
            write_json(
                self.folder / f"{index:06d}.json",
                {"photograph": photograph, **pair, "match": dict(match)},
                private=True,
            )
