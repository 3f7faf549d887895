"""Drawing within its share of the training, counted in passes; fixed before the run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from woundgen.training.evaluation_plan import EvaluationPlan, Wishes, passes, plan_evaluation

# The consultation's run on 100 photographs: 313 steps of 32, an evaluation every 16, 50 steps with guidance.
CONSULTATION = Wishes(images=64, grid=16, sampler_steps=50, guided=True, kinds=2, share=0.5)


def plan(wishes: Wishes, *, steps: int = 313, batch: int = 32, every: int = 16) -> EvaluationPlan:
    return plan_evaluation(wishes, steps=steps, global_batch=batch, evaluate_every=every)


def test_passes_by_hand() -> None:
    """Two kinds of weights, 64 images, 50 steps with and without the prompt, 4 for decoding."""
    assert passes(CONSULTATION, 50, 64) == 2 * 64 * (100 + 4)
    assert passes(replace(CONSULTATION, guided=False, kinds=1), 20, 10) == 10 * 24


def test_the_consultations_run_is_reduced_to_its_share() -> None:
    """Training: 313 * 32 * 3 = 30,048 passes. At 20 steps and 32 images an evaluation costs 2,816: five fit."""
    found = plan(CONSULTATION)
    assert (found.sampler_steps, found.images, found.grid) == (20, 32, 16)
    assert found.draw_every == 64  # 20 validations, every fourth draws: 64, 128, ..., 256 and the last step
    assert found.share == pytest.approx(5 * 2816 / 30_048)
    assert found.reduced == (
        "sampler steps 20 instead of 50, images for metrics 32 instead of 64, evaluations that draw 5 instead of 20"
    )


def test_a_long_run_has_what_it_asked_for() -> None:
    found = plan(CONSULTATION, steps=20_000, every=1000)
    assert (found.sampler_steps, found.images, found.grid, found.draw_every) == (50, 64, 16, 1000)
    assert found.reduced == ""
    assert found.share < 0.5


def test_a_larger_share_buys_more() -> None:
    shares = [plan(replace(CONSULTATION, share=share)) for share in (0.1, 0.5, 2.0, 20.0)]
    drawn = [(-(-313 // one.draw_every)) * one.images * one.sampler_steps for one in shares]
    assert drawn == sorted(drawn)
    assert len(set(drawn)) == 4
    assert shares[-1].reduced == ""


def test_the_last_step_always_draws() -> None:
    """Even where a single drawing is more than the share: the plan then warns (test_plan.py)."""
    found = plan(CONSULTATION, steps=3, every=1)
    assert found.due(3, last=True)
    assert not found.due(1, last=False)
    assert (found.images, found.sampler_steps) == (16, 12)
    assert found.share > 0.5


def test_nothing_is_drawn_where_nothing_is_asked_for() -> None:
    found = plan(Wishes())
    assert not found.due(16, last=True)
    assert (found.share, found.reduced) == (0, "")


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.integers(1, 3000), st.integers(1, 64), st.integers(1, 200), st.integers(0, 128), st.integers(0, 64),
    st.integers(1, 100), st.booleans(), st.floats(0.01, 5),
)  # fmt: skip
def test_within_the_share_or_one_evaluation(
    steps: int, batch: int, every: int, images: int, grid: int, sampler: int, guided: bool, share: float
) -> None:
    wishes = Wishes(images, grid, sampler, guided, 2, share)
    found = plan(wishes, steps=steps, batch=batch, every=every)
    evaluations = [s for s in range(1, steps + 1) if (s == steps or s % every == 0) and found.due(s, last=s == steps)]
    cost = len(evaluations) * passes(wishes, found.sampler_steps, max(found.images, found.grid))
    assert cost <= share * steps * batch * 3 + 1e-6 or len(evaluations) == 1
    assert found.images <= images
    assert found.sampler_steps <= sampler
    assert found.draw_every % every == 0
    assert bool(evaluations) == (max(images, grid) > 0)
