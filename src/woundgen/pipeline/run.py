"""The whole way: check, split, train, calibrate, generate, evaluate, audit, utility and report, in one folder."""

from __future__ import annotations

import shlex
from pathlib import Path

from woundgen.api.places import Place
from woundgen.api.train import plan
from woundgen.errors import UserError
from woundgen.events import Info, Warn
from woundgen.pipeline.advice import PhaseCounts, count_phases, give_advice
from woundgen.pipeline.estimate import StudyPlan, estimate_study
from woundgen.pipeline.photographs import Divided, check_stage, read_divided, split_stage
from woundgen.pipeline.record import StagedStudy, claim_study, recorded_settings
from woundgen.pipeline.result import RunResult
from woundgen.pipeline.settings import RunOptions, StudySettings, resolve_settings
from woundgen.pipeline.stages import (
    FEWEST_IMAGES,
    PhasePlaces,
    StageStopped,
    audit_stage,
    calibrate_stage,
    evaluate_stage,
    generate_stage,
    phase_places,
    report_stage,
    train_stage,
)
from woundgen.pipeline.utility import utility_stage
from woundgen.runtime.console import Console, open_console, silent_console
from woundgen.runtime.lock import only_writer
from woundgen.storage.files import write_json
from woundgen.storage.names import SUMMARY_JSON

FEWEST_REFERENCES = 10  # photographs of the train side, as screening asks for
VALIDATION_SHARE = 0.15


def run(data: Place, *, out: Place, options: RunOptions | None = None, console: Console | None = None) -> RunResult:
    """Make a study of photographs: check, split, and for each phase train, calibrate, generate, evaluate and audit.

    data: folder of photographs (I/ P/ R/, or a metadata.csv with phase, patient and box) or an import, only read.
    out: one folder for all of it. options: settings, phases, images of each phase. console: for messages and progress;
    None prints them. Advice on the photographs comes before anything is spent. Stages that are done are skipped, so the
    same call goes on after a stop at any point. Ends with the report, and with utility where patients, phases and
    images allow it. Findings are sentences with n; sizes are pixels, times seconds.
    Raises UserError for photographs and settings that cannot serve, and where `out` holds another study.
    """
    folder = Path(out)
    with console or open_console() as opened:
        settings, source, counts = _prepare(Path(data), folder, options or RunOptions())
        claim_study(folder, given=settings.given(source.rows))
        study = StagedStudy(folder, opened)
        with only_writer(folder):
            for event in _advise(settings, counts):
                opened.show(event)
            try:
                result = _make(study, source, settings, [each.phase for each in _usable(counts)])
            except StageStopped as stopped:
                return RunResult(folder, exit_code=stopped.exit_code)
            write_json(folder / SUMMARY_JSON, result.to_json())
    return result


def plan_study(data: Place, *, out: Place, options: RunOptions | None = None) -> StudyPlan:
    """Plan a study without printing, writing to `out` or training: advice, stages, time and disk.

    data, out, options: as in `run`. Times are seconds, from a few steps of each phase on this machine; sizes are bytes.
    Raises UserError as `run` does.
    """
    folder = Path(out)
    settings, source, counts = _prepare(Path(data), folder, options or RunOptions())
    plans = {}
    for each in _usable(counts):
        config = settings.config.with_values(phases=(each.phase,))
        place = phase_places(folder, each.phase).run
        plans[each.phase] = plan(config, data=source.folder, out=place, console=silent_console())
    return estimate_study(plans, folder, settings, _advise(settings, counts))


