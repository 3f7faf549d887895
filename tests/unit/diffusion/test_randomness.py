"""Numbers that depend on their position alone, and are as random as they should be."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from woundgen.diffusion.randomness import (
    batch_rows,
    epoch_order,
    normal,
    position_seed,
    stratified_timesteps,
    uniform,
)

SHAPE = (2, 3)
UNLIKELY = 1e-3  # seeds are fixed, so a test passes or fails for good


def test_a_position_is_its_whole_name() -> None:
    """Seed, stream and every coordinate count, and neighbours are not run together (1, 12 is not 11, 2)."""
    names = [(0, "a", 1, 12), (0, "a", 11, 2), (0, "a", 12, 1), (0, "b", 1, 12), (1, "a", 1, 12), (0, "a", 1)]
    seeds = [position_seed(seed, stream, *position) for seed, stream, *position in names]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_position_is_the_same_everywhere() -> None:
    """A change would part every run from its past. By hand: printf 0/noise/1/2 | b2sum -l 64."""
    assert position_seed(0, "noise", 1, 2) == int.from_bytes(bytes.fromhex("7731d8cb0586c4e3"), "little") >> 1


@given(cut=st.integers(1, 7), step=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_noise_does_not_depend_on_the_split(cut: int, step: int) -> None:
    whole = normal(SHAPE, 3, "noise", step, range(8))
    parts = [normal(SHAPE, 3, "noise", step, range(cut)), normal(SHAPE, 3, "noise", step, range(cut, 8))]
    assert torch.equal(whole, torch.cat(parts))


def test_noise_is_standard_normal() -> None:
    values = normal((500,), 3, "noise", 0, range(20)).flatten().numpy()
    assert stats.kstest(values, "norm").pvalue > UNLIKELY


@pytest.mark.parametrize("other", [(4, "noise", 0), (3, "posterior", 0), (3, "noise", 1)])
def test_streams_seeds_and_steps_are_unrelated(other: tuple[int, str, int]) -> None:
    one, two = normal((4000,), 3, "noise", 0, [0])[0], normal((4000,), *other, [0])[0]
    correlation = float(torch.corrcoef(torch.stack([one, two]))[0, 1])
    assert abs(correlation) < 4 / 4000**0.5


def test_drawing_leaves_the_global_generators_alone() -> None:
    before = torch.get_rng_state()
    normal(SHAPE, 0, "noise", 0, [0])
    epoch_order(0, 0, 5)
    assert torch.equal(torch.get_rng_state(), before)


def test_uniform_is_uniform() -> None:
    values = [uniform(3, "prompt dropout", step, slot) for step in range(500) for slot in range(8)]
    assert stats.kstest(values, "uniform").pvalue > UNLIKELY


@given(step=st.integers(0, 10_000), batch=st.sampled_from([1, 3, 8, 32]), cut=st.integers(0, 32))
@settings(max_examples=40, deadline=None)
def test_timesteps_do_not_depend_on_the_split(step: int, batch: int, cut: int) -> None:
    cut = min(cut, batch)
    whole = stratified_timesteps(1, step, range(batch), batch=batch, count=1000)
    left = stratified_timesteps(1, step, range(cut), batch=batch, count=1000)
    right = stratified_timesteps(1, step, range(cut, batch), batch=batch, count=1000)
    assert whole.tolist() == left.tolist() + right.tolist()


@given(step=st.integers(0, 10_000), batch=st.integers(1, 50), low=st.sampled_from([0, 20]))
@settings(max_examples=60, deadline=None)
def test_a_batch_covers_the_schedule(step: int, batch: int, low: int) -> None:
    """Sorted, timesteps stand one stride apart, the step from the last to the first included."""
    steps = sorted(stratified_timesteps(1, step, range(batch), batch=batch, count=1000, low=low).tolist())
    assert low <= steps[0]
    assert steps[-1] < 1000
    gaps = np.diff([*steps, steps[0] + (1000 - low)])
    assert np.abs(gaps - (1000 - low) / batch).max() <= 1


@pytest.mark.parametrize("slot", [0, 5])
def test_each_slot_sees_timesteps_uniformly(slot: int) -> None:
    seen = [int(stratified_timesteps(1, step, [slot], batch=8, count=1000)) for step in range(4000)]
    assert stats.chisquare(np.bincount(np.array(seen) // 50, minlength=20)).pvalue > UNLIKELY


@given(size=st.integers(1, 13), batch=st.integers(1, 30), steps=st.integers(1, 12))
@settings(max_examples=100, deadline=None)
def test_every_image_is_seen_equally_often(size: int, batch: int, steps: int) -> None:
    """Batches smaller than the set, equal to it, larger, and a set of one: whole passes, then part of the next."""
    stream = [row for step in range(steps) for row in batch_rows(2, step, batch=batch, size=size)]
    assert len(stream) == steps * batch
    passes = [stream[first : first + size] for first in range(0, len(stream), size)]
    assert all(sorted(one) == list(range(size)) for one in passes[:-1])
    assert len(set(passes[-1])) == len(passes[-1])
    counts = Counter(stream)
    assert max(counts.values()) - min(counts[row] for row in range(size)) <= 1


def test_passes_differ_in_order() -> None:
    orders = [epoch_order(2, epoch, 20) for epoch in range(3)] + [epoch_order(3, 0, 20)]
    assert len({tuple(order) for order in orders}) == 4
