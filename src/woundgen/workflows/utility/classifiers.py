"""The classifiers of a study of utility: each a function from a training list to probabilities, kept by content."""

from __future__ import annotations

import hashlib
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from woundgen.data.files.images import write_png
from woundgen.downstream import linear
from woundgen.downstream.command import run_command
from woundgen.downstream.run import Fit, Train
from woundgen.errors import UserError
from woundgen.similarity.colour import colour_statistics
from woundgen.storage.arrays import keep_array
from woundgen.storage.files import sha256_json
from woundgen.storage.ownership import make_private
from woundgen.workflows.utility.bank import Bank

EMBEDDED, DINOV2, COLOUR, CNN = "embedded", "dinov2", "colour", "cnn"
NAMES = (EMBEDDED, DINOV2, COLOUR, CNN)
DINOV2_NETWORK = "dinov2-small"
Features = NDArray[np.float64]
Describe = Callable[[NDArray[np.uint8]], Features]


@dataclass(frozen=True, slots=True)
class Classifier:
    """identity: all that decides its predictions apart from the images and the seed."""

    name: str
    identity: dict[str, Any]
    train: Train


def command_words(name: str) -> list[str] | None:
    """None for a classifier that is built in, else the words of the command. UserError where there is none."""
    if name in NAMES:
        return None
    try:
        words = shlex.split(name)
    except ValueError as error:
        raise UserError(f"--classifier {name!r} cannot be read as a command ({error}).", "Mend its quotes.") from None
    if not words or shutil.which(words[0]) is None:
        raise UserError(
            f"--classifier {name!r} is neither {', '.join(NAMES)} nor a command that can be found.",
            "docs/howto/utility.md has the contract of a command.",
        )
    return words


def feature_source(name: str) -> tuple[str, Describe]:
    """(digest, images → [N, d]): the classifier's own features, or the embedded ones where it has none.

    Of a classifier that has none they serve to choose images alone.
    """
    if name == COLOUR:
        return "colour statistics", _colour
    from woundgen.features.load import load_extractor  # torch, which `colour` can do without

    extractor = load_extractor(DINOV2_NETWORK if name == DINOV2 else EMBEDDED)
    return extractor.digest, extractor.pooled


def features_of(bank: Bank, source: tuple[str, Describe], folder: Path) -> Features:
    """Of every image, kept in `folder` by content."""
    digest, describe = source
    path = folder / f"features_{sha256_json([bank.digests, digest])[:16]}.npy"
    return keep_array(path, lambda: describe(bank.images), private=True)


def _colour(images: NDArray[np.uint8]) -> Features:
    parts = [colour_statistics(images[first : first + 64] / 255.0) for first in range(0, len(images), 64)]
    return np.concatenate(parts)


def make_classifier(
    name: str, bank: Bank, features: Features, digest: str, *, phases: tuple[str, ...], work: Path
) -> Classifier:
    """features: of features_of; digest: of their source. work: a private folder, for images that a command reads."""
    classes = len(phases)
    if words := command_words(name):
        paths = _write_images(bank, work)
        return Classifier(name, {"command": words, "phases": phases}, _by_command(words, paths, phases))
    if name == CNN:
        import torch

        from woundgen.downstream import cnn

        torch.set_num_threads(1)  # fits run side by side, one a processor
        small = cnn.shrink(bank.images)
        identity = {"cnn": cnn.VERSION, "steps": cnn.STEPS, "batch": cnn.PER_PHASE, "rate": cnn.RATE}
        return Classifier(
            name,
            identity,
            lambda fit: cnn.train_cnn(small, fit.rows, fit.labels, fit.query, classes=classes, seed=fit.seed),
        )
    decided: dict[str, Any] = {
        "linear": linear.VERSION,
        "steps": linear.STEPS,
        "penalty": linear.PENALTY,
        "features": digest,
    }
    return Classifier(name, decided, lambda fit: train_linear(fit, features, classes=classes))


def train_linear(fit: Fit, features: Features, *, classes: int) -> Features:
    """Repeats in the list are weights: full-batch steps see no difference."""
    cells, times = np.unique(fit.rows * classes + fit.labels, return_counts=True)
    model = linear.fit_linear(features[cells // classes], cells % classes, times, classes=classes)
    return model.predict(features[fit.query])


def kept(classifier: Classifier, bank: Bank, folder: Path) -> Train:
    """`classifier.train` that reads what it has predicted before from `folder`."""

    def train(fit: Fit) -> Features:
        path = folder / f"{_key(fit, classifier, bank)}.npy"
        return keep_array(path, lambda: classifier.train(fit), private=True)

    return train


def _key(fit: Fit, classifier: Classifier, bank: Bank) -> str:
    """Digest of what decides the prediction: images by content, in order, with labels; classifier; seed."""
    state = hashlib.sha256()
    for row, label in zip(fit.rows.tolist(), fit.labels.tolist(), strict=True):
        state.update(f"{bank.digests[row]}:{label},".encode())
    state.update(b"|")
    for row in fit.query.tolist():
        state.update(bank.digests[row].encode())
    return sha256_json([classifier.identity, fit.seed, state.hexdigest()])


def _by_command(words: list[str], paths: list[Path], phases: tuple[str, ...]) -> Callable[[Fit], Features]:
    def train(fit: Fit) -> Features:
        return run_command(
            words,
            training=[(paths[row], phases[label]) for row, label in zip(fit.rows, fit.labels, strict=True)],
            query=[paths[row] for row in fit.query],
            phases=phases,
            seed=fit.seed,
        )

    return train


def _write_images(bank: Bank, work: Path) -> list[Path]:
    """One PNG for each row of the bank, where it is not there already."""
    folder = (work / "images").resolve()
    make_private(folder)
    paths = [folder / f"{row:06d}_{digest[:12]}.png" for row, digest in enumerate(bank.digests)]
    for path, image in zip(paths, bank.images, strict=True):
        if not path.exists():
            write_png(path, image, text={})
    return paths