def _prepare(data: Path, folder: Path, options: RunOptions) -> tuple[StudySettings, Divided, list[PhaseCounts]]:
    """Read settings and photographs. UserError where no phase has photographs enough."""
    settings = resolve_settings(options, recorded_settings(folder))
    source = read_divided(data)
    if folder.resolve().is_relative_to(data.resolve()):
        raise UserError(f"--out {folder} lies among the photographs, which are only read.", "Choose another --out.")
    asked = options.phases
    counts = [
        each
        for each in count_phases(source.rows, resolution=settings.config.model.resolution)
        if asked is None or each.phase in asked
    ]
    if missing := [phase for phase in asked or () if phase not in {each.phase for each in counts}]:
        raise UserError(f"{data} has no photograph of phase {missing[0]}.", "Leave it out of --phases.")
    if not _usable(counts):
        there = ", ".join(f"{each.phase} {each.photographs}" for each in counts) or "none"
        raise UserError(f"{data}: no phase has photographs enough to train on ({there}).", "Add photographs.")
    return settings, source, counts


def _usable(counts: list[PhaseCounts]) -> list[PhaseCounts]:
    return [each for each in counts if each.is_enough]


def _advise(settings: StudySettings, counts: list[PhaseCounts]) -> list[Info | Warn]:
    """Return the counts of each phase and the advice."""
    resolution = settings.config.model.resolution
    advice = [*give_advice(counts, resolution=resolution, validation_share=VALIDATION_SHARE)]
    advice += [settings.note] if settings.note else []
    facts = [
        f"phase {each.phase}: {each.photographs} photographs, {each.groups or 'no'} named patients" for each in counts
    ]
    return [*map(Info, facts), *map(Warn, advice)]


def _make(study: StagedStudy, source: Divided, settings: StudySettings, phases: list[str]) -> RunResult:
    """Do the stages in order; return what was found, where it is, and what to do next."""
    findings = [check_stage(study, source, settings)["sentence"]]
    divided, split = split_stage(study, source, phases)
    findings.append(split["sentence"])
    finished: list[PhasePlaces] = []
    for phase in phases:
        places = phase_places(study.folder, phase)
        sentences, is_drawn = _make_phase(study, places, divided, settings)
        findings += sentences
        if is_drawn:
            finished.append(places)
    utility_folder = None
    if finished:
        utility_folder, helps = utility_stage(study, finished, divided, settings)
        findings.append(helps["sentence"])
    pages: tuple[Path, ...] = ()
    if finished:
        pages = tuple(map(Path, report_stage(study, finished, settings, utility_folder)["pages"]))
    return RunResult(
        study.folder, tuple(findings), pages, tuple(_next_steps(study, finished, divided)), _seconds(study)
    )


def _make_phase(
    study: StagedStudy, places: PhasePlaces, divided: Divided, settings: StudySettings
) -> tuple[list[str], bool]:
    """Train, draw, measure and audit a phase; return the findings, and whether there is a set to report."""
    references = divided.count(places.phase, "train")
    if references < FEWEST_REFERENCES:
        few = f"phase {places.phase}: {references} photographs to train on, fewer than {FEWEST_REFERENCES}: left out"
        return [few], False
    sentences = [train_stage(study, places, divided, settings)["sentence"]]
    try:
        calibrate_stage(study, places, divided, settings)
    except UserError as error:
        return [*sentences, f"phase {places.phase}: no images, because they cannot be screened: {error.what}"], False
    drawn = generate_stage(study, places, divided, settings)
    sentences.append(drawn["sentence"])
    if drawn["accepted"] < FEWEST_IMAGES:
        return [*sentences, f"phase {places.phase}: neither measured nor audited, too few images"], False
    sentences.append(evaluate_stage(study, places)["sentence"])
    sentences.append(audit_stage(study, places, settings)["sentence"])
    return sentences, True


def _next_steps(study: StagedStudy, finished: list[PhasePlaces], divided: Divided) -> list[str]:
    """Return commands that go on from here."""
    real = ["--real", str(divided.folder)]
    steps = [["woundgen", "review", str(each.generated), *real] for each in finished[:1]]
    for each in finished:
        if divided.count(each.phase, "holdout"):
            words = ["woundgen", "evaluate", "--generated", str(each.generated), *real, "--side", "holdout"]
            steps.append([*words, "--phase", each.phase])
    return [shlex.join(words) for words in steps]


def _seconds(study: StagedStudy) -> tuple[tuple[str, float], ...]:
    return tuple(study.seconds().items())
