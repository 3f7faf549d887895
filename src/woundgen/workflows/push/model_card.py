"""The model card of an adapter that is passed on: what it is, how to draw with it, what it may give away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from woundgen.generation.dataset_card import LICENCES, UNKNOWN_LICENCE
from woundgen.models.sources import PINNED
from woundgen.storage.display import escape_markdown

_TAGS = {"lora": "lora", "unet": "fine-tuned", "embedding": "textual_inversion"}
_LOADING = {
    "lora": 'pipe.load_lora_weights("{repo}")',
    "unet": 'pipe.unet = UNet2DConditionModel.from_pretrained("{repo}")',
    "embedding": 'pipe.load_textual_inversion("{repo}")',
}


def model_card(*, repo: str, kind: str, base: str, base_digest: str | None, notes: Mapping[str, Any]) -> str:
    """Return Markdown with the YAML head that the hub reads. base: as it may be named. notes: of the adapter."""
    licence = LICENCES.get(base, UNKNOWN_LICENCE)
    hub_name = PINNED[base][0][0] if base in PINNED else None
    head = {
        "license": licence[0],
        "library_name": "diffusers",
        "pipeline_tag": "text-to-image",
        "tags": ["diffusers", _TAGS[kind], "synthetic", "medical"],
        **({"base_model": hub_name} if hub_name else {}),
        **({"instance_prompt": notes["prompt"]} if notes.get("prompt") else {}),
    }
    start = hub_name or "PATH OF THE BASE MODEL"
    imports = ", ".join(sorted({"StableDiffusionPipeline", *(["UNet2DConditionModel"] if kind == "unet" else [])}))
    drawing = ", ".join(
        [
            repr(notes.get("prompt") or "photograph of a wound"),
            *([f"guidance_scale={notes['guidance_scale']:g}"] if notes.get("guidance_scale") else []),
            *([f"num_inference_steps={notes['steps']}"] if notes.get("steps") else []),
        ]
    )
    phase = escape_markdown(str(notes.get("phase") or "not recorded"))
    lines = [
        "---", yaml.safe_dump(head, sort_keys=False).strip(), "---", "",
        f"# Adapter for synthetic wound images, phase {phase}", "",
        "Trained with woundgen on photographs of wounds. For research augmentation only: no diagnosis.", "",
        "| | |", "| --- | --- |",
        f"| base model | {escape_markdown(base)}, digest {(base_digest or 'not recorded')[:16]} |",
        f"| licence of the base | {licence[1]} |",
        f"| kind | {kind} |",
        f"| trained at | {notes.get('train_resolution') or 'not recorded'} pixels |", "",
        "**It can draw what it was trained on.** woundgen screens the images of its sets against the photographs; "
        "whoever draws with this file has no such screen, and can ask it for more than any set shows.", "",
        "```python", f"from diffusers import {imports}", "",
        f'pipe = StableDiffusionPipeline.from_pretrained("{start}")', _LOADING[kind].format(repo=repo),
        f"image = pipe({drawing}).images[0]", "```",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"
