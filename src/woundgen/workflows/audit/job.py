"""The job of `woundgen audit`: what a generated set gives away of the photographs it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from woundgen.config.quality import QualityConfig
from woundgen.data.files.images import write_png
from woundgen.data.photo_set import PhotoSet
from woundgen.errors import UserError
from woundgen.events import Info, Work
from woundgen.generation.drawn_pixels import check_drawn_image
from woundgen.generation.schedulers import check_strength
from woundgen.metrics.checks import check_preparations
from woundgen.metrics.neighbour_scores import authenticity
from woundgen.privacy.membership import Membership, membership_test
from woundgen.privacy.nearness import Nearness, nearness_test
from woundgen.privacy.statement import NOT_COVERED, verdict
from woundgen.reporting.audit_page import audit_html, audit_page
from woundgen.reporting.pictures import image_grid
from woundgen.screening.descriptors import Descriptors
from woundgen.similarity.neighbours import euclidean_distances, leave_group_out_nearest
from woundgen.storage.content_digest import add_digest, without_digest
from woundgen.storage.files import read_json, sha256_json, write_json, write_text
from woundgen.storage.names import (
    AUDIT_HTML,
    AUDIT_JSON,
    AUDIT_MD,
    NEAREST_PAIRS,
    SET_JSON,
    private_folder,
)
from woundgen.storage.ownership import claim_output, make_private
from woundgen.storage.set_rows import holds_rejected_rows, images_digest, read_released_rows, read_tally
from woundgen.workflows.audit.copies import count_copies, prepare_search
from woundgen.workflows.audit.from_photographs import recognise_beginnings
from woundgen.workflows.audit.membership_loss import loss_difference
from woundgen.workflows.audit.released import attack_set, released_facts
from woundgen.workflows.audit.sides import Sides, find_sides
from woundgen.workflows.audit.subject import Subject
from woundgen.workflows.evaluate.sets import read_set
from woundgen.workflows.screen.networks import choose_networks, describe

T = TypeVar("T")
PAIRS = 12


def audit_set(
    generated: Path, *, subject: Subject, out: Path, quality: QualityConfig, strengths: Sequence[float] = ()
) -> Work[dict[str, Any]]:
    """privacy.json and PRIVACY.md in `out`, safe to share; the sheet of nearest pairs beside it, private.

    strengths: at which images are begun from photographs trained on, to say how many are recognised.
    """
    recipe = without_digest(read_json(generated / SET_JSON))
    for strength in strengths:
        check_strength(strength, steps=recipe["sampler"]["steps"])
    drawn, held_back = _drawn(generated)
    photos = subject.photos
    images = _images(generated, recipe["label"], photos)
    networks = choose_networks(quality)
    decisive = [recipe, photos.digest, quality.model_dump(mode="json"), asdict(networks.used), *strengths]
    claim_output(out, identity=sha256_json(decisive), what="audit")
    sides = find_sides(photos)

    described, photographs = describe(images, networks), describe(photos.images, networks)
    search = prepare_search(
        photographs.take(np.array(sides.trained)), photos.groups(sides.trained), level=quality.copy_quantile
    )
    copies = yield from count_copies(search, described.scenes)
    begun = yield from recognise_beginnings(subject, sides, search, recipe["sampler"], strengths=strengths)
    distances = _either_way(described, photographs)
    nearness, no_nearness = _tried(lambda: _nearness(distances, photos, sides))
    membership, no_membership = _tried(lambda: _membership(subject, sides))
    released, no_released = _tried(lambda: _released(generated, described, photographs, photos, sides))
    result: dict[str, Any] = {
        "n": len(images),
        "images": images_digest(generated),
        "networks": asdict(networks.used),
        "grouping": photos.grouping,
        "copies": {"count": copies.count, "upper_bound": copies.bound, "rule": copies.rule},
        "drawn": {"count": drawn, "held_back": held_back},
        "nearness": asdict(nearness) if nearness else {"not_made": no_nearness},
        "authenticity": _authenticity(described, photographs, photos, sides),
        "membership": asdict(membership) if membership else {"not_made": no_membership},
        "released": released or {"not_made": no_released},
        "from_photographs": begun,
        "verdict": verdict(
            copies=copies.count,
            n=len(images),
            bound=copies.bound,
            nearness=nearness,
            membership=membership,
            held_back=held_back,
            proven=released["proven"] if released else 0,
        ),
        "not_covered": NOT_COVERED,
    }
    write_json(out / AUDIT_JSON, add_digest(result))
    write_text(out / AUDIT_MD, audit_page(result))
    write_text(out / AUDIT_HTML, audit_html(result))
    _write_pairs(private_folder(out), images, photos.images[sides.trained], distances[:, sides.trained])
    yield Info(result["verdict"])
    for name in (AUDIT_MD, AUDIT_HTML, AUDIT_JSON):
        yield Info(f"written: {out / name}")
    yield Info(f"written, private: {private_folder(out) / NEAREST_PAIRS}")
    return result


def _images(generated: Path, label: str, photos: PhotoSet) -> NDArray[np.uint8]:
    """Read the set's images; UserError for an exchanged picture or photographs prepared otherwise."""
    for row in read_released_rows(generated):
        check_drawn_image(generated, row)
    side = photos.preparation.resolution
    drawn = read_set(generated, phase=label, size=side, margin=photos.preparation.margin or 0)
    check_preparations({"real": photos.preparation, "generated": drawn.preparation})
    return drawn.images


