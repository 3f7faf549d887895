"""Test whether generated sets help a classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from woundgen.api.places import Place, as_paths
from woundgen.reporting.notebook import lines_html, make_frame, table_html
from woundgen.reporting.tables import Table
from woundgen.reporting.utility_page import tables, write_utility
from woundgen.runtime.console import Console, open_console
from woundgen.workflows.utility.request import UtilityOptions, UtilityRequest

if TYPE_CHECKING:
    from woundgen.reporting.notebook import DataFrame


@dataclass(frozen=True, slots=True)
class UtilityResult:
    """A study of utility in its folder. record: as in utility.json, scores in 0..1, intervals, n. pages: files."""

    folder: Path
    record: Mapping[str, Any]
    pages: tuple[Path, ...]

    @property
    def verdict(self) -> str:
        """The sentence that the study ends in."""
        return str(self.record["verdict"]["sentence"])

    def tables(self) -> list[tuple[str, Table]]:
        """Return (heading, table): doses, arms, phases, and which images help."""
        return tables(dict(self.record))

    def to_json(self) -> dict[str, Any]:
        """Return folder, pages and record."""
        return {"folder": str(self.folder), "pages": [str(page) for page in self.pages], **self.record}

    def to_pandas(self) -> DataFrame:
        """Return a pandas DataFrame with a row for each arm and score: value, low, high (95 %)."""
        return make_frame(
            [
                {"arm": arm["name"], "score": name, **score}
                for arm in self.record["arms"]
                for name, score in arm["scores"].items()
            ]
        )

    def _repr_html_(self) -> str:
        parts = [table_html(table, heading=heading) for heading, table in self.tables()]
        return str(lines_html(self.verdict, [])) + "".join(map(str, parts))


def utility(
    real: Place,
    synthetic: Place | Sequence[Place],
    *,
    out: Place = "utility",
    options: UtilityOptions | None = None,
    console: Console | None = None,
) -> UtilityResult:
    """Test whether adding synthetic images helps a classifier of phases; "no" is an answer too.

    real: photographs with phase and patient. synthetic: generated sets. out: folder of the study; the same call goes
    on there, and utility.json, UTILITY.md and utility.html are written. Scores are Cohen's kappa and accuracies, with
    95 % intervals over patients and seeds, and n. options: doses, classifier, folds and all else. console: for messages
    and progress; None prints them.
    Raises UserError where the generator was trained on test patients, and where a dose needs more images than the sets
    hold.
    """
    request = UtilityRequest(Path(real), as_paths(synthetic), options or UtilityOptions())
    from woundgen.workflows.utility.job import measure_utility

    folder = Path(out)
    with console or open_console() as opened:
        record = opened.follow(measure_utility(request, out=folder))
    return UtilityResult(folder, record, write_utility(record, out=folder))
