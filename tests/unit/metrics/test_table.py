"""The results table: every number beside its floor at the same n; bad input in the user's words."""

import json

import numpy as np
import pytest
from scipy.linalg import sqrtm

from woundgen.errors import UserError
from woundgen.metrics.neighbour_scores import neighbour_scores
from woundgen.metrics.pairs import measure_pairs
from woundgen.metrics.rows import Network
from woundgen.metrics.table import FEATURE_METRICS, Beside, Protocol, measure_inception_score, measure_sets
from woundgen.records import METRICS

NETWORK = Network("embedded", "abc")


def features(n: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, 12)) + shift


def test_every_value_has_its_floor_beside_it_at_the_same_n():
    rows = measure_sets(features(60, 0, 1.0), features(50, 1), network=NETWORK)
    pairs = list(zip(rows[::2], rows[1::2], strict=True))
    names = ["fd", "precision", "recall", "density", "coverage", "authenticity", "kid"]
    assert [value.metric for value, _ in pairs] == names
    for value, floor in pairs:
        assert (value.metric, value.label, floor.label) == (floor.metric, "", "floor")
        assert value.n == (25, 25) if value.metric != "kid" else value.n == (60, 50)
        assert floor.n == (25, 25)
        assert (value.network, value.digest) == (floor.network, floor.digest) == ("embedded", "abc")
        assert value.low <= value.value <= value.high
        json.dumps(value.to_json(), allow_nan=False)
    by_name = {value.metric: (value, floor) for value, floor in pairs}
    assert by_name["fd"][0].low > by_name["fd"][1].high  # a shift of one sd shows
    assert "p = 0.001" in by_name["kid"][0].interval


def test_the_same_distribution_is_at_its_floor():
    rows = measure_sets(features(80, 2), features(80, 3), network=NETWORK)
    for value, floor in zip(rows[::2], rows[1::2], strict=True):
        assert floor.low <= value.value <= floor.high


def test_only_inception_features_give_fid():
    rows = measure_sets(features(20, 0), features(20, 1), network=Network("inception", "d"), neighbours=False)
    assert [row.metric for row in rows] == ["fid", "fid", "fid", "kid", "kid"]


def test_the_whole_sets_fid_is_pytorch_fids():
    """By pytorch-fid's formula over all images, whatever their numbers; it carries no interval."""
    generated, real = features(70, 0, 0.5), features(50, 1)
    rows = measure_sets(generated, real, network=Network("inception", "d"), neighbours=False)
    (whole,) = (row for row in rows if row.label not in ("", "floor"))
    covariances = [np.cov(one, rowvar=False) for one in (generated, real)]
    shift = generated.mean(axis=0) - real.mean(axis=0)
    root = sqrtm(covariances[0] @ covariances[1]).real
    expected = shift @ shift + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * np.trace(root)
    assert whole.value == pytest.approx(expected, rel=1e-9)
    assert (whole.metric, whole.n, whole.low, whole.high) == ("fid", (70, 50), None, None)
    assert "pytorch-fid" in whole.label


def labelled(rows: list, label: str) -> dict:
    return {row.metric: row for row in rows if row.label == label}


def test_the_ceiling_of_a_lossless_autoencoder_is_the_floor():
    """Same splits, photographs disjoint: no photograph is held against its own reconstruction."""
    real = features(60, 1)
    rows = measure_sets(features(60, 0), real, network=NETWORK, beside=Beside(through=real.copy()))
    floors, ceilings = labelled(rows, "floor"), labelled(rows, "ceiling")
    assert set(ceilings) == set(floors) == set(labelled(rows, ""))
    whole = ceilings.pop("kid")  # over all photographs, as its value is; unbiased, so nothing lost is 0
    assert (whole.value, whole.n) == (pytest.approx(0, abs=1e-12), (60, 60))
    for name, ceiling in ceilings.items():
        assert (ceiling.value, ceiling.low, ceiling.high, ceiling.n) == (
            floors[name].value, floors[name].low, floors[name].high, floors[name].n,
        )  # fmt: skip


def test_a_lossy_autoencoder_is_seen_at_the_value_s_n():
    real = features(60, 1)
    rows = measure_sets(features(80, 0), real, network=NETWORK, beside=Beside(through=real + 1.0))
    assert labelled(rows, "ceiling")["fd"].n == labelled(rows, "")["fd"].n == (30, 30)
    assert labelled(rows, "ceiling")["fd"].low > labelled(rows, "floor")["fd"].high


