"""Photographs before training: look them over, divide them once, render phantoms in their place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from woundgen.api.places import Place
from woundgen.reporting.notebook import lines_html
from woundgen.runtime.console import Console, open_console
from woundgen.workflows.dataset.request import SplitOptions

if TYPE_CHECKING:
    from woundgen.reporting.check_page import CheckResult


@dataclass(frozen=True, slots=True)
class CheckedPhotographs:
    """Photographs looked over. folder: private, with check.html. result: every row, what was dropped and why."""

    folder: Path
    result: CheckResult

    def to_json(self) -> dict[str, Any]:
        """Return folder, counts of photographs (total, usable, dropped) and the summary's sentences."""
        result = self.result
        counts = {"total": result.total, "usable": len(result.rows), "dropped": len(result.dropped)}
        return {"folder": str(self.folder), **counts, "summary": list(result.summary())}

    def _repr_html_(self) -> str:
        return str(lines_html("Photographs looked over", list(self.result.summary())))


def check_photographs(
    data: Place,
    *,
    out: Place,
    resolution: int = 128,
    margin: float = 0.25,
    console: Console | None = None,
) -> CheckedPhotographs:
    """Look photographs over: what is unreadable, doubtful, the same, on two sides or in two phases.

    data: folder of photographs or an import, only read. out: folder of check.html and check.txt, private (mode 0700).
    resolution: side of the images to train on, pixels. margin: around the wound's box, as a share of it.
    console: for messages and progress; None prints them.
    Raises Shortfall, after writing, where pairs of photographs contradict one another, and UserError.
    """
    from woundgen.workflows.dataset.check import check_photographs as check

    with console or open_console() as opened:
        result = opened.follow(check(Path(data), out=Path(out), resolution=resolution, margin=margin))
    return CheckedPhotographs(Path(out), result)


def split_photographs(
    data: Place, *, out: Place, options: SplitOptions | None = None, console: Console | None = None
) -> Path:
    """Divide photographs once, whole patients and every phase in its share; return the folder to give as `data`.

    data: folder of photographs or an import, only read. out: folder of the split. options: shares in 0..1 of train,
    validation and a sealed hold-out, way, folds, seed. console: for messages; None prints them.
    Raises UserError, with nothing written, where whole groups cannot be divided so; it names the other ways.
    """
    from woundgen.workflows.dataset.split import split_photographs as split

    with console or open_console() as opened:
        return opened.follow(split(Path(data), out=Path(out), request=options or SplitOptions()))


def render_phantoms(
    out: Place,
    *,
    count: int,
    phases: str = "IPR",
    seed: int = 0,
    size: int = 128,
    views: int = 1,
    console: Console | None = None,
) -> Path:
    """Render wounds with known truth as an image folder, and return the folder.

    out: folder of images/, metadata.csv with every parameter, and croissant.json. count: photographs in all. phases:
    letters among I, P, R. seed: with the place of a photograph it decides all of it. size: pixels a side. views:
    photographs of each patient. console: for messages and progress; None prints them.
    Raises UserError for phases that do not exist and where `out` holds something else.
    """
    from woundgen.workflows.dataset.phantoms import write_phantoms

    with console or open_console() as opened:
        return opened.follow(write_phantoms(
            Path(out), count=count, phases=phases, seed=seed, size=size, views=views,
        ))  # fmt: skip
