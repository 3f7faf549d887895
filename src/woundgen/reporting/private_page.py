"""The private page, report_private.html: real photographs beside generated images, and images that nothing screened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from woundgen.numbers import write_number
from woundgen.reporting.html import render
from woundgen.reporting.pictures import Picture, read_picture
from woundgen.reporting.report_data import ImageStrip, SetScores
from woundgen.reporting.tables import Table, as_html

Source = Path | npt.NDArray[np.uint8]  # a file, or pixels [H, W, 3]


@dataclass(frozen=True, slots=True, eq=False)
class NearestPair:
    """A generated image and the training photograph nearest to it. text: how near, in words."""

    generated: Source
    photograph: Source
    text: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class PrivateSection:
    """Of one phase. real, generated: shown alternately, as many as both have. All pixels of one size.

    scores: of screening against photographs, where the set's private folder is here.
    rendered: whether every photograph is a phantom, so that no patient is shown.
    telltale: patches of photographs that the two-sample test was surest of. grids: drawn while training.
    """

    title: str
    real: Sequence[Source] = ()
    generated: Sequence[Source] = ()
    pairs: Sequence[NearestPair] = ()
    scores: SetScores | None = None
    telltale: Sequence[Picture] = ()
    grids: Sequence[Picture] = ()
    rendered: bool = False

    def photographs(self) -> tuple[Path, ...]:
        """The files whose names must not stand in a shared page."""
        images = (*self.real, *(pair.photograph for pair in self.pairs))
        return tuple(image for image in images if isinstance(image, Path))


@dataclass(frozen=True, slots=True)
class _Pair:
    generated: Picture
    photograph: Picture
    text: str


@dataclass(frozen=True, slots=True)
class _Section:
    title: str
    mixed: tuple[tuple[str, Picture], ...]
    pairs: tuple[_Pair, ...]
    telltale: tuple[Picture, ...]
    table: Markup | None
    strips: tuple[ImageStrip, ...]
    grids: tuple[Picture, ...]


def score_table(scores: SetScores) -> Table:
    """Means of each score before and after screening."""
    rows = tuple(
        (s.score, write_number(s.drawn), "" if s.accepted is None else write_number(s.accepted)) for s in scores.means
    )
    return Table((f"Mean score, {scores.name}", "Before screening (all drawn)", "After (accepted)"), rows)


def private_page(sections: Sequence[PrivateSection], *, title: str) -> str:
    """The whole page. File names of photographs stand below them: the page is for those who have them."""
    rendered = bool(sections) and all(section.rendered for section in sections)
    context = {"title": title, "sections": [_section(s) for s in sections], "rendered": rendered}
    return render("report_private.html.j2", context)


def _section(section: PrivateSection) -> _Section:
    mixed = chain.from_iterable(
        (("real", _picture(real, name=True)), ("generated", _picture(generated)))
        for real, generated in zip(section.real, section.generated, strict=False)
    )
    pairs = (_Pair(_picture(pair.generated), _picture(pair.photograph, name=True), pair.text) for pair in section.pairs)
    scores = section.scores
    table = as_html(score_table(scores)) if scores is not None and scores.means else None
    strips = scores.strips if scores is not None else ()
    return _Section(
        section.title, tuple(mixed), tuple(pairs), tuple(section.telltale), table, strips, tuple(section.grids)
    )


def _picture(image: Source, *, name: bool = False) -> Picture:
    if isinstance(image, Path):
        return read_picture(image, root=image.parent, caption=image.name if name else "")
    return Picture(image)
