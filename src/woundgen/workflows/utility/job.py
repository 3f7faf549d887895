"""The job of `woundgen utility`: does adding synthetic images help a classifier of phases?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from woundgen.data.photo_set import PhotoSet
from woundgen.downstream.assess import HeldOut
from woundgen.downstream.choice import pool_of
from woundgen.downstream.conclude import UtilityConclusion
from woundgen.events import Info, Work
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
from woundgen.workflows.utility.request import UtilityRequest, check_request
from woundgen.workflows.utility.study import run_study


def measure_utility(request: UtilityRequest, *, out: Path) -> Work[dict[str, Any]]:
    """Train every arm, test it on groups nothing has seen, conclude: what utility.json is to hold.

    The same call on the same folder goes on where it was.
    """
    options, doses = request.options, request.positive_doses()
    command_words(options.classifier)
    check_request(request, doses)
    margin = choose_margin(request.synthetic, asked=options.margin)
    photos = read_photographs(
        request.real, classes=options.classes, size=options.size, margin=margin, clusters=options.clusters
    )
    sets = read_sets(
        request.synthetic, photos, root=request.real, classes=options.classes, size=options.size, runs=options.runs
    )
    phases = receiving(sets, asked=options.phases, classes=options.classes)
    bank = build_bank(
        photos,
        sets,
        root=request.real,
        classes=options.classes,
        phases=phases,
        doses=doses,
        folds=options.folds,
        seed=options.seed,
    )
    source = feature_source(options.classifier)
    identity = [bank.digests, options.classifier, options.classes, phases, doses, options.seeds, options.folds]
    claim_output(out, identity=sha256_json([*identity, options.seed, source[0]]), what="study of utility")
    work = out / CACHE
    for folder in (work, work / "fits"):  # predictions and pixels of patients' photographs
        make_private(folder)
    features = features_of(bank, source, work)
    classifier = make_classifier(options.classifier, bank, features, source[0], phases=options.classes, work=work)
    test = _test(photos, bank, classes=options.classes)
    yield from _announce(photos, bank, test, phases)
    conclusion = yield from run_study(
        bank.folds,
        kept(classifier, bank, work / "fits"),
        test,
        features=features,
        groups=photos.groups(range(len(photos.photos))),
        doses=doses,
        seeds=options.seeds,
    )
    record = _record(request, photos, bank, conclusion, classifier, phases, doses)
    return record | {"adapters": sorted({digest for one in sets for digest in one.adapters})}


def _test(photos: PhotoSet, bank: Bank, *, classes: tuple[str, ...]) -> HeldOut:
    rows = np.concatenate([fold.test for fold in bank.folds])
    truth = np.array([classes.index(photos.photos[row].phase) for row in rows])
    return HeldOut(classes, truth, group_codes(photos.groups(rows.tolist()), len(rows)))


def _announce(photos: PhotoSet, bank: Bank, test: HeldOut, phases: Sequence[str]) -> Work[None]:
    design = "a sealed hold-out" if bank.sealed else f"{len(bank.folds)} folds, each group tested once"
    groups = ", ".join(f"{phase}: {number}" for phase, number in test.groups_of_phase().items())
    yield Info(f"test         {design}; groups of {photos.grouping}: {groups}")
    for phase in phases:
        pools = [len(fold.material.synthetic[phase]) for fold in bank.folds]
        real = [len(fold.material.real[phase]) for fold in bank.folds]
        yield Info(
            f"phase {phase}      {min(real)} photographs to train on, {min(pools)} synthetic images to draw from"
        )


def _record(
    request: UtilityRequest,
    photos: PhotoSet,
    bank: Bank,
    conclusion: UtilityConclusion,
    classifier: Classifier,
    phases: Sequence[str],
    doses: Sequence[float],
) -> dict[str, Any]:
    """Return the shareable record: counts and scores, no patient, path or file. Of a command, the program alone."""
    options = request.options
    words = command_words(options.classifier)
    tested = np.concatenate([fold.test for fold in bank.folds])
    return {
        "version": 1,
        "classifier": Path(words[0]).name if words else options.classifier,
        "classifier_settings": {k: v for k, v in classifier.identity.items() if k not in ("command", "phases")},
        "design": {
            "test": "sealed hold-out" if bank.sealed else f"{len(bank.folds)} grouped folds",
            "grouping": photos.grouping,
            "seeds": options.seeds,
            "doses": list(doses),
            "phases_added_to": list(phases),
            "tested": counts(photos, tested),
            "trained_on": counts(photos, pool_of(bank.folds[0].material.real)),
            "synthetic": {phase: len(rows) for phase, rows in bank.folds[0].material.synthetic.items()},
        },
        **conclusion.to_json(),
    }
