"""Begin a study or go on with it: what its first start fixed stays, whatever the machine does later."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch

from woundgen.config.ranges import check_real, check_seed, check_whole
from woundgen.data.photo_set import gather_for
from woundgen.errors import UserError
from woundgen.storage.files import read_json, sha256_json, write_json
from woundgen.storage.names import TUNE_JSON
from woundgen.storage.ownership import check_output, claim_output, make_private
from woundgen.training.plan import Plan, make_plan
from woundgen.tuning.budget import lay_out
from woundgen.tuning.objective import RECALL_SHARE, check_counts, choose_statistic, measure_recall
from woundgen.tuning.space import Space, default_space
from woundgen.tuning.space_changes import change_space
from woundgen.workflows.tune.division import CONFIRMATION, SELECTION, PatientDivision, divide_patients, write_division
from woundgen.workflows.tune.estimate import Numbers, StudyEstimate, estimate_cost
from woundgen.workflows.tune.reference import StudyReferences, open_references
from woundgen.workflows.tune.request import TuneRequest
from woundgen.workflows.tune.study import TuningStudy, read_study
from woundgen.workflows.tune.unit import PHOTOGRAPHS

FEWEST_TWO_SAMPLE = 16  # two disjoint halves of 8
DESIGN = 2  # of a study: counted up where the same request makes other trials or measurements
CONFIRMATION_IMAGES = 4  # times those of a selection measurement, where there are as many photographs


@dataclass(frozen=True, slots=True)
class Begun:
    """division: of the patients. estimate: None where the study goes on, or nothing was timed.

    planned_alone: the photographs were not measured; constraints and floors in `study` are not known.
    """

    study: TuningStudy
    division: PatientDivision
    estimate: StudyEstimate | None
    goes_on: bool
    planned_alone: bool = False


def begin_study(request: TuneRequest) -> Begun:
    """Read the study in --out, or plan a study, divide the patients and write its record.

    With dry_run nothing is written, and the plan is that which would be. UserError where --out holds another study,
    and for whatever the data or the space lack, before anything is written.
    """
    _check(request)
    if request.options.dry_run:
        check_output(request.out, identity=_identity(request), what="study of settings")
    elif (request.out / TUNE_JSON).exists():
        claim_output(request.out, identity=_identity(request), what="study of settings")
        record = read_json(request.out / TUNE_JSON)["division"]
        sides = {name: (counts[0], counts[1]) for name, counts in record["sides"].items()}
        division = PatientDivision(sides, record["sealed"], record["deviation"])
        return Begun(read_study(request.out), division, None, goes_on=True)
    config = request.config
    divided = divide_patients(
        request.data, phases=config.photographs.phases, shares=request.options.shares, seed=request.options.seed
    )
    _check_sides(request, divided.division)
    training, selection = (divided.division.sides[name][0] for name in ("training", "selection"))
    plan = make_plan(config, images=training, validation_images=selection)
    space = _build_space(request, steps=plan.steps)
    if request.options.dry_run:
        numbers = _count_numbers(request, plan, divided.division)
        trials, estimate = estimate_cost(request, space, numbers, data=request.data)
        study = _study(request, space, plan, trials, divided.division, None)
        return Begun(study, divided.division, estimate, goes_on=False, planned_alone=True)
    claim_output(request.out, identity=_identity(request), what="study of settings")
    make_private(request.out)  # its runs hold the keys that salt patients' ids
    photographs = request.out / PHOTOGRAPHS
    write_division(divided, photographs)
    numbers = _count_numbers(request, plan, divided.division)
    trials, estimate = estimate_cost(request, space, numbers, data=photographs)
    references = open_references(config, gather_for(config, photographs))
    study = _study(request, space, plan, trials, divided.division, references)
    begun = Begun(study, divided.division, estimate, goes_on=False)
    write_json(request.out / TUNE_JSON, _record(request, begun), private=True)  # it names the photographs' folder
    return begun


def _build_space(request: TuneRequest, *, steps: int) -> Space:
    space = default_space(request.config, steps=steps)
    return change_space(space, request.config, fixed=request.options.fixed, searched=request.options.searched)


def _count_numbers(request: TuneRequest, plan: Plan, division: PatientDivision) -> Numbers:
    images = min(request.options.images, division.sides["selection"][0])
    training, selection = (division.sides[name][0] for name in ("training", "selection"))
    confirming = min(CONFIRMATION_IMAGES * request.options.images, division.sides["confirmation"][0])
    return Numbers(training, selection, plan.steps, images, confirming)


def _check_sides(request: TuneRequest, division: PatientDivision) -> None:
    check_counts(division.sides["selection"][0], kind=request.objective)
    confirming = division.sides["confirmation"][0]
    if request.options.two_sample and confirming < FEWEST_TWO_SAMPLE:
        raise UserError(
            f"--two-sample needs {FEWEST_TWO_SAMPLE} confirmation photographs; there are {confirming}.",
            "Leave it out, or give --shares with a larger part for confirmation.",
        )


def _study(
    request: TuneRequest,
    space: Space,
    plan: Plan,
    trials: int,
    division: PatientDivision,
    references: StudyReferences | None,
) -> TuningStudy:
    """references: None leaves the constraints and floors at what they are without photographs."""
    numbers = _count_numbers(request, plan, division)
    facts: dict[str, Any] = {
        "least_recall": request.options.least_recall, "copy_ceiling": None, "copy_rate": 0.0, "floor": 0.0,
        "confirmation_floor": 0.0,
    }  # fmt: skip
    if references is not None:
        facts |= _measure_photographs(request, references, numbers.images, numbers.confirming)
    return TuningStudy(
        folder=request.out,
        config=request.config,
        space=space,
        layout=lay_out(trials, generation=request.options.generation),
        objective=request.objective,
        steps=plan.steps,
        epochs=plan.epochs,
        two_sample=request.options.two_sample,
        images=numbers.images,
        confirmation_images=numbers.confirming,
        seed=request.options.seed,
        threads=max(1, torch.get_num_threads() // max(1, len(request.options.cards))),
        seconds=None if request.budget.seconds is None else request.budget.seconds * max(1, len(request.options.cards)),
        **facts,
    )


def _measure_photographs(
    request: TuneRequest, references: StudyReferences, images: int, confirming: int
) -> dict[str, Any]:
    """Measure photographs of the training patients against the others: what a perfect generator would reach."""
    statistic = choose_statistic(request.objective)
    floors = {
        key: float(statistic(references.side_features("train", count), references.side_features(side, count)))
        for key, side, count in (
            ("floor", SELECTION, images), ("confirmation_floor", CONFIRMATION, confirming),
        )
    }  # fmt: skip
    recall = measure_recall(references.side_features("train", images), references.side_features(SELECTION, images))
    least = request.options.least_recall
    if least is None and recall is not None:
        least = RECALL_SHARE * recall
    ceiling = references.copy_ceiling()
    rate = 0.0
    if ceiling is not None:
        selection = references.side(SELECTION, len(references.photos.photos)).images
        collected = references.count_copies(selection, ceiling=ceiling.value) / len(selection)
        rate = max(collected, 1 - ceiling.level)
    return {
        **floors,
        "least_recall": least,
        "copy_ceiling": None if ceiling is None else ceiling.value,
        "copy_rate": rate,
    }


def _record(request: TuneRequest, begun: Begun) -> dict[str, Any]:
    return {
        "command": list(request.options.command),
        "data": str(request.data.resolve()),
        "division": {**asdict(begun.division), "sides": {k: list(v) for k, v in begun.division.sides.items()}},
        "estimate": None if begun.estimate is None else begun.estimate.to_json(),
        "study": begun.study.to_json(),
    }


def _identity(request: TuneRequest) -> str:
    """Return the digest of all that decides the trials. The cards do not."""
    return sha256_json(
        {
            "design": DESIGN,
            "config": request.config.flat(),
            "data": str(request.data.resolve()),
            "budget": asdict(request.budget),
            "fixed": list(request.options.fixed),
            "searched": list(request.options.searched),
            "objective": request.objective,
            "images": request.options.images,
            "two_sample": request.options.two_sample,
            "least_recall": request.options.least_recall,
            "shares": asdict(request.options.shares),
            "generation": request.options.generation,
            "seed": request.options.seed,
        }
    )


def _check(request: TuneRequest) -> None:
    config, options, shares = request.config, request.options, request.options.shares
    check_whole("--images", options.images, 8, 1000)
    check_real("--min-recall", options.least_recall, 0, 1)
    check_whole("--generation", options.generation, 2, 64)
    check_seed("--seed", options.seed)
    for share in asdict(shares).values():
        check_real("--shares", share, 0, 1)
    if config.photographs.fold is not None:
        raise UserError("fold: a study divides the patients by itself.", "Leave fold and folds out of the config.")
    if min(shares.train, shares.validation, shares.holdout) <= 0 or abs(sum(asdict(shares).values()) - 1) > 1e-6:
        raise UserError("--shares are three parts above 0 that sum to 1.", "Such as 0.6,0.2,0.2.")
    if request.out.resolve().is_relative_to(request.data.resolve()):
        raise UserError(f"--out {request.out} lies among the photographs, which are only read.", "Choose another.")