def test_photographs_trained_on_against_those_held_out():
    """At the n of the value, though there are more of them; left out where there are fewer."""
    training = features(90, 2)
    for count, expected in ((90, {"fd", "kid"}), (10, {"kid"})):
        rows = measure_sets(
            features(60, 0), features(40, 1), network=NETWORK, neighbours=False,
            beside=Beside(training=training[:count]),
        )  # fmt: skip
        assert set(labelled(rows, "training")) == expected
        if count == 90:
            assert labelled(rows, "training")["fd"].n == labelled(rows, "")["fd"].n == (20, 20)
    with pytest.raises(UserError, match="different length"):
        measure_sets(features(60, 0), features(40, 1), network=NETWORK, beside=Beside(training=training[:, :8]))


def test_kid_has_values_of_the_same_splits_to_be_paired():
    rows = measure_sets(features(60, 0), features(40, 1), network=NETWORK, neighbours=False)
    kid = labelled(rows, "")["kid"]
    assert len(kid.splits) == len(labelled(rows, "")["fd"].splits) > 5
    assert np.mean(kid.splits) == pytest.approx(kid.value, abs=0.1)


def test_patients_are_told_in_the_interval():
    patients = np.repeat(np.arange(20), 2).tolist()
    rows = measure_sets(features(40, 0), features(40, 1), network=NETWORK, real_groups=patients)
    kid = next(row for row in rows if row.metric == "kid")
    assert "delete-group" in kid.interval
    assert "one photograph a patient" in kid.interval


def test_same_seed_same_rows():
    sets = features(40, 0), features(40, 1)
    assert measure_sets(*sets, network=NETWORK) == measure_sets(*sets, network=NETWORK)
    assert measure_sets(*sets, network=NETWORK) != measure_sets(*sets, network=NETWORK, protocol=Protocol(seed=1))


def test_registry_names():
    assert set(FEATURE_METRICS) <= set(METRICS)
    x, y = features(30, 0), features(30, 1)
    assert FEATURE_METRICS["recall"](x, y) == neighbour_scores(x, y).recall
    assert FEATURE_METRICS["authenticity"](x, y) == neighbour_scores(x, y).authenticity


def test_inception_score_beside_that_of_real_photographs():
    rng = np.random.default_rng(4)
    value, floor = measure_inception_score(
        rng.dirichlet(np.full(8, 0.1), 60), rng.dirichlet(np.full(8, 10.0), 60), network=NETWORK
    )
    assert value.n == floor.n == (30, 30)
    assert floor.label == "floor"
    assert value.value > floor.value >= 1


def test_pairs_beside_pairs_of_different_patients():
    rng = np.random.default_rng(5)
    among = rng.random((6, 6))
    among = (among + among.T) / 2
    value, floor = measure_pairs("ssim", rng.random((4, 6)), among, real_groups=["a", "a", "b", "c", "d", "d"])
    assert (value.n, floor.n, value.network) == ((4, 6), (6, 6), None)
    apart = [among[i, j] for i in range(6) for j in range(i) if {i, j} not in ({0, 1}, {4, 5})]
    assert floor.value == pytest.approx(np.mean(apart))


def test_pairs_have_a_ceiling_and_a_training_row():
    rng = np.random.default_rng(6)
    among = rng.random((6, 6))
    among, through = (among + among.T) / 2, rng.random((6, 6))
    rows = measure_pairs(
        "lpips", rng.random((4, 6)), among, through_to_real=through, training_to_real=rng.random((9, 6))
    )
    assert [row.label for row in rows] == ["", "floor", "ceiling", "training"]
    assert rows[2].value == pytest.approx(through[~np.eye(6, dtype=bool)].mean())
    assert rows[3].n == (9, 6)


def with_nan() -> np.ndarray:
    broken = features(30, 0)
    broken[[3, 7], 2] = np.nan
    return broken


@pytest.mark.parametrize(
    ("generated", "real", "protocol", "message"),
    [
        (features(1, 0), features(30, 1), Protocol(), "1 image"),
        (features(30, 0), features(30, 1)[:, :8], Protocol(), "different length"),
        (with_nan(), features(30, 1), Protocol(), "2 of 30 generated images .* row 3"),
        (features(30, 0), features(12, 1), Protocol(), "needs 10 images"),
        (features(30, 0), features(30, 1), Protocol(k=15), "too few for k = 15"),
        (features(30, 0), features(30, 1), Protocol(n=16), "n = 16 is too large"),
        (features(30, 0)[0], features(30, 1), Protocol(), "shape"),
    ],
)
def test_bad_input(generated, real, protocol, message):
    with pytest.raises(UserError, match=message):
        measure_sets(generated, real, network=NETWORK, protocol=protocol)


def test_too_few_patients():
    patients = ["a"] * 15 + ["b"] * 15
    with pytest.raises(UserError, match="at least 3 patients"):
        measure_sets(features(30, 0), features(30, 1), network=NETWORK, real_groups=patients, neighbours=False)
