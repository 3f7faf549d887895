"""Captions of phantoms: that it is a wound photograph, and some of its visible features.

A caption names tissues, skin, limb, backdrop, framing and the side of the frame on which the wound lies. It never
names the healing phase, nor the size of the wound, which would give the phase away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .parameters import BACKDROPS, LIMB_KINDS

Parameters = Mapping[str, float]

OFF_CENTRE = 0.10
"""How far from the middle of the frame, as a share of its side, a wound's centre is called on a side."""


@dataclass(frozen=True, slots=True)
class View:
    """How a photograph frames the wound: cropped around it or not; the centre of its box, 0..1 across and down."""

    close_up: bool
    centre: tuple[float, float]


NAMED_WITH_PROBABILITY = 0.5
BARE_WITH_PROBABILITY = 0.15
"""Share of captions that only say what kind of picture it is."""

OPENINGS = (
    "medical photograph of diabetic foot ulcer",
    "photograph of a wound",
    "medical photograph of a wound",
    "clinical photograph of a foot ulcer",
)
CLOSINGS = ("clinical documentation", "high detail")

_VISIBLE: tuple[tuple[str, Callable[[Parameters], bool]], ...] = (
    ("redness", lambda p: p["redness"] > 0.42),
    ("swelling", lambda p: p["swelling"] > 0.06),
    ("wound edges", lambda p: p["depth"] > 0.09),
    ("scar tissue", lambda p: p["scar"] > 0.40),
    ("epithelialization", lambda p: p["epithelium"] > 0.09),
    ("wound contraction", lambda p: p["contraction"] > 0.022),
    ("granulation tissue", lambda p: p["slough"] + p["necrosis"] < 0.6 and p["granularity"] > 0.35),
    ("slough", lambda p: p["slough"] > 0.25),
    ("necrosis", lambda p: p["necrosis"] > 0.20),
    ("black eschar", lambda p: p["necrosis"] > 0.35),
    ("callus", lambda p: p["callus"] > 0.30),
    ("macerated rim", lambda p: p["maceration"] > 0.45),
    ("dry scales", lambda p: p["dryness"] > 0.40),
    ("glossy wound bed", lambda p: p["gloss"] > 0.50),
    ("pale skin", lambda p: p["skin_tone"] < 3.0),
    ("brown skin", lambda p: 4.0 < p["skin_tone"] < 6.5),
    ("dark skin", lambda p: p["skin_tone"] >= 6.5),
)
_LIMB_NAMES = {"surface": "skin filling the frame", "shin": "shin", "heel": "heel", "sole": "sole", "toe": "toe"}


def _name_side(centre: tuple[float, float]) -> list[str]:
    """ "wound on the left", "wound at the bottom" or nothing, for a wound whose centre lies in the middle."""
    across, down = centre[0] - 0.5, centre[1] - 0.5
    if max(abs(across), abs(down)) < OFF_CENTRE:
        return []
    if abs(across) >= abs(down):
        return ["wound on the left" if across < 0 else "wound on the right"]
    return ["wound at the top" if down < 0 else "wound at the bottom"]


def _visible(parameters: Parameters, view: View | None) -> list[str]:
    """List everything a viewer could name in the picture."""
    features = [words for words, is_visible in _VISIBLE if is_visible(parameters)]
    limb = LIMB_KINDS[int(parameters["limb_kind"])]
    features.append(_LIMB_NAMES[limb])
    if limb != "surface":  # it fills the frame, and no backdrop is visible
        features.append(f"{BACKDROPS[int(parameters['backdrop'])]} background")
    if view is not None:
        features += ["close-up" if view.close_up else "whole limb", *_name_side(view.centre)]
    return features


def caption(parameters: Parameters, rng: np.random.Generator, view: View | None = None) -> str:
    """Write a caption of one phantom; each visible thing is named with probability one half, in random order.

    view: how it is framed; None leaves framing and the wound's place unsaid.
    """
    text = OPENINGS[int(rng.integers(len(OPENINGS)))]
    if rng.random() < BARE_WITH_PROBABILITY:
        return text
    named = [words for words in _visible(parameters, view) if rng.random() < NAMED_WITH_PROBABILITY]
    if named:
        text += " showing " + ", ".join(named[i] for i in rng.permutation(len(named)))
    for words in CLOSINGS:
        if rng.random() < 0.25:
            text += f", {words}"
    return text


def captions(
    parameters: Mapping[str, NDArray[np.float64]], rng: np.random.Generator, views: Sequence[View] | None = None
) -> list[str]:
    """Write one caption for each phantom of `Phantoms.parameters`, in order."""
    rows = range(len(next(iter(parameters.values()))))
    return [
        caption(
            {key: float(values[row]) for key, values in parameters.items()}, rng, None if views is None else views[row]
        )
        for row in rows
    ]
