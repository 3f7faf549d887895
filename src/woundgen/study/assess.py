"""The record of a study: every number of the report, with its interval and what it rests on. Plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from woundgen.study import merit
from woundgen.study.agreement import Agreement, agree_among, agree_in_pairs
from woundgen.study.answers import Readings
from woundgen.study.correlation import rank_correlation
from woundgen.study.equivalence import Equivalence, assess_equivalence
from woundgen.study.merit import Array, Merit
from woundgen.study.readers import Pooled, analyse_reader, pool
from woundgen.study.sentence import conclude

VERSION = 1
FEWEST = 4  # answers on each side, below which a reader has no numbers
SHOWN = 12

Row = dict[str, Any]


def assess(readings: Readings, *, margin: float, scores: Mapping[str, Array], sets: Sequence[str]) -> Row:
    """scores: name -> [N] of synthetic images, NaN elsewhere. sets: their names. Raises ValueError without readers."""
    usable = [row for row in range(len(readings.readers)) if _has_enough(readings, row)]
    if not usable:
        raise ValueError(f"no reader has answered {FEWEST} photographs and {FEWEST} synthetic images")
    figures = _figures(readings)
    pooled = {name: _entry(pool(_rows(figure, usable)), is_share) for name, (figure, is_share) in figures.items()}
    accuracy = pool(_rows(figures["accuracy"][0], usable))
    equivalence = assess_equivalence(
        accuracy, margin=margin, smallest_variance=0.25 / accuracy.groups if accuracy.variance == 0 else 0.0
    )
    record: Row = {
        "version": VERSION,
        "margin": margin,
        "design": _design(readings, usable, sets),
        "pooled": pooled,
        "equivalence": _equivalence(equivalence),
        "readers": [_reader(readings, figures, row) for row in range(len(readings.readers))],
        "by_set": _by_part(readings, usable, "set", sets),
        "by_phase": _by_part(readings, usable, "phase", readings.phase_names),
        "agreement": _agreement(readings, usable),
        "phase_labels": _phase_labels(readings, usable),
        "plausibility": _two_sides(readings.plausibility, readings, usable),
        "time": _times(readings, usable),
        "gave_away": _gave_away(readings, usable),
        "predictors": _predictors(readings, usable, scores),
    }
    record["sentence"] = conclude(record)
    return record


def _has_enough(readings: Readings, row: int) -> bool:
    there = readings.answered()[row]
    return all((there & (readings.cases.synthetic == side)).sum() >= FEWEST for side in (True, False))


def _figures(readings: Readings) -> dict[str, tuple[Merit, bool]]:
    """name -> (figure of merit, whether it is a share of 0..1)."""
    calls, cases = readings.calls, readings.cases
    return {
        "accuracy": (merit.accuracy(calls, cases), True),
        "sensitivity": (merit.sensitivity(calls, cases), True),
        "specificity": (merit.specificity(calls, cases), True),
        "AUC": (merit.auc(readings.ratings, cases), True),
        "d'": (merit.d_prime(calls, cases), False),
    }


def _rows(figure: Merit, rows: Sequence[int]) -> Merit:
    return Merit(figure.value[rows], figure.left_out[rows], figure.answered[rows], figure.independent)


def _entry(found: Pooled | None, is_share: bool) -> Row | None:
    if found is None:
        return None
    low: float | None
    high: float | None
    low, high = found.bounds_of_share() if is_share else found.bounds()
    if not is_share and found.variance == 0:
        low = high = None  # nothing varied: no certainty, and no interval
    return {"value": found.value, "low": low, "high": high, "readers": found.readers, "groups": found.groups}


def _equivalence(found: Equivalence) -> Row:
    low, high = max(0.0, found.low), min(1.0, found.high)
    return {"margin": found.margin, "p": found.p, "low": low, "high": high, "claimed": found.claimed}


def _design(readings: Readings, usable: Sequence[int], sets: Sequence[str]) -> Row:
    synthetic = readings.cases.synthetic
    groups = {side: len(set(readings.cases.groups[synthetic == side].tolist())) for side in (True, False)}
    return {
        "readers": len(usable),
        "left_out": [name for row, name in enumerate(readings.readers) if row not in usable],
        "photographs": int((~synthetic).sum()),
        "patients": groups[False],
        "synthetic": int(synthetic.sum()),
        "answers": int(readings.answered()[list(usable)].sum()),
        "sets": list(sets),
        "phases": list(readings.phase_names),
    }


def _reader(readings: Readings, figures: Mapping[str, tuple[Merit, bool]], row: int) -> Row:
    right, asked = readings.checks[readings.readers[row]]
    enough = _has_enough(readings, row)
    seconds = readings.seconds[row]
    return {
        "name": readings.readers[row],
        "answers": int(readings.answered()[row].sum()),
        **{
            name: _entry(analyse_reader(figure, row), is_share) if enough else None
            for name, (figure, is_share) in figures.items()
        },
        "checks": [right, asked],
        "seconds": float(np.nanmedian(seconds)) if np.isfinite(seconds).any() else None,
        "again": {
            "call": _kappa(agree_in_pairs(readings.calls[row], readings.again[row, :, 0], 2)),
            "phase": _kappa(
                agree_in_pairs(readings.phases[row], readings.again[row, :, 1], len(readings.phase_names) + 1)
            ),
            "plausibility": _kappa(
                agree_in_pairs(readings.plausibility[row] - 1, readings.again[row, :, 2] - 1, 5, weighted=True)
            ),
        },
    }


def _by_part(readings: Readings, usable: Sequence[int], kind: str, names: Sequence[str]) -> list[Row]:
    """Accuracy and AUC of each set (against all photographs), or of each phase."""
    if len(names) < 2:
        return []
    found = []
    for number, name in enumerate(names):
        rows = [one.set in (None, number) if kind == "set" else one.phase == name for one in readings.truth]
        part = readings.only(np.array(rows, bool))
        there = [row for row in usable if _has_enough(part, row)]
        figures = _figures(part)
        entries = {
            key: _entry(pool(_rows(figures[key][0], there)), True) if there else None for key in ("accuracy", "AUC")
        }
        found.append({"name": name, "synthetic": int(part.cases.synthetic.sum()), **entries})
    return found


def _kappa(found: Agreement | None) -> Row | None:
    return None if found is None else {name: getattr(found, name) for name in found.__slots__}


def _agreement(readings: Readings, usable: Sequence[int]) -> Row:
    """Between readers (Fleiss) and for each pair of them (Cohen; of the plausibility weighted)."""
    rows, count = list(usable), len(readings.phase_names) + 1
    pairs = [
        {
            "readers": [readings.readers[a], readings.readers[b]],
            "call": _kappa(agree_in_pairs(readings.calls[a], readings.calls[b], 2)),
            "phase": _kappa(agree_in_pairs(readings.phases[a], readings.phases[b], count)),
            "plausibility": _kappa(
                agree_in_pairs(readings.plausibility[a] - 1, readings.plausibility[b] - 1, 5, weighted=True)
            ),
        }
        for i, a in enumerate(rows)
        for b in rows[i + 1 :]
    ]
    among = len(rows) > 1
    return {
        "call": _kappa(agree_among(readings.calls[rows], 2)) if among else None,
        "phase": _kappa(agree_among(readings.phases[rows], count)) if among else None,
        "pairs": pairs,
    }


def _two_sides(values: Array, readings: Readings, usable: Sequence[int], *, is_share: bool = False) -> Row | None:
    """Means over synthetic images and photographs, and their difference."""

    def entry(figure: Merit, share: bool) -> Row | None:
        rows = [row for row in usable if np.isfinite(figure.value[row])]
        return _entry(pool(_rows(figure, rows)), share) if rows else None

    cases = readings.cases
    return {
        "synthetic": entry(merit.share(values, cases, synthetic=True), is_share),
        "real": entry(merit.share(values, cases, synthetic=False), is_share),
        "difference": entry(merit.difference(values, cases), False),
    }


def _phase_labels(readings: Readings, usable: Sequence[int]) -> Row:
    """How often readers name the phase that a picture stands for; counts[true][named], the last being "cannot say"."""
    true = readings.true_phases()
    there = np.isfinite(readings.phases)
    right = np.where(there, readings.phases == true, np.nan)
    counts: dict[str, list[list[int]]] = {}
    for kind, side in (("real", False), ("synthetic", True)):
        columns = [
            [
                int(
                    (
                        readings.phases[list(usable)][:, (readings.cases.synthetic == side) & (true == phase)] == named
                    ).sum()
                )
                for named in range(len(readings.phase_names) + 1)
            ]
            for phase in range(len(readings.phase_names))
        ]
        counts[kind] = columns
    by_phase = []
    for number, name in enumerate(readings.phase_names):
        part = readings.only(true == number)
        values = np.where(np.isfinite(part.phases), part.phases == number, np.nan)
        by_phase.append({"name": name, **(_two_sides(values, part, usable, is_share=True) or {})})
    return {
        "named_as_meant": _two_sides(right, readings, usable, is_share=True),
        "counts": counts,
        "by_phase": by_phase,
    }


def _times(readings: Readings, usable: Sequence[int]) -> Row | None:
    """Seconds a picture: medians, and the ratio synthetic / real of geometric means with its interval."""
    seconds = readings.seconds[list(usable)]
    if not np.isfinite(seconds).any():
        return None
    ratio = (_two_sides(np.log(readings.seconds), readings, usable) or {}).get("difference")
    medians = {
        kind: float(np.nanmedian(seconds[:, readings.cases.synthetic == side]))
        for kind, side in (("real", False), ("synthetic", True))
    }
    if ratio is not None:
        bounds = {name: ratio[name] for name in ("value", "low", "high") if ratio[name] is not None}
        ratio = ratio | {name: float(np.exp(bound)) for name, bound in bounds.items()}
    return {**medians, "ratio": ratio}


def _mean(values: Array) -> Array:
    """[N] over readers, NaN where nobody answered."""
    there = np.isfinite(values)
    count = there.sum(axis=0)
    return np.divide(
        np.where(there, values, 0).sum(axis=0), count, out=np.full(values.shape[1], np.nan), where=count > 0
    )


def _gave_away(readings: Readings, usable: Sequence[int]) -> Row:
    """Synthetic images that readers were surest of, and those that they found real, by the mean rating."""
    rating, calls = _mean(readings.ratings[list(usable)]), _mean(readings.calls[list(usable)])
    rows = [n for n, one in enumerate(readings.truth) if readings.cases.synthetic[n] and np.isfinite(rating[n])]

    def entries(order: Sequence[int]) -> list[Row]:
        return [
            {"item": readings.items[n], "set": readings.truth[n].set, "file": readings.truth[n].file,
             "phase": readings.truth[n].phase, "rating": float(rating[n]), "called_synthetic": float(calls[n])}
            for n in order[:SHOWN]
        ]  # fmt: skip

    found = sorted((n for n in rows if rating[n] > 0), key=lambda n: -rating[n])
    passed = sorted((n for n in rows if rating[n] < 0), key=lambda n: rating[n])
    return {"surest": entries(found), "passed": entries(passed)}


def _predictors(readings: Readings, usable: Sequence[int], scores: Mapping[str, Array]) -> list[Row]:
    """Rank correlations of scores of the synthetic images with how synthetic readers found them, strongest first."""
    rating = np.where(readings.cases.synthetic, _mean(readings.ratings[list(usable)]), np.nan)
    found = []
    for name, values in scores.items():
        one = rank_correlation(values, rating)
        if one is not None:
            found.append({"name": name, "rho": one.rho, "low": one.low, "high": one.high, "n": one.n})
    return sorted(found, key=lambda row: -abs(row["rho"]))
