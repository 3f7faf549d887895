"""Where fewer images are accepted than were asked for: when drawing ends, and what is advised."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from woundgen.generation.sampler import SamplerSettings
from woundgen.storage.set_rows import Tally
from woundgen.workflows.generate.shortfall import HOPELESS, choose_end, describe_shortfall

SAMPLER = SamplerSettings(sampler="ddim", steps=25, guidance_scale=2.0, seed=3, block=4, height=8, width=8)


def test_only_the_usual_budget_ends_without_hope() -> None:
    nothing, one = Tally(HOPELESS, 0, {"too dark": HOPELESS}), Tally(HOPELESS, 1, {"too dark": HOPELESS - 1})
    assert choose_end(None)(nothing)
    assert not choose_end(None)(replace(nothing, drawn=HOPELESS - 1))
    assert not choose_end(None)(one)
    assert not choose_end(320)(nothing)


@pytest.mark.parametrize(
    ("tally", "sampler", "advice"),
    [
        (Tally(80, 0, {"copy": 60, "too dark": 20}, copies=60), SAMPLER, "60 are copies of photographs, which"),
        (Tally(100, 50, {"too dark": 50}), SAMPLER, "Raise --budget to about 200 and run the same command"),
        (Tally(80, 0, {"too red": 80}), replace(SAMPLER, guidance_scale=12.0), "try --guidance 1.5"),
        (Tally(80, 0, {"too red": 80}), replace(SAMPLER, steps=4), "--steps 4 is few"),
        (Tally(80, 1, {"too red": 70, "too dark": 9}), SAMPLER, 'most frequent reason is "too red". Try other'),
    ],
)  # fmt: skip
def test_the_advice_follows_from_why(tally: Tally, sampler: SamplerSettings, advice: str) -> None:
    assert advice in describe_shortfall(tally, 100, sampler, Path("set"))


def test_of_none_accepted_a_bound_is_given() -> None:
    """Clopper & Pearson's one-sided 95 % bound of 0 in n is 1 - 0.05^(1/n): 4.6 % of 64."""
    text = describe_shortfall(Tally(64, 0, {"too dark": 64}), 20, SAMPLER, Path("set"))
    assert text.startswith("0 of 20 images accepted after 64 drawn (at most 4.6% would be, 95 % confidence). ")
