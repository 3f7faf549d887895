"""Which pictures a study shows, and in which order to whom. Pure: everything follows from the seed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from woundgen.errors import UserError

REAL, SYNTHETIC, CHECK = "real", "synthetic", "check"
FEWEST_BETWEEN = 10  # pictures between the two showings of one


@dataclass(frozen=True, slots=True)
class EligiblePicture:
    """A picture that may be shown. row: of its pixels. group: the patient, or a name. set: which synthetic one."""

    kind: str
    phase: str
    group: str
    row: int
    set: int | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """items: distinct pictures, half of each kind. per_patient: photographs of one patient at most."""

    items: int
    per_patient: int
    phases: tuple[str, ...]
    sets: int


def choose(candidates: Sequence[EligiblePicture], wanted: Wanted, rng: np.random.Generator) -> list[EligiblePicture]:
    """Draw as many photographs as synthetic images of each phase, the latter in equal parts from each set.

    Raises UserError where a phase or a set has too few, naming the largest number of items that there is enough for.
    """
    usable = {
        phase: _usable_real(candidates, phase, per_patient=wanted.per_patient, rng=rng) for phase in wanted.phases
    }
    quota = _quota(wanted.items // 2, len(wanted.phases))
    chosen: list[EligiblePicture] = []
    for phase, count in zip(wanted.phases, quota, strict=True):
        if len(usable[phase]) < count:
            most = 2 * len(wanted.phases) * min(len(rows) for rows in usable.values())
            raise UserError(
                f"{len(usable[phase])} held-out photographs of phase {phase} can be shown "
                f"({wanted.per_patient} of a patient at most), and {count} are needed.",
                f"Give --items {most} or fewer, or a larger --per-patient." if most else "Hold photographs out.",
            )
        chosen += usable[phase][:count]
        chosen += _draw_synthetic(candidates, phase, count, sets=wanted.sets, rng=rng)
    return [chosen[i] for i in rng.permutation(len(chosen))]


def _quota(count: int, parts: int) -> list[int]:
    return [count // parts + (part < count % parts) for part in range(parts)]


def _usable_real(
    candidates: Sequence[EligiblePicture], phase: str, *, per_patient: int, rng: np.random.Generator
) -> list[EligiblePicture]:
    """Photographs of a phase in random order, at most `per_patient` of a patient, patients in turn."""
    rows = [one for one in candidates if one.kind == REAL and one.phase == phase]
    by_patient: dict[str, list[EligiblePicture]] = defaultdict(list)
    for index in rng.permutation(len(rows)):
        by_patient[rows[index].group].append(rows[index])
    turns = [[photos[turn] for photos in by_patient.values() if len(photos) > turn] for turn in range(per_patient)]
    return [one for turn in turns for one in turn]


def _draw_synthetic(
    candidates: Sequence[EligiblePicture], phase: str, count: int, *, sets: int, rng: np.random.Generator
) -> list[EligiblePicture]:
    chosen: list[EligiblePicture] = []
    for number, part in enumerate(_quota(count, sets)):
        rows = [one for one in candidates if one.kind == SYNTHETIC and one.phase == phase and one.set == number]
        if len(rows) < part:
            raise UserError(
                f"synthetic set {number + 1} has {len(rows)} images of phase {phase}, and {part} are needed.",
                "Generate more, or give a smaller --items.",
            )
        chosen += [rows[i] for i in rng.permutation(len(rows))[:part]]
    return chosen


def order_for_reader(
    items: Sequence[str], kinds: Sequence[str], checks: Sequence[str], *, repeats: int, rng: np.random.Generator
) -> list[str]:
    """The order in which one reader sees item ids: every item once, `repeats` of them twice, checks spread evenly.

    kinds: of each item; repeats are of both kinds in equal parts. The second showing comes FEWEST_BETWEEN or more
    pictures after the first.
    """
    assert len(items) == len(kinds)
    order = [items[i] for i in rng.permutation(len(items))]
    early = order[: max(1, len(order) * 2 // 3)]
    kind_of = dict(zip(items, kinds, strict=True))
    again = [name for kind, part in zip((REAL, SYNTHETIC), _quota(repeats, 2), strict=True)
             for name in rng.permutation([n for n in early if kind_of[n] == kind])[:part]]  # fmt: skip
    for name in again:
        first = order.index(str(name))
        place = int(rng.integers(min(first + 1 + FEWEST_BETWEEN, len(order)), len(order) + 1))
        order.insert(place, str(name))
    for number, name in enumerate(checks):
        share = (number + rng.uniform(0.3, 0.9)) / len(checks)
        order.insert(int(share * len(order)), name)
    return order


def repeated_gaps(order: Sequence[str]) -> list[int]:
    """Pictures between the two showings of each repeated item, in the order of first showings."""
    twice = [name for name, count in Counter(order).items() if count == 2]
    places = {name: [i for i, other in enumerate(order) if other == name] for name in twice}
    return [second - first - 1 for first, second in places.values()]
