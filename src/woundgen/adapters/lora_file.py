"""Read a LoRA file in any of the layouts that trainers write, and count what was understood.

Layouts: peft (`lora_A`, `lora_B`), diffusers before peft (`lora.down`, `to_q_lora.down`, `lora_linear_layer`),
kohya, OneTrainer and LyCORIS' LoRA (`lora_unet_..._lora_down`). Names are those of the file; adapters/lora_names.py
finds the layers of a base that they mean.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from woundgen.adapters.lora_metadata import scale_from_metadata
from woundgen.errors import UserError

SHOWN = 3  # keys that an error names


@dataclass(frozen=True, slots=True)
class LoraLayer:
    """A layer's update, scale * up @ down. part: "unet", "text_encoder" or "text_encoder_2".

    name: of the layer as the file spells it. underscored: whether dots are written as underscores (kohya).
    down: [r, in, ...]. up: [out, r, ...]. magnitude: learned lengths of the rows (DoRA), [out], or None.
    """

    part: str
    name: str
    underscored: bool
    down: Tensor
    up: Tensor
    scale: float
    magnitude: Tensor | None = None

    @property
    def rank(self) -> int:
        return len(self.down)


@dataclass(frozen=True, slots=True)
class _Spelling:
    """A way to spell a tensor's key. role: down, up, mid, alpha, magnitude or dora_scale, by the pattern's groups."""

    pattern: re.Pattern[str]
    roles: Mapping[str, str]
    name: Callable[[re.Match[str]], str]


_SIDES = {"lora_A": "down", "lora_B": "up", "down": "down", "up": "up"}
_KOHYA_SIDES = {"lora_down": "down", "lora_up": "up", "lora_mid": "mid"}
_ATTENTION = {"to_q": "to_q", "to_k": "to_k", "to_v": "to_v", "to_out": "to_out.0"}
_CLIP = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out": "out_proj"}
_MAGNITUDE, _ALPHA = {"magnitude": "magnitude"}, {"alpha": "alpha"}

_SPELLINGS = (
    _Spelling(re.compile(r"(.+)\.(lora_A|lora_B)(?:\.default)?\.weight"), _SIDES, lambda m: m[1]),
    _Spelling(
        re.compile(r"(.+)\.processor\.(?:(to_q|to_k|to_v|to_out)_lora)\.(down|up)\.weight"),
        _SIDES,
        lambda m: f"{m[1]}.{_ATTENTION[m[2]]}",
    ),
    _Spelling(
        re.compile(r"(.+\.self_attn)\.(?:(to_q|to_k|to_v|to_out)_lora)\.(down|up)\.weight"),
        _SIDES,
        lambda m: f"{m[1]}.{_CLIP[m[2]]}",
    ),
    _Spelling(re.compile(r"(.+)\.(?:lora|lora_linear_layer)\.(down|up)\.weight"), _SIDES, lambda m: m[1]),
    _Spelling(re.compile(r"(.+)\.(lora_down|lora_up|lora_mid)\.weight"), _KOHYA_SIDES, lambda m: m[1]),
    _Spelling(re.compile(r"(.+)\.lora_(magnitude)_vector(?:\.default)?(?:\.weight)?"), _MAGNITUDE, lambda m: m[1]),
    _Spelling(re.compile(r"(.+)\.(dora_scale)"), {"dora_scale": "dora_scale"}, lambda m: m[1]),
    _Spelling(re.compile(r"(.+)\.(alpha)"), _ALPHA, lambda m: m[1]),
)
_PARTS = (
    ("base_model.model.unet.", "unet", False),
    ("base_model.model.", "unet", False),
    ("unet.", "unet", False),
    ("text_encoder.", "text_encoder", False),
    ("text_encoder_2.", "text_encoder_2", False),
    ("lora_unet_", "unet", True),
    ("lora_te_", "text_encoder", True),
    ("lora_te1_", "text_encoder", True),
    ("lora_te2_", "text_encoder_2", True),
)
_UNET_STARTS = ("down_blocks.", "mid_block.", "up_blocks.", "conv_in", "conv_out", "time_embedding.", "add_embedding.")


def read_lora(path: Path) -> list[LoraLayer]:
    """Return all layers of the file. UserError that names keys where any is not understood, or there is none."""
    metadata, tensors = _load(path)
    found: dict[tuple[str, str, bool], dict[str, Tensor]] = {}
    unknown = []
    for key, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise UserError(f"{path}: {key} holds numbers that are not finite.", "Give the file that a run saved.")
        where = _place(key)
        if where is None:
            unknown.append(key)
            continue
        name, role = where
        found.setdefault(name, {})[role] = tensor
    unknown += [
        f"{part}: {name}" for (part, name, _), roles in found.items() if "down" not in roles or "up" not in roles
    ]
    if unknown or not found:
        raise UserError(
            f"{path} is no LoRA that woundgen reads: {_listed(unknown) if unknown else 'it holds no tensor'}.",
            "LoHa, LoKr and other kinds are not read; convert it to LoRA in the layout of diffusers, peft or kohya.",
        )
    return [_layer(path, *place, roles, metadata) for place, roles in found.items()]


def _load(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The settings in the file's metadata (empty where it has none), and its tensors."""
    if path.suffix in (".pt", ".bin", ".ckpt", ".pth"):
        raise UserError(f"{path} is a pickle, which can run code and is not read.", "Save it as .safetensors.")
    try:
        with safe_open(path, "pt") as file:
            metadata = json.loads((file.metadata() or {}).get("lora_adapter_metadata", "{}"))
            return metadata, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"{path} is not a safetensors adapter ({error}).", "Give the file a run saved.") from None


