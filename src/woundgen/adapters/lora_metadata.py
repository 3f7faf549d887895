"""Metadata of a LoRA file: the settings that every peft knows, and the scale that they give."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from peft import LoraConfig

from woundgen.errors import UserError

# Fields of peft's LoraConfig that decide how a saved adapter is applied, and are read here.
_READ = {"r", "lora_alpha", "use_rslora", "use_dora", "rank_pattern", "alpha_pattern"}
# Fields that only decide how training begins or which layers get an adapter: the tensors say that.
_NOT_NEEDED = {
    "alora_invocation_tokens", "arrow_config", "auto_mapping", "base_model_name_or_path", "bias", "corda_config",
    "ensure_weight_tying", "eva_config", "exclude_modules", "inference_mode", "init_lora_weights", "layer_replication",
    "layers_pattern", "layers_to_transform", "loftq_config", "lora_dropout", "lora_ga_config", "megatron_config",
    "megatron_core", "modules_to_save", "peft_type", "peft_version", "revision", "runtime_config", "target_modules",
    "target_parameters", "task_type", "trainable_token_indices", "fan_in_fan_out",
    "qalora_group_size",  # acts with use_qalora alone
}  # fmt: skip
_CHANGES = {"alora_invocation_tokens", "arrow_config", "modules_to_save", "trainable_token_indices", "fan_in_fan_out"}
# Woundgen 0.1.0 and peft save every field: one at peft's default changes nothing.
_DEFAULTS = {field.name: field.default for field in fields(LoraConfig)}


def saved_metadata(*, rank: int, targets: tuple[str, ...], decomposed: bool) -> dict[str, object]:
    """Return the settings to save: those that peft has had since 0.6, no others.

    A reader that knows more fields takes its defaults, which leave an adapter as it is; one that lacks a field of a
    newer peft refuses the file. alpha is the rank, for the tensors hold the scale (`save_lora`).
    """
    said: dict[str, object] = {"r": rank, "lora_alpha": rank, "target_modules": sorted(targets)}
    said |= {"rank_pattern": {}, "alpha_pattern": {}}  # diffusers 0.36 raises KeyError without them
    return said | ({"use_dora": True} if decomposed else {})


def scale_from_metadata(path: Path, metadata: Mapping[str, Any], *, part: str, name: str, rank: int) -> float:
    """alpha / r (rsLoRA: alpha / sqrt(r)) of a layer; 1 where the file says nothing, as diffusers has it.

    Raises UserError that names a field which changes the adapter in a way that is not known here.
    """
    own = {key.removeprefix(f"{part}."): value for key, value in metadata.items() if key.startswith(f"{part}.")}
    if not own:
        return 1.0
    for field, value in own.items():
        known = field in _READ | _NOT_NEEDED and field not in _CHANGES
        if value and not known and value != _DEFAULTS.get(field):
            raise UserError(f"{path} was trained with {field} = {value}, which is not read.", "Merge it with peft.")
    alpha = _of_layer(own.get("alpha_pattern"), name, own.get("lora_alpha", rank))
    said_rank = _of_layer(own.get("rank_pattern"), name, own.get("r", rank))
    if said_rank != rank:
        raise UserError(f"{path}: {name} has rank {rank}, and its metadata says {said_rank:g}.", "Is it damaged?")
    return alpha / (rank**0.5 if own.get("use_rslora") else rank)


def _of_layer(pattern: Mapping[str, float] | None, name: str, default: float) -> float:
    """The entry for this layer in peft's pattern (a name's end, or a regular expression of one), else the default."""
    for key, value in (pattern or {}).items():
        if re.fullmatch(rf"(.*\.)?({key})", name):
            return float(value)
    return float(default)
