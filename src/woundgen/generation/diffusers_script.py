"""A program that draws an image of a set with diffusers alone: `python draw_with_diffusers.py BASE [ADAPTER ...]`.

Bare `num_inference_steps` draws other pictures: diffusers spaces its timesteps by their number, woundgen by their noise
level (generation/spacing.py). The program therefore passes the timesteps themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from woundgen.generation.image_set import Recipe

_SCHEDULERS = {
    "dpmsolver++": ("DPMSolverMultistepScheduler", ', algorithm_type="dpmsolver++"'),
    "ddim": ("DDIMScheduler", ", steps_offset=1, clip_sample=False"),
    "euler": ("EulerDiscreteScheduler", ""),
}


@dataclass(frozen=True, slots=True)
class ScriptFacts:
    """timesteps: those that the sampler visits; None for DDIM, which knows its own spacing only.

    seed: of the image to draw (column `seed` of metadata.csv).
    kinds: of the adapters, "lora", "unet" or "embedding", in the order fused.
    tokens: of each adapter, the word that its file does not name itself (A1111's embeddings); "" for every other.
    zero_terminal_snr: whether the noise schedule was rescaled for them. xl: two text encoders.
    """

    recipe: Recipe
    timesteps: Sequence[int] | None
    seed: int
    kinds: Sequence[str]
    tokens: Sequence[str]
    zero_terminal_snr: bool = False
    xl: bool = False


def diffusers_script(facts: ScriptFacts) -> str:
    """Return the program's text. It names no path, photograph or patient."""
    recipe, sampler = facts.recipe, facts.recipe.sampler
    pipeline = "StableDiffusionXLPipeline" if facts.xl else "StableDiffusionPipeline"
    scheduler, more = _SCHEDULERS[sampler.sampler]
    if facts.zero_terminal_snr:
        more += ", rescale_betas_zero_snr=True"
    names = [scheduler, pipeline, *(["UNet2DConditionModel"] if "unet" in facts.kinds else [])]
    steps = "STEPS" if facts.timesteps is None else "timesteps=TIMESTEPS"
    lines = [
        '"""Draw an image of this set with diffusers alone: python draw_with_diffusers.py BASE [ADAPTER ...]',
        "",
        "BASE: folder or hub name of the base model. ADAPTER: the adapters' files, in the order of set.json.",
        *_not_reproduced(facts),
        '"""',
        "",
        "import sys",
        "from pathlib import Path",
        "",
        "import torch",
        f"from diffusers import {', '.join(sorted(names))}",
        "",
        f"PROMPT, NEGATIVE = {recipe.prompt!r}, {recipe.negative_prompt!r}",
        f"SEED = {facts.seed}  # metadata.csv has that of each image",
        *([f"STEPS = {sampler.steps}"] if facts.timesteps is None else [f"TIMESTEPS = {list(facts.timesteps)}"]),
        "",
        "base, *adapters = sys.argv[1:]",
        f"pipe = {pipeline}.from_pretrained(base)",
        f"pipe.scheduler = {scheduler}.from_config(pipe.scheduler.config{more})",
        *_adapter_lines(facts),
        "image = pipe(",
        f"    PROMPT, negative_prompt=NEGATIVE, guidance_scale={sampler.guidance_scale:g}, {_steps_argument(steps)},",
        f"    height={sampler.height}, width={sampler.width}, generator=torch.Generator().manual_seed(SEED),",
        ").images[0]",
        'image.save(f"{SEED}.png")',
    ]
    return "\n".join(lines) + "\n"


def _steps_argument(steps: str) -> str:
    return steps if "=" in steps else f"num_inference_steps={steps}"


def _adapter_lines(facts: ScriptFacts) -> list[str]:
    """Load each adapter as diffusers does, and set the strengths of the LoRAs among them."""
    lines, loras = [], []
    adapters = zip(facts.kinds, facts.tokens, facts.recipe.adapters, strict=True)
    for number, (kind, token, (_, strength)) in enumerate(adapters):
        if kind == "unet":
            lines.append(f"pipe.unet = UNet2DConditionModel.from_pretrained(Path(adapters[{number}]).parent)")
        elif kind == "embedding":
            named = f", token={token!r}" if token else ""
            lines.append(f"pipe.load_textual_inversion(adapters[{number}]{named})")
        else:
            file = f"Path(adapters[{number}])"
            lines.append(
                f'pipe.load_lora_weights({file}.parent, weight_name={file}.name, adapter_name="adapter{number}")'
            )
            loras.append((f"adapter{number}", strength))
    if any(strength != 1 for _, strength in loras) or len(loras) > 1:
        lines.append(f"pipe.set_adapters({[name for name, _ in loras]!r}, {[float(s) for _, s in loras]!r})")
    return lines


def _not_reproduced(facts: ScriptFacts) -> list[str]:
    """List the options that this set was drawn with and the program leaves out."""
    recipe = facts.recipe
    strengths = [strength for kind, (_, strength) in zip(facts.kinds, recipe.adapters, strict=True) if kind == "unet"]
    left_out = [
        *(["the strength of a whole UNet"] if any(strength != 1 for strength in strengths) else []),
        *(["the guidance interval"] if recipe.sampler.guidance_interval != (0.0, 1.0) else []),
        *(["autoguidance"] if recipe.guide else []),
        *(["the photograph that images begin from"] if recipe.source else []),
        *([f"the reduction to {recipe.size} pixels"] if recipe.size else []),
        *([f"precision {recipe.precision}"] if recipe.precision != "fp32" else []),
    ]
    return [f"Left out, so that pictures differ: {', '.join(left_out)}."] if left_out else []
