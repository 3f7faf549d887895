"""Draw a screened set of images, and look at a set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from woundgen.api.places import Adapters, Place, as_adapters, as_path
from woundgen.data.files.images import read_photograph
from woundgen.errors import UserError
from woundgen.reporting.notebook import SHOWN, grid_html, make_frame, to_picture
from woundgen.runtime.console import Console, open_console, silent_console
from woundgen.storage.names import MANIFEST_JSONL
from woundgen.storage.set_rows import Tally, read_released_rows, read_tally
from woundgen.workflows.generate.request import GenerateOptions, GenerateRequest

if TYPE_CHECKING:
    from woundgen.reporting.notebook import DataFrame
    from woundgen.runtime.ranks import Ranks


@dataclass(frozen=True, slots=True)
class GenerateResult:
    """A generated set in its folder; a place like any path, for `evaluate`, `audit`, `utility` and `report`.

    folder: of the set. tally: images drawn and accepted, and why the others were not.
    """

    folder: Path
    tally: Tally

    def __fspath__(self) -> str:
        return str(self.folder)

    def __len__(self) -> int:
        return self.tally.accepted

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each accepted image: file, label, seed, prompt, sampler, scores."""
        return read_released_rows(self.folder)

    def images(self) -> NDArray[np.uint8]:
        """Return the accepted images in the order drawn, uint8 [N, S, S, 3], sRGB. UserError for an empty set."""
        return np.stack([*self._read(self._names())])

    def pictures(self) -> list[Image.Image]:
        """Return the accepted images in the order drawn as PIL images, RGB, S x S pixels. UserError if empty."""
        return [to_picture(image) for image in self._read(self._names())]

    def to_json(self) -> dict[str, Any]:
        """Return folder and counts: images drawn, accepted, and left out by reason."""
        return {"folder": str(self.folder), **self.tally.to_json()}

    def to_pandas(self) -> DataFrame:
        """Return `rows` as a pandas DataFrame, an image a row; scores are columns of their names."""
        return make_frame([{**row, **row["scores"]} for row in self.rows()])

    def _names(self) -> list[str]:
        names = [row["file_name"] for row in self.rows()]
        if not names:
            raise UserError(f"{self.folder} holds no accepted image.", "Generate first.")
        return names

    def _read(self, names: list[str]) -> list[NDArray[np.uint8]]:
        return [read_photograph(self.folder / name, roots=[self.folder]) for name in names]

    def _repr_html_(self) -> str:
        shown = self._read([row["file_name"] for row in self.rows()[:SHOWN]])
        text = f"{len(shown)} of {len(self)} images in {self.folder.name}; {self.tally.drawn} drawn"
        return str(grid_html(shown, alt=f"{len(shown)} generated images", caption=text))


def generate(
    adapter: Adapters = None,
    *,
    out: Place,
    count: int = 100,
    real: Place | None = None,
    options: GenerateOptions | None = None,
    console: Console | None = None,
    ranks: Ranks | None = None,
) -> GenerateResult:
    """Draw images until `count` are accepted; image i depends on the seed and i alone.

    adapter: a run, checkpoint or adapter file, several with their strengths, or None for the base model alone.
    out: folder of the set; an unfinished set goes on. count: images to accept. real: photographs to screen against;
    None screens nothing. options: size in pixels, sampler steps, guidance scale, screening and all else. console: for
    messages and progress; None prints them. ranks: processes that share the drawing; all but the first get the counts
    that the folder holds.
    Raises Shortfall where the budget ends first (what was accepted stays, and a larger budget goes on), and UserError.
    """
    request = GenerateRequest(as_adapters(adapter), count, as_path(real), options or GenerateOptions())
    from woundgen.runtime.ranks import ALONE
    from woundgen.workflows.generate.job import generate_set

    folder = Path(out)
    with console or open_console() as opened:
        speaker = opened if (ranks or ALONE).first else silent_console()
        tally = speaker.follow(generate_set(request, out=folder, ranks=ranks or ALONE))
    return GenerateResult(folder, read_tally(folder) if tally is None else tally)


def open_set(folder: Place) -> GenerateResult:
    """Return the generated set in a folder, of images S x S pixels. UserError where there is none."""
    path = Path(folder)
    if not (path / MANIFEST_JSONL).is_file():
        raise UserError(
            f"{path} is not a generated set (no {MANIFEST_JSONL}).", "Give a folder of `woundgen generate`."
        )
    return GenerateResult(path, read_tally(path))
