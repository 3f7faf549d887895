"""The dataset card of a generated set: what made it, what was kept, what it may be used for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from woundgen.generation.image_set import Recipe
from woundgen.generation.synthetic_mark import DIGITAL_SOURCE_TYPE
from woundgen.storage.display import escape_markdown
from woundgen.storage.outcomes import SURPLUS
from woundgen.storage.set_rows import Tally

# Of base models that woundgen knows by name: (identifier for hubs, what it asks of the user).
_RESTRICTED = (
    "CreativeML Open {kind}. Its use restrictions pass on to what is made with it; among them: no medical "
    "advice and no interpretation of medical results, nothing that exploits or harms, no deception."
)
LICENCES: Mapping[str, tuple[str, str]] = {
    "embedded": ("apache-2.0", "Apache-2.0; trained on rendered wounds, no photograph."),
    "sd15": ("creativeml-openrail-m", _RESTRICTED.format(kind="RAIL-M")),
    **{name: ("openrail++", _RESTRICTED.format(kind="RAIL++-M")) for name in ("sd21-base", "sd21", "sdxl")},
}
UNKNOWN_LICENCE = ("other", "Not known to woundgen: the licence of the base model named below holds.")


@dataclass(frozen=True, slots=True)
class CardFacts:
    """base: name as it may be told, by which LICENCES knows it. review: what reviewers decided, without names."""

    base: str
    recipe: Recipe
    tally: Tally
    review: str | None = None


def licence_of(base: str) -> str:
    """The identifier by which hubs know the licence of a base model."""
    return LICENCES.get(base, UNKNOWN_LICENCE)[0]


def dataset_card(facts: CardFacts, script: str = "") -> str:
    """Markdown with the YAML head that dataset hubs read. Names no photograph, patient or path.

    script: a program that draws one of the images with diffusers alone; shown where it is given.
    """
    recipe, sampler, licence = facts.recipe, facts.recipe.sampler, LICENCES.get(facts.base, UNKNOWN_LICENCE)
    head = {
        "license": licence[0],
        "task_categories": ["image-classification"],
        "tags": ["synthetic", "medical", "wound"],
        "size_categories": [_size(facts.tally.accepted)],
    }
    lines = [
        "---",
        yaml.safe_dump(head, sort_keys=False).strip(),
        "---",
        "",
        f"# {facts.tally.accepted} synthetic wound images, label {escape_markdown(recipe.label)}",
        "",
        "Drawn by a diffusion model; no camera took any of them and no patient is shown by intent. For research "
        "augmentation only: no diagnosis, no evidence.",
        "",
        "| | |",
        "| --- | --- |",
        f"| base model | {escape_markdown(facts.base)}, digest {recipe.base[:16]} |",
        *([_other_base(recipe.trained_on)] if recipe.trained_on else []),
        f"| licence of the base | {licence[1]} |",
        f"| adapters | {_adapters(recipe)} |",
        f"| sampler | {sampler.sampler}, {sampler.steps} steps, guidance {sampler.guidance_scale:g} on "
        f"{sampler.guidance_interval[0]:g} to {sampler.guidance_interval[1]:g} of the noise, seed {sampler.seed} |",
        *([f"| guided by | adapter {recipe.guide[0][:16]} (autoguidance) |"] if recipe.guide else []),
        *([_begun(*recipe.source)] if recipe.source else []),
        f"| drawn, kept | {facts.tally.drawn} drawn, {facts.tally.accepted} kept of {recipe.count} asked for |",
        f"| not kept | {_reasons(facts.tally)} |",
        *([f"| reviewed | {facts.review} |"] if facts.review else []),
        f"| screening | {_screening(recipe)} |",
        *([_networks(recipe.screening["networks"])] if (recipe.screening or {}).get("networks") else []),
        f"| copies | {_copies(facts)} |",
        "| privacy audit | none when this was written (`woundgen audit`) |",
        f"| marks | each PNG says that it is synthetic; IPTC digital source type {DIGITAL_SOURCE_TYPE} |",
        f"| identity | {recipe.identity()} |",
        "",
        "`metadata.csv` follows the ImageFolder convention (the loader `imagefolder` of `datasets` reads it), "
        "`croissant.json` describes the set for programs; `manifest.jsonl` has a row for each image with its "
        "seed and settings; `counts.json` says how many were drawn and why the others were not kept. Scores against "
        "photographs are not here: they would tell whose photographs they are.",
        "",
        "A screen is no proof: it holds back what is measurably nearer to one photograph than photographs of "
        "different patients are to one another.",
        *(
            ["", "## An image of this set in plain diffusers", "", "```python", script.rstrip(), "```"]
            if script
            else []
        ),
    ]
    return "\n".join(lines) + "\n"


def _size(count: int) -> str:
    return next((name for limit, name in ((1000, "n<1K"), (10_000, "1K<n<10K")) if count < limit), "10K<n<100K")


def _adapters(recipe: Recipe) -> str:
    return ", ".join(f"{digest[:16]} at {strength:g}" for digest, strength in recipe.adapters) or "none: the base alone"


def _other_base(digests: tuple[str, ...]) -> str:
    named = ", ".join(digest[:16] for digest in digests)
    return f"| trained on | **another base model, {named}**: what the adapter's run measured does not hold here |"


def _begun(mark: str, strength: float) -> str:
    return (
        f"| begun from | **one photograph of a patient** (salted id {mark}) at strength {strength:g}: what the noise "
        "left of it is in each image |"
    )


def _reasons(tally: Tally) -> str:
    kinds = Counter(tally.reasons)
    surplus = kinds.pop(SURPLUS, 0)
    told = [f"{kind} {number}" for kind, number in kinds.most_common()]
    return ", ".join([*told, *([f"passed, but not needed {surplus}"] if surplus else [])]) or "none"


def _screening(recipe: Recipe) -> str:
    if not recipe.screening:
        return "none: every image was kept"
    rule = recipe.screening
    if rule["policy"] == "calibrated":
        return f"policy calibrated: as usual as {rule['acceptance']:.0%} of real photographs"
    if rule["policy"] == "spec":
        ssim, perceptual = rule["ssim_minimum"], rule["lpips_maximum"]
        network = rule.get("networks", {}).get("perceptual", "embedded")
        name = f"{'LPIPS' if network.startswith('lpips-') else 'perceptual distance'} ({network})"
        return f"policy spec: SSIM > {ssim:g} and {name} < {perceptual:g} ({rule['aggregation']})"
    return "policy report: scores recorded, copies alone held back"


def _networks(used: Mapping[str, str]) -> str:
    return f"| networks of screening | perceptual distance {used['perceptual']}, feature distance {used['embedding']} |"


def _copies(facts: CardFacts) -> str:
    if not facts.recipe.screening:
        return "not looked for"
    if facts.recipe.screening.get("release_copies"):
        return "**not held back, on request (`--release-copies`): images may be copies of photographs**"
    if facts.recipe.screening.get("copies_not_looked_for"):
        return (
            "**not looked for in full: photographs that the adapters were trained on were not there; copies of those "
            "that were are held back**"
        )
    return "held back"
