"""Audit a generated set for privacy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from woundgen.api.places import Place, as_paths
from woundgen.config.quality import QualityConfig
from woundgen.reporting.audit_page import audit_rows
from woundgen.reporting.notebook import make_frame, table_html
from woundgen.reporting.tables import Table
from woundgen.runtime.console import Console, open_console
from woundgen.storage.names import AUDIT_MD

if TYPE_CHECKING:
    from woundgen.reporting.notebook import DataFrame


@dataclass(frozen=True, slots=True)
class AuditResult:
    """A privacy audit in its folder. record: as privacy.json holds it, counts, rates in 0..1, p-values, n."""

    folder: Path
    record: Mapping[str, Any]

    @property
    def verdict(self) -> str:
        """The sentence that the audit ends in."""
        return str(self.record["verdict"])

    @property
    def page(self) -> Path:
        """PRIVACY.md, which may be passed on."""
        return self.folder / AUDIT_MD

    def table(self) -> Table:
        """Return each test and its outcome in words, with n and interval."""
        return Table(("Test", "Outcome"), tuple(audit_rows(self.record)))

    def to_json(self) -> dict[str, Any]:
        """Return folder and record."""
        return {"folder": str(self.folder), **self.record}

    def to_pandas(self) -> DataFrame:
        """Return the table as a pandas DataFrame with columns test and outcome."""
        return make_frame([{"test": name, "outcome": text} for name, text in audit_rows(self.record)])

    def _repr_html_(self) -> str:
        return str(table_html(self.table(), heading=self.verdict))


def audit(
    generated: Place,
    *,
    out: Place,
    run: Place | Sequence[Place] | None = None,
    real: Place | None = None,
    adapters: Sequence[Place] = (),
    base: str | None = None,
    quality: QualityConfig | None = None,
    strengths: Sequence[float] = (),
    console: Console | None = None,
) -> AuditResult:
    """Test what a generated set reveals of the photographs that it was trained on.

    generated: a set that the adapters of `run` drew; several runs where it has several, or a guide. real, instead of
    run: the photographs that `adapters`, which lie in no run, were trained on, and others by column `split`. base:
    their base model. out: folder of privacy.json and PRIVACY.md, which may be shared; OUT.private gets the nearest
    pairs. Counts have exact one-sided 95 % bounds, tests p-values and n; rates are shares in 0..1. quality: the rule by
    which copies are called such. strengths: images are also begun from photographs trained on, at each of these, and
    those called copies are counted. console: for messages and progress; None prints them.
    Raises UserError where the set is empty or of another run.
    """
    from woundgen.workflows.audit.job import audit_set
    from woundgen.workflows.audit.subject import choose_subject

    folder = Path(out)
    subject = choose_subject(
        Path(generated),
        runs=() if run is None else as_paths(run),
        real=None if real is None else Path(real),
        adapters=[Path(place) for place in adapters],
        base=base,
    )
    with console or open_console() as opened:
        record = opened.follow(audit_set(
            Path(generated), subject=subject, out=folder, quality=quality or QualityConfig(), strengths=strengths,
        ))  # fmt: skip
    return AuditResult(folder, record)
