"""The stages of each phase and the report: each a public function, in a folder of its own, with a finding in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from woundgen.api.audit import audit
from woundgen.api.calibrate import calibrate
from woundgen.api.evaluate import evaluate
from woundgen.api.generate import generate
from woundgen.api.report import ReportOptions, report
from woundgen.api.train import train
from woundgen.errors import Shortfall, UserError
from woundgen.pipeline.photographs import Divided
from woundgen.pipeline.record import Finding, StagedStudy
from woundgen.pipeline.settings import StudySettings
from woundgen.storage.files import read_json, sha256_file
from woundgen.storage.names import (
    AUDIT_JSON,
    CALIBRATION_JSON,
    MANIFEST_JSONL,
    MARKER,
    METRICS_JSON,
    REPORT_HTML,
    RUN_JSON,
    UTILITY_JSON,
)
from woundgen.storage.set_rows import read_tally
from woundgen.workflows.generate.request import GenerateOptions
from woundgen.workflows.train.request import TrainOptions

FEWEST_IMAGES = 8  # below, a set is neither measured nor audited


class StageStopped(Exception):
    """A signal ended a training in good order. exit_code: 128 + the signal."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"exit code {exit_code}")
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class PhasePlaces:
    """Folders of a phase in a study."""

    phase: str
    run: Path
    calibration: Path
    generated: Path
    audit: Path


def phase_places(folder: Path, phase: str) -> PhasePlaces:
    """Return where a phase's results lie."""
    name = f"phase_{phase}"
    return PhasePlaces(
        phase,
        folder / "runs" / name,
        folder / "calibrated" / name,
        folder / "generated" / name,
        folder / "audit" / name,
    )


def train_stage(study: StagedStudy, places: PhasePlaces, data: Divided, settings: StudySettings) -> Finding:
    """Train the adapter of a phase. Raises Stopped where a signal ended it."""
    config = settings.config.with_values(phases=(places.phase,))

    def work() -> Finding:
        options = TrainOptions(command=settings.options.command)
        result = train(config, data=data.folder, out=places.run, options=options, console=study.console)
        if result.exit_code:
            raise StageStopped(result.exit_code)
        return {"sentence": f"phase {places.phase}: trained {result.steps} steps", "best": result.best}

    inputs = [config.flat(), data.digest]
    return study.stage(f"train {places.phase}", inputs=inputs, outputs=[places.run / RUN_JSON], work=work)


def calibrate_stage(study: StagedStudy, places: PhasePlaces, data: Divided, settings: StudySettings) -> Finding:
    """Calibrate screening on the phase's training photographs."""
    quality = settings.options.quality

    def work() -> Finding:
        calibrated = calibrate(
            data.folder, run=places.run, out=places.calibration, quality=quality, console=study.console
        )
        return {"sentence": calibrated.calibration.statements()[0]}

    inputs = [data.digest, _run_digest(places.run), quality.model_dump(mode="json")]
    outputs = [places.calibration / CALIBRATION_JSON]
    return study.stage(f"calibrate {places.phase}", inputs=inputs, outputs=outputs, work=work)


def generate_stage(study: StagedStudy, places: PhasePlaces, data: Divided, settings: StudySettings) -> Finding:
    """Draw the phase's set; a shortfall is a finding."""
    asked, config = settings.options, settings.config
    calibration = places.calibration / CALIBRATION_JSON
    options = GenerateOptions(
        label=places.phase,
        seed=asked.seed,
        size=config.model.resolution,
        device=config.compute.device,
        quality=asked.quality,
        calibration=calibration,
    )

    def work() -> Finding:
        short = ""
        try:
            generate(
                places.run,
                out=places.generated,
                count=asked.count,
                real=data.folder,
                options=options,
                console=study.console,
            )
        except Shortfall as error:
            short = f"; {error}"
        tally = read_tally(places.generated)
        counts = f"{tally.accepted} of {asked.count} images accepted, {tally.drawn} drawn"
        return {"sentence": f"phase {places.phase}: {counts}{short}", "accepted": tally.accepted}

    inputs = [_run_digest(places.run), sha256_file(calibration), asked.count, asked.seed]
    outputs = [places.generated / MANIFEST_JSONL]
    return study.stage(f"generate {places.phase}", inputs=inputs, outputs=outputs, work=work)


def evaluate_stage(study: StagedStudy, places: PhasePlaces) -> Finding:
    """Measure the phase's set against the photographs that its run held out; why not, where that cannot be done."""

    def work() -> Finding:
        try:
            measured = evaluate(places.generated, phase=places.phase, run=places.run, console=study.console)
        except UserError as error:
            return {"sentence": f"phase {places.phase}: not measured: {error.what}", "measured": False}
        return {"sentence": f"phase {places.phase}: {measured.verdict or 'measured'}", "measured": True}

    inputs = [_run_digest(places.run), _set_digest(places.generated)]
    return study.stage(f"evaluate {places.phase}", inputs=inputs, outputs=[places.generated / METRICS_JSON], work=work)


def audit_stage(study: StagedStudy, places: PhasePlaces, settings: StudySettings) -> Finding:
    """Test what the phase's set reveals of its photographs."""
    quality = settings.options.quality

    def work() -> Finding:
        audited = audit(places.generated, run=places.run, out=places.audit, quality=quality, console=study.console)
        return {"sentence": f"phase {places.phase}: {audited.verdict}"}

    inputs = [_run_digest(places.run), _set_digest(places.generated), quality.model_dump(mode="json")]
    outputs = [places.audit / AUDIT_JSON]
    return study.stage(f"audit {places.phase}", inputs=inputs, outputs=outputs, work=work)


def report_stage(
    study: StagedStudy, places: Sequence[PhasePlaces], settings: StudySettings, utility: Path | None
) -> Finding:
    """Write the page to share and the private page of all phases."""
    out = study.folder / "report"
    audits = tuple(each.audit for each in places)
    quality = settings.options.quality
    options = ReportOptions(private=True, utility=utility, audits=audits, title="Study", quality=quality)
    with_images = [each.generated for each in places if read_tally(each.generated).accepted]

    def work() -> Finding:
        pages = report([each.run for each in places], with_images, out=out, options=options, console=study.console)
        return {"sentence": f"report: {out / REPORT_HTML}", "pages": [str(page) for page in pages.pages]}

    measured = [each.generated / METRICS_JSON for each in places]
    inputs: list[Any] = [[_run_digest(each.run), _set_digest(each.generated)] for each in places]
    inputs += [sha256_file(path) for path in measured if path.exists()]
    inputs += [None if utility is None else sha256_file(utility / UTILITY_JSON)]
    return study.stage("report", inputs=inputs, outputs=[out / REPORT_HTML], work=work)


def _run_digest(run: Path) -> Any:
    """Return what identifies a finished run: its settings and photographs, and the checkpoint that is drawn with."""
    return [read_json(run / MARKER)["identity"], read_json(run / RUN_JSON).get("best")]


def _set_digest(generated: Path) -> str:
    return sha256_file(generated / MANIFEST_JSONL)
