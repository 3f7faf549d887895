"""The stage of utility: a classifier on the sealed hold-out, where patients, phases and images allow it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from woundgen.api.utility import utility
from woundgen.data.splits.split import CLUSTER
from woundgen.errors import UserError
from woundgen.pipeline.photographs import Divided
from woundgen.pipeline.record import Finding, StagedStudy
from woundgen.pipeline.settings import StudySettings
from woundgen.pipeline.stages import PhasePlaces
from woundgen.records import ManifestRow
from woundgen.storage.files import sha256_file
from woundgen.storage.names import MANIFEST_JSONL, UTILITY_JSON
from woundgen.storage.set_rows import read_tally
from woundgen.workflows.utility.request import UtilityOptions

DOSES = (0.25, 0.5, 1.0, 2.0)
FEWEST_SEALED = 5  # groups of a phase in the hold-out: below, a study can hardly say anything


def utility_stage(
    study: StagedStudy, places: Sequence[PhasePlaces], data: Divided, settings: StudySettings
) -> tuple[Path | None, Finding]:
    """Test whether the sets help a classifier; return the study's folder, or None and why it was not made."""
    rows = data.rows
    accepted = {each.phase: read_tally(each.generated).accepted for each in places}
    reason = find_obstacle(rows, accepted)
    if reason:
        return None, {"sentence": f"utility is not tested: {reason}"}
    out = study.folder / "utility"
    options = UtilityOptions(
        doses=affordable_doses(rows, accepted),
        classes=tuple(accepted),
        size=settings.config.model.resolution,
        margin=settings.config.photographs.box_margin,
        runs=study.folder / "runs",
    )

    def work() -> Finding:
        try:
            result = utility(
                data.folder, [each.generated for each in places], out=out, options=options, console=study.console
            )
        except UserError as error:
            return {"sentence": f"utility is not tested: {error.what}"}
        return {"sentence": result.verdict}

    inputs = [list(options.doses), list(options.classes), [sha256_file(p.generated / MANIFEST_JSONL) for p in places]]
    finding = study.stage("utility", inputs=inputs, outputs=[], work=work)
    return (out if (out / UTILITY_JSON).exists() else None), finding


def find_obstacle(rows: Sequence[ManifestRow], accepted: dict[str, int]) -> str:
    """Return why a study of utility cannot be made, or "".

    rows: of the divided photographs. accepted: images of each phase's set.
    """
    if len(accepted) < 2:
        return "a classifier needs two phases or more"
    if any(row.group is None or row.group.startswith(CLUSTER) for row in rows):
        return "not every photograph names its patient"
    sealed = {phase: len({r.group for r in rows if r.label == phase and r.split == "holdout"}) for phase in accepted}
    few = [f"{phase} {number}" for phase, number in sealed.items() if number < FEWEST_SEALED]
    if few:
        return f"{FEWEST_SEALED} sealed patients of each phase are needed (there are: {', '.join(few)})"
    if not affordable_doses(rows, accepted):
        return f"the sets hold fewer images than {DOSES[0]:g} for each photograph"
    return ""


def affordable_doses(rows: Sequence[ManifestRow], accepted: dict[str, int]) -> tuple[float, ...]:
    """Return the doses, synthetic images for each photograph outside the hold-out, for which all sets are enough."""
    usable = Counter(row.label for row in rows if row.split != "holdout")
    return tuple(
        dose
        for dose in DOSES
        if all(max(1, round(dose * usable[phase])) <= number for phase, number in accepted.items())
    )