def _place(key: str) -> tuple[tuple[str, str, bool], str] | None:
    """((part, layer's name, underscored), role) of a tensor; None for a key of no known layout."""
    for spelling in _SPELLINGS:
        if (match := spelling.pattern.fullmatch(key)) is None:
            continue
        role = next(spelling.roles[group] for group in reversed(match.groups()) if group in spelling.roles)
        name = spelling.name(match)
        for start, part, underscored in _PARTS:
            if name.startswith(start):
                return (part, name.removeprefix(start), underscored), role
        return (("unet", name, False), role) if name.startswith(_UNET_STARTS) else None
    return None


def _layer(
    path: Path, part: str, name: str, underscored: bool, roles: Mapping[str, Tensor], metadata: Mapping[str, Any]
) -> LoraLayer:
    down, up = roles["down"].float(), roles["up"].float()
    if "mid" in roles:  # a convolution split in three (LyCORIS' Tucker form): its core goes into `down`
        down = torch.einsum("ajhw,ji->aihw", roles["mid"].float(), down.flatten(1))
    if len(down) != up.shape[1]:
        raise UserError(
            f"{path}: the two matrices of {name} have ranks {len(down)} and {up.shape[1]}.", "Is it damaged?"
        )
    alpha = roles.get("alpha")
    if alpha is not None:
        scale = float(alpha) / len(down)
    else:
        scale = scale_from_metadata(path, metadata, part=part, name=name, rank=len(down))
    return LoraLayer(part, name, underscored, down, up, scale, _lengths(path, name, roles, up))


def _lengths(path: Path, name: str, roles: Mapping[str, Tensor], up: Tensor) -> Tensor | None:
    """[out] of DoRA: peft's vector, or LyCORIS' [out, 1, ...]. LyCORIS can also scale columns, which is another method.

    Its shape tells, and not its length: of a square layer, columns are as many as rows.
    """
    if (lengths := roles.get("dora_scale")) is not None and len(lengths) != len(up):
        raise UserError(
            f"{path}: {name}.dora_scale is of shape {tuple(lengths.shape)}, and the layer has {len(up)} rows.",
            "DoRA over columns (LyCORIS, wd_on_output=False) is not read.",
        )
    lengths = roles.get("magnitude", lengths)
    if lengths is not None and lengths.numel() != len(up):
        raise UserError(f"{path}: {name} has {lengths.numel()} lengths of {len(up)} rows.", "Is it damaged?")
    return None if lengths is None else lengths.float().flatten()


def _listed(keys: list[str]) -> str:
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return f"not understood: {', '.join(sorted(keys)[:SHOWN])}{more}"
