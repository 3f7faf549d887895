"""Metadata of an exported file: Stability's ModelSpec 1.0.0, and kohya's keys that WebUIs read.

Source: https://github.com/Stability-AI/ModelSpec. No date, path, patient or photograph is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from woundgen.generation.dataset_card import licence_of

_SD2_WIDTH = 1024
# By width of what cross-attention reads: (ModelSpec's architecture, kohya's ss_base_model_version).
_ARCHITECTURES: Mapping[int, tuple[str, str]] = {
    768: ("stable-diffusion-v1", "sd_v1"),
    1024: ("stable-diffusion-v2-512", "sd_v2"),
    2048: ("stable-diffusion-xl-v1-base", "sdxl_base_v1-0"),
}


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """width: of what cross-attention reads. base: name as it may be told. side: pixels that it was trained at.

    trigger: words to put into a prompt. kind: "lora", "textual-inversion", or empty for a whole model.
    """

    title: str
    base: str
    base_digest: str
    width: int
    kind: str
    side: int | None
    trigger: str
    prediction: str


def modelspec(facts: ModelFacts) -> dict[str, str]:
    """Return the metadata of a safetensors file, all of it text."""
    architecture, version = _ARCHITECTURES.get(facts.width, ("stable-diffusion-custom", ""))
    prediction = {"v_prediction": "v", "epsilon": "epsilon"}.get(facts.prediction, facts.prediction)
    if facts.width == _SD2_WIDTH and prediction == "v":
        architecture, version = "stable-diffusion-v2-768-v", "sd_v2_v"
    found = {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": f"{architecture}/{facts.kind}" if facts.kind else architecture,
        "modelspec.implementation": "diffusers",
        "modelspec.title": facts.title,
        "modelspec.description": f"Synthetic wound images, for research. Base model: {facts.base}.",
        "modelspec.prediction_type": prediction,
        "modelspec.license": licence_of(facts.base),
        "modelspec.trigger_phrase": facts.trigger,
        "modelspec.tags": "synthetic, medical, wound",
        "woundgen.base": facts.base,
        "woundgen.base_digest": facts.base_digest,
    }
    if facts.side:
        found["modelspec.resolution"] = f"{facts.side}x{facts.side}"
    if version:
        # A1111 reads ss_v2, takes a file without it for SD 1, and hides that from the list beside SD 2.
        found |= {"ss_base_model_version": version, "ss_v2": str(facts.width == _SD2_WIDTH)}
    return found
