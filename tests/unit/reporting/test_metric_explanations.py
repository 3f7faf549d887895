"""What is said of a number against its floor."""

from __future__ import annotations

import numpy as np
import pytest

from woundgen.metrics.rows import Network
from woundgen.metrics.table import Beside, Protocol, measure_sets
from woundgen.records import MetricValue
from woundgen.reporting.metric_explanations import joint_verdict, meanings, reading


def kid(value: float, low: float, high: float, n: int, label: str = "") -> MetricValue:
    return MetricValue("kid", value, low, high, "95 % jackknife", (n, n), "embedded", "abc", label)


@pytest.mark.parametrize(
    ("low", "said"),
    [(0.26, "is above 0: told apart"), (-0.1, "is not shown to be above 0: open")],
)
def test_kid_is_judged_by_its_own_interval(low: float, said: str) -> None:
    """The floor's spread is that of single draws of half as many images: it may overlap where p is .001."""
    floor = kid(0.03, -0.3, 0.5, 16, "floor")
    assert said in reading(kid(0.67, low, 1.1, 32), floor, None)


def test_a_metric_is_explained_once_and_read_for_each_network() -> None:
    def precision(value: float, network: str, label: str = "") -> MetricValue:
        return MetricValue("precision", value, value - 0.01, value + 0.01, "5-95 %", (39, 39), network, "abc", label)

    rows = [precision(x, n, label) for n, x in (("embedded", 0.5), ("inception", 0.7)) for label in ("", "floor")]
    rows[2] = precision(0.9, "inception")
    ((title, text),) = meanings(rows)
    assert title == "Precision"
    assert text.count("Share of generated images") == 1
    assert "embedded: Here it is 0.5 against a floor of 0.5: their intervals overlap" in text.replace("0.500", "0.5")
    assert "inception: Here it is 0.9 against a floor of 0.7: it can be told" in text.replace("0.900", "0.9").replace(
        "0.700", "0.7"
    )
    ((_, alone),) = meanings(rows[:2])
    assert "embedded:" not in alone


def test_fd_is_judged_against_its_floor_at_equal_n_only() -> None:
    def fd(value: float, n: int, label: str = "") -> MetricValue:
        return MetricValue("fd", value, value - 1, value + 1, "5-95 % of draws", (n, n), "embedded", "abc", label)

    assert "can be told apart" in reading(fd(10, 36), fd(5, 36, "floor"), None)
    assert "overlap, and whether the images differ from photographs is open" in reading(
        fd(6, 36), fd(5, 36, "floor"), None
    )
    assert "cannot be compared" in reading(fd(10, 72), fd(5, 36, "floor"), None)
    assert "n = 6 is too small" in reading(fd(10, 6), fd(5, 6, "floor"), None)


def test_one_verdict_on_a_set() -> None:
    """A metric that tells the set apart outweighs those that do not; overlap is never called equality."""

    def row(metric: str, value: float, n: int, label: str = "") -> MetricValue:
        return MetricValue(metric, value, value - 1, value + 1, "5-95 %", (n, n), "embedded", "abc", label)

    def values(n: int, fd: float, coverage: float) -> list[MetricValue]:
        return [
            row("fd", fd, n), row("fd", 5, n, "floor"), row("coverage", coverage, n), row("coverage", 3, n, "floor"),
        ]  # fmt: skip

    assert joint_verdict(values(40, 9, 3)) == "Told apart from real photographs by FD (embedded)."
    assert joint_verdict(values(40, 5.5, 3)).startswith("Open: none of 2 numbers")
    assert "n = 6 is too small" in joint_verdict(values(6, 9, 3)) or "n = 6: too small" in joint_verdict(
        values(6, 9, 3)
    )
    assert joint_verdict([row("fd", 9, 40)]) == ""


def verdicts(rng: np.random.Generator, *, shift: float, margin: float, repetitions: int) -> list[str]:
    """Of sets whose features are photographs' but for `shift`; the autoencoder shifts them by `margin`."""
    found = []
    for number in range(repetitions):
        real, generated = rng.standard_normal((60, 6)), rng.standard_normal((60, 6)) + shift
        rows = measure_sets(
            generated, real, network=Network("embedded", "d"), neighbours=False,
            protocol=Protocol(splits=4, permutations=9, seed=number),
            beside=Beside(through=real + margin),
        )  # fmt: skip
        found.append(joint_verdict(rows).partition(" ")[0])
    return found


@pytest.mark.slow
def test_equivalence_is_claimed_by_its_test_alone() -> None:
    """Of one distribution and a wide margin often; of a narrow margin never. How often at the margin itself:
    test_distinguish.py."""
    rng = np.random.default_rng(0)
    same = verdicts(rng, shift=0.0, margin=1.2, repetitions=8)
    assert same.count("Equivalent") >= 6
    narrow = verdicts(rng, shift=0.0, margin=0.05, repetitions=8)
    assert narrow.count("Equivalent") == 0
