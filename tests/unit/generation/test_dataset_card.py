"""The dataset card: its head as hubs read it, its counts, and what it must say."""

from dataclasses import replace

import pytest
import yaml

from woundgen.generation.dataset_card import CardFacts, dataset_card
from woundgen.generation.image_set import Recipe
from woundgen.generation.sampler import SamplerSettings
from woundgen.storage.set_rows import Tally

SAMPLER = SamplerSettings(sampler="ddim", steps=5, guidance_scale=2.0, seed=3, block=4, height=8, width=8)
SCREENING = {"policy": "calibrated", "acceptance": 0.95}
RECIPE = Recipe(
    label="I",
    prompt="a wound",
    negative_prompt="",
    base="b" * 64,
    adapters=(("a" * 64, 0.5),),
    precision="fp32",
    sampler=SAMPLER,
    count=7,
    screening=SCREENING,
)
TALLY = Tally(drawn=16, accepted=7, reasons={"copy by SSIM": 3, "surplus": 6}, copies=3)


def card(*, base: str = "sd21-base", recipe: Recipe = RECIPE, tally: Tally = TALLY) -> str:
    return dataset_card(CardFacts(base=base, recipe=recipe, tally=tally))


def test_the_head_is_yaml_of_a_hub():
    _, head, body = card().split("---\n", 2)
    assert yaml.safe_load(head)["license"] == "openrail++"
    assert yaml.safe_load(head)["size_categories"] == ["n<1K"]
    assert "# 7 synthetic wound images, label I" in body


def test_counts_reasons_and_identity():
    text = card()
    assert "| drawn, kept | 16 drawn, 7 kept of 7 asked for |" in text
    assert "| not kept | copy by SSIM 3, passed, but not needed 6 |" in text
    assert RECIPE.identity() in text
    assert "aaaaaaaaaaaaaaaa at 0.5" in text


@pytest.mark.parametrize(
    ("base", "says"),
    [("embedded", "no photograph"), ("sd21-base", "no medical advice"), ("mine", "Not known to woundgen")],
)
def test_the_licence_of_the_base(base: str, says: str):
    assert says in card(base=base)


def test_what_was_not_screened_or_was_released_is_said():
    assert "none: every image was kept" in card(recipe=replace(RECIPE, screening={}))
    assert "| copies | not looked for |" in card(recipe=replace(RECIPE, screening={}))
    assert "| copies | held back |" in card()
    released = replace(RECIPE, screening={**SCREENING, "release_copies": True})
    assert "may be copies of photographs" in card(recipe=released)


def test_the_literal_rule_is_told_with_its_thresholds():
    spec = {"policy": "spec", "ssim_minimum": 0.7, "lpips_maximum": 0.3, "aggregation": "topk"}
    assert "SSIM > 0.7 and perceptual distance (embedded) < 0.3 (topk)" in card(recipe=replace(RECIPE, screening=spec))
