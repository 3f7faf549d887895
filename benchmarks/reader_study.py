"""Simulated readers: does the analysis of `woundgen study report` give back what they were made with?

    python benchmarks/reader_study.py [--simulations 400] [--readers 8] [--items 120] [--seed 0]

Prints, for each kind of reader (tests/simulated_readers.py), how many 95 % intervals hold the truth, their width
against those of an oracle that knows the variance of the estimate, and how often equivalence to 50 % is claimed.
"""

from __future__ import annotations

from harness import make_parser, read_options

from tests.simulated_readers import (
    KINDS,
    coverage,
    estimates,
    of_accuracy,
    widest_ratio,
    width_of_readers_alone,
    width_ratio,
)
from woundgen.study.planning import Design, power_of_equivalence


def main() -> None:
    options = read_options(make_parser(__doc__, simulations=400, readers=8, items=120, seed=0))
    size = vars(options)
    print(
        f"{options.simulations} simulations, {options.readers} readers, {options.items} pictures; width at most "
        f"{widest_ratio(options.readers):.2f} x oracle (readers alone: {width_of_readers_alone(options.readers):.2f})"
    )
    for kind in KINDS:
        found = estimates(kind, **size)
        for name, truth in kind.truths().items():
            rows = found[name]
            print(
                f"{kind.name:28} {name:12} truth {truth:.3f}  mean {rows[:, 0].mean():.3f}  "
                f"holds {coverage(rows, truth):.3f}  width x oracle {width_ratio(rows):.2f}"
            )
    for base, design in ((KINDS[0], Design(options.items, options.readers, 0.0, 0.0)), (KINDS[1], None)):
        for accuracy in (0.5, 0.6, 0.65):
            kind = of_accuracy(base, accuracy)
            claimed = estimates(kind, **size)["accuracy"][:, 3].mean()
            line = f"equivalence claimed, {kind.name:34} {claimed:.3f}"
            if design is not None:
                line += f" planned {power_of_equivalence(design, margin=0.1, accuracy=accuracy):.3f}"
            print(line)


if __name__ == "__main__":
    main()
