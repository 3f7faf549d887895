"""Writes docs/options.md from the settings themselves, so that the page cannot drift from the code.

    python scripts/make_options_table.py

Default and allowed values come from the pydantic models of woundgen.config, "read by" from the syntax trees of
src/woundgen, the meaning from the field's own description or from MEANING below.
"""

from __future__ import annotations

import ast
import typing
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from woundgen.config.quality import QualityConfig
from woundgen.config.train import TrainConfig

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "woundgen"
PAGE = ROOT / "docs" / "options.md"
UNREAD = "**nothing yet**"
LAST = "Which test holds each option, and what was measured of it: [options-tested.md](options-tested.md)."

# How the code calls the two models where it reads them.
CALLED: Mapping[type[BaseModel], frozenset[str]] = {
    TrainConfig: frozenset({"config", "session.config", "self.session.config", "request.config", "settings"}),
    QualityConfig: frozenset({"quality"}),
}
NOT_A_CONFIG = {"workflows/rebuild/stages.py", "workflows/rebuild/base.py", "generation/sampler.py", "training/loop.py"}
"""Files that call another record `settings`."""

MEANING = {
    "base_model": "what is adapted: `embedded`, `sd21-base` (or the consultation's name for it), or a diffusers folder",
    "resolution": "side of the square images, pixels",
    "training_method": "what is trained",
    "lora_rank": "rank r of the update B A of each layer",
    "lora_alpha": "the update is scaled by alpha / rank",
    "lora_dropout": "share of a layer's inputs dropped before A",
    "lora_target_modules": "names of the adapted layers of the UNet",
    "batch_size_per_gpu": "images in one forward pass",
    "gradient_accumulation": "forward passes for one optimizer step",
    "learning_rate": "of AdamW, at its peak",
    "lr_scheduler": "course of the learning rate after warm-up",
    "lr_warmup_steps": "optimizer steps of linear warm-up",
    "max_epochs": "passes over the training photographs",
    "inference_steps_during_training": "sampler steps of sample grids and of FD in training, at most",
    "inference_steps_production": "sampler steps of `woundgen generate` for this adapter",
    "guidance_scale": "of sample grids and of FD in training; 1 is none",
    "train_val_split": "share of the photographs that is trained on; patients stay whole",
    "data_augmentation": "flips, turns and colour changes, encoded once before training",
    "save_every_n_epochs": "a checkpoint after so many epochs",
    "keep_last_n_checkpoints": "how many can be resumed from; older ones keep their adapters only",
    "save_best_only": "no periodic checkpoints: the best, the last and those at a stop",
    "mixed_precision": "of the forward and backward pass on a GPU; on a CPU it is fp32, with a notice",
    "gradient_checkpointing": "less memory for about a third more time",
    "use_xformers": "memory-efficient attention; PyTorch's own serves",
    "phases": "healing phases this adapter is trained on",
    "seed": "of everything random in the run",
    "prompts": "text of the photographs: the consultation's, one neutral sentence, none, or `prompt`",
    "prompt_dropout": "share of the training steps' images that see the empty prompt, so that guidance works",
    "augmentation_variations": "augmented versions of each photograph in the latent cache",
    "weight_decay": "of AdamW",
    "max_gradient_norm": "a longer gradient is scaled down to this",
    "min_snr_gamma": "weighting of the loss by signal-to-noise ratio (Hang et al. 2023); null: none",
    "noise_offset": "noise shared by all positions of a channel, for darker and brighter images; 0: none",
    "ema": "keep an exponential moving average of the adapter, evaluated and saved beside the raw weights",
    "ema_decay": "of the average, at most",
    "ema_warmup": "min(decay, (1 + t) / (10 + t)): the average follows from the first step",
    "evaluate_every_n_epochs": "validation loss after so many epochs; drawing and metrics, too, as the plan has room",
    "monitor": "metric by which the best checkpoint is chosen; `auto`: FID or FD where it is measured, else `val_loss`",
    "device": "where to compute; auto takes a GPU where there is one",
    "policy": "calibrated: a joint rule learned from real against real; spec: the consultation's; report: keep all",
    "ssim_minimum": "spec: SSIM to the set must be above it; grade \"good\"",
    "lpips_maximum": "spec: perceptual distance to the set must be below it; grade \"good\"",
    "ssim_excellent": "grade \"excellent\"",
    "lpips_excellent": "grade \"excellent\"",
    "fid_good": "grade \"good\": FID below it",
    "fid_excellent": "grade \"excellent\": FID below it",
    "is_good": "grade \"good\": inception score above it",
    "is_excellent": "grade \"excellent\": inception score above it",
    "aggregation": "spec: similarity to a set is the best match, the mean of the k nearest, or the mean",
    "topk": "k of aggregation: topk, and of the statistics of the calibrated rule",
}  # fmt: skip

