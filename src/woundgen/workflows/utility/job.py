"""The job of `woundgen utility`: does adding synthetic images help a classifier of phases?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from woundgen.data.photo_set import PhotoSet
from woundgen.downstream.assess import HeldOut
from woundgen.downstream.choice import pool_of
from woundgen.downstream.conclude import Conclusion
from woundgen.errors import UserError
from woundgen.similarity.groups import group_codes
from woundgen.storage.files import sha256_json
from woundgen.storage.names import CACHE
from woundgen.storage.ownership import claim_output, make_private
from woundgen.workflows.utility.bank import (
    Bank,
    build_bank,
    choose_margin,
    counts,
    read_photographs,
    read_sets,
    receiving,
)
from woundgen.workflows.utility.classifiers import (
    Classifier,
    command_words,
    feature_source,
    features_of,
    kept,
    make_classifier,
)
from woundgen.workflows.utility.study import Progress, run_study

Say = Callable[[str], None]
FEWEST_SEEDS = 5


@dataclass(frozen=True, slots=True)
class UtilityRequest:
    """What the user asked for. phases: that get synthetic images; None: all that the sets have.

    margin: around the wound's box; None: as the sets' generators were trained.
    """

    real: Path
    synthetic: tuple[Path, ...]
    doses: tuple[float, ...]
    classifier: str
    classes: tuple[str, ...]
    phases: tuple[str, ...] | None
    folds: int
    seeds: int
    seed: int
    size: int
    margin: float | None
    clusters: bool
    runs: Path


def measure_utility(request: UtilityRequest, *, out: Path, say: Say, progress: Progress) -> dict[str, Any]:
    """Train every arm, test it on groups nothing has seen, conclude: what utility.json is to hold.

    The same call on the same folder goes on where it was.
    """
    doses = tuple(sorted({dose for dose in request.doses if dose > 0}))
    _check(request, doses)
    margin = choose_margin(request.synthetic, asked=request.margin)
    photos = read_photographs(
        request.real, classes=request.classes, size=request.size, margin=margin, clusters=request.clusters
    )
    sets = read_sets(
        request.synthetic, photos, root=request.real, classes=request.classes, size=request.size, runs=request.runs
    )
    phases = receiving(sets, asked=request.phases, classes=request.classes)
    bank = build_bank(
        photos,
        sets,
        root=request.real,
        classes=request.classes,
        phases=phases,
        doses=doses,
        folds=request.folds,
        seed=request.seed,
    )
    source = feature_source(request.classifier)
    identity = [bank.digests, request.classifier, request.classes, phases, doses, request.seeds, request.folds]
    claim_output(out, identity=sha256_json([*identity, request.seed, source[0]]), what="study of utility")
    work = out / CACHE
    for folder in (work, work / "fits"):  # predictions and pixels of patients' photographs
        make_private(folder)
    features = features_of(bank, source, work)
    classifier = make_classifier(request.classifier, bank, features, source[0], phases=request.classes, work=work)
    test = _test(photos, bank, classes=request.classes)
    _announce(photos, bank, test, phases, say)
    conclusion = run_study(
        bank.folds,
        kept(classifier, bank, work / "fits"),
        test,
        features=features,
        groups=photos.groups(range(len(photos.photos))),
        doses=doses,
        seeds=request.seeds,
        progress=progress,
    )
    return _record(request, photos, bank, conclusion, classifier, phases, doses)


def _check(request: UtilityRequest, doses: Sequence[float]) -> None:
    command_words(request.classifier)
    if not request.synthetic:
        raise UserError("No synthetic set is named.", "Give --synthetic FOLDER; repeatable.")
    if not doses:
        raise UserError("--doses holds no dose above 0.", "Such as --doses 0,0.25,0.5,1,2.")
    if request.seeds < FEWEST_SEEDS:
        raise UserError(f"--seeds {request.seeds}: the spread over seeds needs {FEWEST_SEEDS}.", "Give more.")


def _test(photos: PhotoSet, bank: Bank, *, classes: tuple[str, ...]) -> HeldOut:
    rows = np.concatenate([fold.test for fold in bank.folds])
    truth = np.array([classes.index(photos.photos[row].phase) for row in rows])
    return HeldOut(classes, truth, group_codes(photos.groups(rows.tolist()), len(rows)))


def _announce(photos: PhotoSet, bank: Bank, test: HeldOut, phases: Sequence[str], say: Say) -> None:
    design = "a sealed hold-out" if bank.sealed else f"{len(bank.folds)} folds, each group tested once"
    groups = ", ".join(f"{phase}: {number}" for phase, number in test.groups_of_phase().items())
    say(f"test         {design}; groups of {photos.grouping}: {groups}")
    for phase in phases:
        pools = [len(fold.material.synthetic[phase]) for fold in bank.folds]
        real = [len(fold.material.real[phase]) for fold in bank.folds]
        say(f"phase {phase}      {min(real)} photographs to train on, {min(pools)} synthetic images to draw from")


def _record(
    request: UtilityRequest,
    photos: PhotoSet,
    bank: Bank,
    conclusion: Conclusion,
    classifier: Classifier,
    phases: Sequence[str],
    doses: Sequence[float],
) -> dict[str, Any]:
    """What may be shared: counts and scores, no patient, path or file. A command is named by its program alone."""
    words = command_words(request.classifier)
    tested = np.concatenate([fold.test for fold in bank.folds])
    return {
        "version": 1,
        "classifier": Path(words[0]).name if words else request.classifier,
        "classifier_settings": {k: v for k, v in classifier.identity.items() if k not in ("command", "phases")},
        "design": {
            "test": "sealed hold-out" if bank.sealed else f"{len(bank.folds)} grouped folds",
            "grouping": photos.grouping,
            "seeds": request.seeds,
            "doses": list(doses),
            "phases_added_to": list(phases),
            "tested": counts(photos, tested),
            "trained_on": counts(photos, pool_of(bank.folds[0].material.real)),
            "synthetic": {phase: len(rows) for phase, rows in bank.folds[0].material.synthetic.items()},
        },
        **conclusion.to_json(),
    }
