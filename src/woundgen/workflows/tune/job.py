"""The job of `woundgen tune`: search, repeat, confirm, and write the results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from woundgen.data.photo_set import gather_for
from woundgen.events import Info, Work
from woundgen.runtime.lock import only_writer
from woundgen.storage.files import disk_errors_as_user_errors
from woundgen.tuning.proposals import load_optuna
from woundgen.workflows.tune.announce import announce_plan
from woundgen.workflows.tune.begin import Begun, begin_study
from woundgen.workflows.tune.confirm import compare_leaders, confirm, repeat_leaders
from woundgen.workflows.tune.record import Findings
from woundgen.workflows.tune.reference import open_references
from woundgen.workflows.tune.request import TuneRequest
from woundgen.workflows.tune.search import run_search
from woundgen.workflows.tune.work import Stopped
from woundgen.workflows.tune.workers import Report, open_team
from woundgen.workflows.tune.write import write_findings


@dataclass(frozen=True, slots=True)
class TuneOutcome:
    """folder: of the study. exit_code: 0, or 128 + the signal that ended it.

    sentence, kind: of the conclusion; kind is None where nothing was confirmed, and both where the study has not ended.
    """

    folder: Path
    exit_code: int
    sentence: str | None = None
    kind: str | None = None


def tune(request: TuneRequest, *, report: Report) -> Work[TuneOutcome]:
    """Search the settings for these photographs within the budget; the same request on the same folder goes on.

    report: gets each unit as it begins, and its result.
    """
    load_optuna()
    with disk_errors_as_user_errors(request.out):
        begun = begin_study(request)
        yield from announce_plan(begun)
        if request.options.dry_run:
            return TuneOutcome(request.out, 0)
        with only_writer(request.out):
            try:
                findings = yield from _run(request, begun, report)
            except Stopped as stopped:
                yield Info("stopped; the same command goes on from here")
                return TuneOutcome(request.out, stopped.code)
            for page in write_findings(findings, request):
                yield Info(f"written: {page}")
    yield Info(findings.sentence)
    kind = None if findings.confirmed is None else findings.confirmed.conclusion.kind
    return TuneOutcome(request.out, 0, findings.sentence, kind)


def _run(request: TuneRequest, begun: Begun, report: Report) -> Work[Findings]:
    study = begun.study
    with open_team(study, request.options.cards) as team:
        trials = yield from run_search(study, team, report=report)
        leaders = repeat_leaders(study, team, trials, report=report)
        references = open_references(study.config, gather_for(study.config, study.photographs))
        alike = compare_leaders(study, references, leaders)
        confirmed = confirm(study, team, references, leaders, report=report)
    return Findings(begun, trials, leaders, alike, confirmed)
