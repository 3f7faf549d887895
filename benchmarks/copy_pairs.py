"""How far a few photographs of one scene among the references move the share of copies that is found.

    python benchmarks/copy_attacks.py --work OUT --data FOLDER     # first: what is measured
    python benchmarks/copy_pairs.py --work OUT

Simulated from the scores that copy_attacks.py left in OUT: n references get the chance scores of measured ones (drawn
without replacement), and k pairs of them are planted. A planted pair agrees in as many places as a measured copy does,
every kind as often as it was measured: from 12 places on it is recognised and left out, as in the product; below, both
photographs keep that score, and can lift the ceiling. In the worst case every planted pair agrees in 8 to 11 places, so
that none is recognised. The share of all measured copies above the ceiling is averaged over --repeats.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from harness import make_parser, read_options

from woundgen.copies.ceiling import LOWEST, SAME_SCENE, estimate_ceiling
from woundgen.storage.files import read_json

LEVEL = 0.99
SIZES, PAIRS = (40, 80, 120, 200), range(6)


def main() -> None:
    options = read_options(make_parser(__doc__, work=Path, repeats=100))
    chance, copies = read_scores(options.work)
    print(f"{len(chance)} chance scores, {len(copies)} copies measured; {options.repeats} repeats each\n")
    heads = " | ".join(f"{k} pairs" for k in PAIRS)
    print(f"| planted pairs | n | {heads} | most moved |\n| --- |{' --- |' * (len(PAIRS) + 2)}")
    for name, planted in (("as copies agree", copies), ("none recognised", np.arange(LOWEST + 1, SAME_SCENE))):
        for n in SIZES:
            rates = [find_rate(chance, planted, copies, n=n, pairs=k, repeats=options.repeats) for k in PAIRS]
            cells = " | ".join(f"{rate:.1%}" for rate in rates)
            print(f"| {name} | {n} | {cells} | {100 * (max(rates) - min(rates)):.1f} points |")


def read_scores(work: Path) -> tuple[np.ndarray, np.ndarray]:
    """Places of references with other scenes, and of all altered copies."""
    chance, copies = [], []
    for file in sorted(work.glob("*.json")):
        part = read_json(file)
        places = np.array(part["places"])
        if "crowded" in part:
            chance.append(places)
        elif "nearest" in part:
            chance.append(places[places < SAME_SCENE])
        else:
            copies.append(places)
    return np.concatenate(chance), np.concatenate(copies)


def find_rate(
    chance: np.ndarray, planted: np.ndarray, copies: np.ndarray, *, n: int, pairs: int, repeats: int
) -> float:
    rates = []
    for repeat in range(repeats):
        rng = np.random.default_rng([n, repeat])
        scores = rng.choice(chance, n, replace=False)
        for pair in range(pairs):
            agreeing = int(rng.choice(planted))
            if agreeing < SAME_SCENE:
                both = slice(2 * pair, 2 * pair + 2)
                scores[both] = np.maximum(scores[both], agreeing)
        rates.append(float((copies > estimate_ceiling(scores, level=LEVEL).value).mean()))
    return float(np.mean(rates))


if __name__ == "__main__":
    main()
