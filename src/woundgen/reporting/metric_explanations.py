"""Explanations of the metrics, in two or three plain sentences each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from woundgen.numbers import write_number
from woundgen.records import METRICS, MetricValue
from woundgen.reporting.distinguish import FEWEST_FOR_VERDICT, MARGIN, distinguish
from woundgen.reporting.metric_table import bounds, title
from woundgen.reporting.stored_metrics import CEILING, FLOOR, Kind, by_kind, kind

_FRECHET = (
    "How far the generated images as a whole lie from the real ones in the features of a neural network: "
    "mean and covariance of both sets are compared. It is above 0 even for perfect images, the more so the "
    "fewer images there are, so it is read against its floor and never compared between different n."
)
_NEIGHBOUR = "Counts neighbours in feature space; its value for perfect images is the floor, not 100 %."
_TO_REAL = (
    "Nearest to the floor is best, not highest or lowest: a grey square or a blurred image scores well on it, "
    "and so does a copy of a photograph."
)

MEANINGS = {
    "val_loss": "How well the model predicts the noise in validation photographs, always the same ones with the "
    "same noise. It moves little while images improve a lot.",
    "fd": _FRECHET,
    "fid": _FRECHET,
    "kid": "The same question as the Fréchet distance with an estimate that has no bias: 0 is what perfect images "
    "give on average, and single sets fall on both sides of it.",
    "ssim": "Mean structural similarity of each generated image to each real one. " + _TO_REAL,
    "perceptual": "Mean distance of each generated image to each real one as the feature network sees them. "
    + _TO_REAL,
    "lpips": "Mean learned perceptual distance of each generated image to each real one. " + _TO_REAL,
    "inception_score": "How sure and how varied a network trained on everyday objects is about the images. It "
    "knows nothing of wounds, and does not look at the real set.",
    "precision": "Share of generated images that lie among the real ones. " + _NEIGHBOUR,
    "recall": "Share of real images that lie among the generated ones: variety. " + _NEIGHBOUR,
    "density": "How many real neighbourhoods a generated image falls into on average. " + _NEIGHBOUR,
    "coverage": "Share of real images with a generated one nearby: variety. " + _NEIGHBOUR,
    "authenticity": "Share of generated images that are not nearer to a photograph than its own nearest other "
    "photograph is; low values point to copies. " + _NEIGHBOUR,
    "gap_closed": "How much of the distance between the untuned base model and perfect images the training has "
    "closed: 0 is no gain, 1 is as near to real photographs as two halves of them are to one another.",
    "lattice": "Strength of a mesh that stands at the same places in every generated image, as autoencoders print one: "
    "a share of the mean gradient, 0 without a mesh and on either side of it by chance.",
    "mesh_4": "How much stronger edges repeat every 4 pixels than at neighbouring distances: 1 without a mesh.",
    "mesh_2": "How much stronger edges repeat every 2 pixels than at neighbouring distances: 1 without a mesh.",
    "spectrum_slope": "How fast detail fades towards fine scales, less how fast it does in photographs: 0 is best. "
    "Above 0 there is too much fine detail, such as noise or a mesh; below 0 there is too little.",
    "sharpness_ratio": "Sharpness (median variance of the Laplacian) as a share of that of photographs: 1 is best, "
    "below is blurred, above is noisy or has a mesh.",
    "two_sample": "How often a small classifier, trained on part of both sets, tells the rest apart: 0.5 means that it "
    "cannot, 1 that it always can. It finds what no metric was made to look for, and not why.",
    "colour_recall": "How often a simple classifier of colours recognises the phase in generated images. It should "
    "be as often as on real photographs: less is a phase not learned, more is a caricature of it.",
}


def meanings(values: Sequence[MetricValue]) -> tuple[tuple[str, str], ...]:
    """(title, what it means and how it came out) for each metric, in their order; by each network that took it."""
    floors, ceilings = by_kind(values, FLOOR), by_kind(values, CEILING)
    taken: dict[str, dict[str | None, MetricValue]] = {}
    for value in values:
        if not value.label:
            taken.setdefault(value.metric, {}).setdefault(value.network, value)
    told = []
    for metric, by_network in taken.items():
        first, several = next(iter(by_network.values())), len(by_network) > 1
        found = []
        for network, value in by_network.items():
            read = reading(value, floors.get(kind(value)), ceilings.get(kind(value)))
            found.append(f"{network}: {read}" if several else read)
        name = METRICS[metric].title if several else title(first)
        name = name[0].upper() + name[1:]
        told.append((name, " ".join([MEANINGS[metric], *found]).strip()))
    return tuple(told)


def joint_verdict(values: Sequence[MetricValue]) -> str:
    """Say in one sentence whether a set can be distinguished from photographs; "" where nothing has a floor."""
    result = distinguish(values)
    if result.verdict == "unmeasured":
        return ""
    if result.verdict == "too few":
        return (
            f"n = {result.n}: too small to say whether these images differ from photographs "
            f"({FEWEST_FOR_VERDICT} needed)."
        )
    if result.verdict == "equivalent":
        return (
            f"Equivalent to real photographs at n = {result.n}, within half of what the autoencoder alone changes: "
            f"{', '.join(_equivalences(result.by, by_kind(values, CEILING)))}."
        )
    if result.verdict == "distinguishable":
        return f"Told apart from real photographs by {', '.join(dict.fromkeys(title(value) for value in result.by))}."
    return (
        f"Open: none of {result.count} numbers tells these images apart from photographs at n = {result.n}. "
        "That is no proof that they are alike."
    )


def _equivalences(values: Sequence[MetricValue], ceilings: Mapping[Kind, MetricValue]) -> list[str]:
    """KID and its margin in each network, in words."""
    statements = []
    for value in values:
        margin = ceilings[kind(value)].value * MARGIN
        assert value.high is not None
        statements.append(f"{title(value)} at most {write_number(value.high)}, margin {write_number(margin)}")
    return statements


def reading(value: MetricValue, floor: MetricValue | None, ceiling: MetricValue | None) -> str:
    """How a number came out against its floor and ceiling; "" where there is nothing to hold it against."""
    if floor is None:
        return ""
    here = f"Here it is {write_number(value.value)} against a floor of {write_number(floor.value)}"
    if value.metric == "kid" and value.low is not None:
        # Unbiased at any n: its own interval over all images says more than the floor's spread at half of them.
        apart = "above 0: told apart from real photographs" if value.low > 0 else "not shown to be above 0: open"
        if min(value.n) < FEWEST_FOR_VERDICT:
            apart = f"of n = {min(value.n)}, too small to say more ({FEWEST_FOR_VERDICT} or more)"
        told = f"{write_number(value.value)} ({bounds(value)}) is {apart}"
        halves = write_number(floor.value)
        return f"Here {told}; {halves} is what two halves of them give.{_against_ceiling(value, ceiling)}"
    if value.metric == "two_sample":
        return _told_apart(value, floor, ceiling)
    if floor.n != value.n and value.metric in ("fd", "fid"):
        return f"{here}, taken at another n: the two cannot be compared."
    return f"{here}: {_against_floor(value, floor)}.{_against_ceiling(value, ceiling)}"


def _told_apart(value: MetricValue, floor: MetricValue, ceiling: MetricValue | None) -> str:
    bounds_of = [
        "" if one.low is None or one.high is None else f" ({one.low:.0%} to {one.high:.0%})" for one in (value, floor)
    ]
    return (
        f"Here a classifier tells generated from real in {value.value:.0%} of held-out cases{bounds_of[0]}, and "
        f"one half of the photographs from the other in {floor.value:.0%}{bounds_of[1]}; 50 % means that it cannot."
        + ("" if ceiling is None else f" Photographs that only went through the autoencoder: {ceiling.value:.0%}.")
    )


def _against_floor(value: MetricValue, floor: MetricValue) -> str:
    if value.low is None or value.high is None or floor.low is None or floor.high is None:
        return "no interval is stored, so whether they differ is open"
    if min(value.n) < FEWEST_FOR_VERDICT:
        return f"n = {min(value.n)} is too small to say more ({FEWEST_FOR_VERDICT} or more)"
    if value.low > floor.high or value.high < floor.low:
        return "it can be told apart from real photographs"
    return "their intervals overlap, and whether the images differ from photographs is open by this number"


def _against_ceiling(value: MetricValue, ceiling: MetricValue | None) -> str:
    if ceiling is None or METRICS[value.metric].better != "lower":
        return ""
    return f" Real photographs that only went through the autoencoder have {write_number(ceiling.value)}."
