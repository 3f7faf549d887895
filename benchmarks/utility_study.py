"""Does `woundgen utility` say what is true? Studies on phantoms where the truth is known (tests/phantom_utility.py).

    python benchmarks/utility_study.py --out /tmp/utility
    python benchmarks/utility_study.py --out /tmp/utility --kinds fresh --repeats 20

20 studies of each kind of synthetic images, and 200 of the null. Features are kept in OUT and not computed again.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
from harness import make_parser, read_options

from tests.phantom_utility import DOSES, KINDS, TESTED, pool, study
from woundgen.downstream.conclude import UtilityConclusion
from woundgen.downstream.conclusion import HARMS, HELPS
from woundgen.metrics.intervals import binomial_bounds


def main() -> None:
    parser = make_parser(__doc__, out=Path, repeats=20, null_repeats=200, seeds=5, kinds=",".join(KINDS))
    parser.add_argument("--tested", type=int, default=TESTED, help="patients of each phase to test on")
    options = read_options(parser)
    rendered, results = pool(options.out), {}
    for kind in options.kinds.split(","):
        repeats = options.null_repeats if kind == "null" else options.repeats
        one = partial(study, rendered, kind=kind, seeds=options.seeds, tested=options.tested)
        results[kind] = summary([one(number=number) for number in range(repeats)])
        print(kind, json.dumps(results[kind]), flush=True)
    (options.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")


def summary(found: list[UtilityConclusion]) -> dict[str, object]:
    words = Counter(one.verdict.word for one in found)
    gains = np.array([[dose.difference.value for dose in one.verdict.doses] for one in found])
    means = gains.mean(axis=0).round(3).tolist()
    return {
        "studies": len(found),
        "verdicts": dict(words),
        "helps_95": [round(x, 3) for x in binomial_bounds(words[HELPS], len(found))],
        "harms_95": [round(x, 3) for x in binomial_bounds(words[HARMS], len(found))],
        "kappa_real": round(float(np.mean([one.arms["real"].estimates["kappa"].value for one in found])), 3),
        "difference_by_dose": {f"{dose:g}": mean for dose, mean in zip(DOSES, means, strict=True)},
        "difference_at_2_sd_over_studies": round(float(gains[:, -1].std(ddof=1)), 3),
        "smallest_shown_at_2": round(float(np.mean([one.verdict.doses[-1].difference.smallest for one in found])), 3),
    }


if __name__ == "__main__":
    main()
