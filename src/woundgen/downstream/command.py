"""The group's own classifier as a command. The contract, also in docs/howto/utility.md:

    COMMAND train.csv test.csv predictions.csv

train.csv: file_name, phase; one line an image, in as many lines as it is to count. test.csv: file_name.
The command writes predictions.csv: file_name and one column a phase with its probability, or file_name and
phase; one line for each line of test.csv. The environment has WOUNDGEN_SEED; the same seed is given to every
arm, and the same number of steps (or the same early-stopping rule) is the command's own duty.
"""

from __future__ import annotations

import csv
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from woundgen.errors import UserError

SEED = "WOUNDGEN_SEED"
TRAIN_CSV, TEST_CSV, PREDICTIONS_CSV = "train.csv", "test.csv", "predictions.csv"


def run_command(
    words: Sequence[str],
    *,
    training: Sequence[tuple[Path, str]],
    query: Sequence[Path],
    phases: Sequence[str],
    seed: int,
) -> npt.NDArray[np.float64]:
    """Probabilities [len(query), K]. Raises UserError where the command fails or breaks the contract."""
    with tempfile.TemporaryDirectory(prefix="woundgen-") as name:
        folder = Path(name)
        _write(folder / TRAIN_CSV, ("file_name", "phase"), [(str(path), phase) for path, phase in training])
        _write(folder / TEST_CSV, ("file_name",), [(str(path),) for path in query])
        places = [str(folder / file) for file in (TRAIN_CSV, TEST_CSV, PREDICTIONS_CSV)]
        try:
            done = subprocess.run(
                [*words, *places], capture_output=True, text=True, errors="replace", env={**os.environ, SEED: str(seed)}
            )
        except OSError as error:
            raise UserError(f"--classifier {words[0]} cannot be started ({error.strerror}).", "Check it.") from None
        if done.returncode != 0:
            last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
            raise UserError(f"--classifier {words[0]} ended with exit code {done.returncode}: {last}", "Mend it.")
        return read_predictions(folder / PREDICTIONS_CSV, query=query, phases=phases)


def read_predictions(path: Path, *, query: Sequence[Path], phases: Sequence[str]) -> npt.NDArray[np.float64]:
    """[len(query), K] in the order of `query`. Probabilities are scaled to sum to 1."""
    if not path.exists():
        raise UserError(f"The classifier wrote no {path.name}.", "docs/howto/utility.md has the contract.")
    with path.open(encoding="utf-8-sig", newline="") as handle:
        rows = list(csv.DictReader(handle))
    if len(rows) != len(query):
        raise UserError(
            f"The classifier predicted {len(rows)} rows for {len(query)} images.", "Write one row an image of test.csv."
        )
    found = {row.get("file_name", ""): row for row in rows}
    missing = [path for path in query if str(path) not in found]
    if missing:
        raise UserError(
            f"The classifier's predictions leave out {missing[0].name} ({len(missing)} in all).",
            "Write file_name as it stands in test.csv.",
        )
    return np.stack([_probabilities(found[str(path)], phases=phases) for path in query])


def _probabilities(row: Mapping[str, str], *, phases: Sequence[str]) -> npt.NDArray[np.float64]:
    if row.get("phase"):
        if row["phase"] not in phases:
            raise UserError(f"The classifier predicted phase {row['phase']!r}.", f"Valid: {', '.join(phases)}.")
        return np.array([float(phase == row["phase"]) for phase in phases])
    try:
        values = np.array([float(row[phase]) for phase in phases])
    except (KeyError, TypeError, ValueError):
        raise UserError(
            f"The classifier's predictions have neither a phase nor numbers for {', '.join(phases)}.",
            "docs/howto/utility.md has the contract.",
        ) from None
    if not np.isfinite(values).all() or values.min() < 0 or values.sum() <= 0:
        raise UserError(f"The classifier predicted {values.tolist()}, which are no probabilities.", "Mend it.")
    return values / values.sum()


def _write(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(header)
        writer.writerows(rows)