HEAD = """# Options

<!-- Made by scripts/make_options_table.py from src/woundgen/config/; a test holds that it is current. -->

Settings are read from a YAML file and `--set key=value` on top of it; an unknown key, or a value that is not
allowed, is an error, and all of them are reported at once. "Read by" names the files of `src/woundgen` that
act on a key.
"""
SECTIONS = (
    (TrainConfig, "Training", "`woundgen train --config configs/phase_I_config.yaml --set learning_rate=1e-4`"),
    (QualityConfig, "Screening and grades", "`woundgen generate --thresholds configs/quality_thresholds.yaml ...`"),
)


def meaning(name: str, field: FieldInfo) -> str:
    text = MEANING.get(name, field.description)
    assert text, f"{name} has neither a description nor an entry in MEANING"
    if field.description and name in MEANING:
        raise AssertionError(f"{name}: its field says what it means; drop it from MEANING")
    return text


def shown(value: Any) -> str:
    """A value as YAML has it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def allowed(field: FieldInfo) -> str:
    """Choices of a Literal, or the bounds of a number."""
    choices = list(_choices(field.annotation))
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "multiple_of": "multiple of"}
    bounds = [
        f"{sign} {getattr(rule, name):g}"
        for rule in field.metadata
        for name, sign in signs.items()
        if getattr(rule, name, None) is not None
    ]
    return ", ".join(bounds)


def _choices(annotation: Any) -> Iterator[str]:
    if typing.get_origin(annotation) is typing.Literal:
        yield from map(str, typing.get_args(annotation))
    else:
        for argument in typing.get_args(annotation):
            yield from _choices(argument)


@cache
def readers(model: type[BaseModel]) -> dict[str, list[str]]:
    """key -> files that read it, straight or through a property or function of config/."""
    found: dict[str, set[str]] = defaultdict(set)
    through = _ways_through_config(model)
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        if name.startswith("config/"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                if ast.unparse(node.value) in CALLED[model] and not (
                    name in NOT_A_CONFIG and ast.unparse(node.value) == "settings"
                ):
                    for key in through.get(node.attr, {node.attr}):
                        found[key].add(name)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                for key in through.get(node.func.id, ()):
                    found[key].add(name)
    return {key: sorted(found[key]) for key in model.model_fields}


def _ways_through_config(model: type[BaseModel]) -> dict[str, set[str]]:
    """Name of a function or property of config/train.py -> keys that it reads (checks do not count)."""
    ways = {}
    nodes = [node for path in (SOURCE / "config").glob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    for node in nodes:
        if not isinstance(node, ast.FunctionDef) or any("validator" in ast.unparse(d) for d in node.decorator_list):
            continue
        read = {inner.attr for inner in ast.walk(node) if isinstance(inner, ast.Attribute)} & set(model.model_fields)
        if read:
            ways[node.name] = read
    return ways


def table(model: type[BaseModel]) -> str:
    lines = ["| key | meaning | default | allowed | read by |", "| --- | --- | --- | --- | --- |"]
    files = readers(model)
    for name, field in model.model_fields.items():
        where = ", ".join(f"`{file}`" for file in files[name]) or UNREAD
        cells = (f"`{name}`", meaning(name, field), f"`{shown(field.default)}`", allowed(field), where)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def page() -> str:
    parts = [HEAD]
    for model, title, example in SECTIONS:
        parts.append(f"\n## {title}\n\n{example}\n\n{table(model)}\n")
    return (
        "".join(parts)
        + "\nWhich test holds each option, and what was measured of it: [options-tested.md](options-tested.md).\n"
    )


if __name__ == "__main__":
    unknown = set(MEANING) - set(TrainConfig.model_fields) - set(QualityConfig.model_fields)
    assert not unknown, f"MEANING explains keys that are gone: {unknown}"
    PAGE.write_text(page())