def _drawn(generated: Path) -> tuple[int, int]:
    """Images ever drawn for the set, and those held back as copies; UserError for a set that kept none."""
    tally = read_tally(generated)
    held_back = tally.copies
    if not tally.accepted:
        raise UserError(
            f"{generated} holds no image: {tally.drawn} were drawn, {held_back} of them held back as copies.",
            "Nothing can be said of an empty set; draw more, or with --policy report.",
        )
    return tally.drawn, held_back


def _either_way(images: Descriptors, photographs: Descriptors) -> NDArray[np.float64]:
    """[N, M] feature distances of the image or its mirror image, whichever is nearer."""
    straight = euclidean_distances(images.pooled, photographs.pooled)
    return np.minimum(straight, euclidean_distances(images.pooled_mirrored, photographs.pooled))


def _nearness(distances: NDArray[np.float64], photos: PhotoSet, sides: Sides) -> Nearness:
    rows = sides.trained + sides.others
    return nearness_test(distances[:, rows], np.isin(rows, sides.trained), photos.groups(rows))


def _membership(subject: Subject, sides: Sides) -> Membership:
    if not sides.sealed:
        raise UserError("No photograph was sealed before training (`split` = holdout).")
    rows, photos = sides.trained + sides.sealed, subject.photos
    difference = loss_difference(subject.load(), subject.adapters, photos.images[rows], subject.prompts(rows))
    return membership_test(difference, np.isin(rows, sides.trained), photos.groups(rows))


def _released(
    generated: Path, described: Descriptors, photographs: Descriptors, photos: PhotoSet, sides: Sides
) -> dict[str, Any]:
    """The attack from the files beside the images."""
    rows = sides.trained + sides.others
    found = attack_set(generated, described, photographs.take(np.array(rows)))
    return released_facts(
        found, np.isin(rows, sides.trained), photos.groups(rows), rejected_rows=holds_rejected_rows(generated)
    )


def _authenticity(images: Descriptors, photographs: Descriptors, photos: PhotoSet, sides: Sides) -> dict[str, Any]:
    """Of the images, and of photographs held out as if they had been drawn: what no copying gives."""
    own = photographs.take(np.array(sides.trained))
    spacing = leave_group_out_nearest(_either_way(own, own), photos.groups(sides.trained))[1]

    def of(some: Descriptors) -> float:
        return authenticity(_either_way(some, own).T, spacing)

    usual = of(photographs.take(np.array(sides.others))) if sides.others else None
    return {"value": of(images), "held_out": usual, "n": [len(images), len(sides.others)]}


def _tried(test: Callable[[], T]) -> tuple[T | None, str]:
    """The test's result, or why it cannot be made."""
    try:
        return test(), ""
    except UserError as error:
        return None, str(error)


def _write_pairs(
    folder: Path, images: NDArray[np.uint8], photographs: NDArray[np.uint8], distances: NDArray[np.float64]
) -> None:
    """The PAIRS nearest: image, then photograph. Private, mode 0700."""
    nearest = distances.argmin(axis=1)
    order = np.argsort(distances.min(axis=1), kind="stable")[:PAIRS]
    make_private(folder)
    pictures = [picture for row in order for picture in (images[row], photographs[nearest[row]])]
    labels = [text for row in order for text in (f"drawn, {distances[row].min():.2f}", "photograph")]
    write_png(folder / NEAREST_PAIRS, image_grid(pictures, columns=8, labels=labels), text={})
