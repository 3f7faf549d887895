"""LoRA adapters: added through peft, saved so that diffusers opens them as they are, fused into the base to draw.

peft owns the layers, their names and their initialisation; how they run is adapters/lora_forward.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from peft import LoraConfig, get_peft_model_state_dict
from torch import Tensor, nn

from woundgen.adapters.lora_file import LoraLayer, read_lora
from woundgen.adapters.lora_forward import ADAPTER
from woundgen.adapters.lora_metadata import saved_metadata
from woundgen.adapters.lora_names import text_aliases, unet_aliases
from woundgen.adapters.plausibility import check_change, check_complete
from woundgen.config.method_groups import LoraOptions
from woundgen.errors import UserError
from woundgen.storage.names import ADAPTER_FILE, ADAPTER_NOTES

CLIP = "text_model."  # before the names of a text encoder's layers, in all but the newest transformers
NO_ENCODERS: Mapping[str, nn.Module] = MappingProxyType({})
TEXT_TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj")  # of CLIP's attention, as diffusers' examples choose them


def add_lora(module: UNet2DConditionModel, settings: LoraOptions, *, seed: int) -> dict[str, nn.Parameter]:
    """Inject LoRA layers (a UNet or a CLIP text encoder) and return their parameters by name; the rest is frozen.

    A is initialised from `seed` (Kaiming uniform as peft does), B is zero, so the model starts unchanged.
    Raises UserError where a target matches no layer, or the rank is larger than a layer.
    """
    module.requires_grad_(False)
    check_targets(module, settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module.add_adapter(_peft_config(settings), adapter_name=ADAPTER)
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def check_targets(module: nn.Module, settings: LoraOptions) -> None:
    """UserError where a target names no layer that can be adapted, or the rank exceeds what a layer can have."""
    layers = [(name, layer) for name, layer in module.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    for target in settings.target_modules:
        matching = [(name, layer) for name, layer in layers if name.endswith(f".{target}")]
        if not matching:
            raise UserError(
                f"lora_target_modules: {target} matches no layer of this base model.",
                "Use names such as to_q, to_k, to_v, to_out.0.",
            )
        for name, layer in matching:
            full = min(len(layer.weight), layer.weight[0].numel())
            if settings.rank > full:
                raise UserError(
                    f"lora_rank = {settings.rank} is larger than layer {name}, whose full rank is {full}.",
                    f"Use {full} or less, or leave {target} out of lora_target_modules.",
                )


def _peft_config(settings: LoraOptions) -> LoraConfig:
    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]
        lora_dropout=0.0,  # ours, by position
        init_lora_weights=True,
        target_modules=list(settings.target_modules),
        use_rslora=settings.rslora,
        use_dora=settings.dora,
    )


def lora_count(module: nn.Module, settings: LoraOptions) -> int:
    """How many parameters `add_lora` has to make: rank x (inputs + outputs) of every target layer; a length a row."""
    total = 0
    for name, layer in module.named_modules():
        if name.endswith(tuple(f".{target}" for target in settings.target_modules)):
            weight = layer.weight
            assert isinstance(weight, Tensor)
            total += settings.rank * (weight[0].numel() + len(weight)) + settings.dora * len(weight)
    return total


def save_lora(
    folder: Path,
    unet: nn.Module,
    tensors: Mapping[str, Tensor],
    settings: LoraOptions,
    notes: Mapping[str, object],
    *,
    text_encoders: Mapping[str, nn.Module] = NO_ENCODERS,
) -> None:
    """Write pytorch_lora_weights.safetensors, which diffusers' load_lora_weights opens as it is.

    B is saved times alpha / rank (rsLoRA: alpha / sqrt(rank)), and alpha as the rank: readers that do not know the
    metadata, kohya's among them, then apply it at the right strength too.

    tensors: values by parameter name (raw or EMA); those of a text encoder begin with its name and a dot.
    text_encoders: those with an adapter, by name. notes: what the file should say of itself (base, run).
    """
    arguments: dict[str, Any] = {}
    for part, module in text_encoders.items():
        own = {key.removeprefix(f"{part}."): tensors[key] for key in tensors if key.startswith(f"{part}.")}
        layers = _layers(module, own, _scale(settings))
        arguments[f"{part}_lora_layers"] = {f"{CLIP}{key.removeprefix(CLIP)}": value for key, value in layers.items()}
        arguments[f"{part}_lora_adapter_metadata"] = saved_metadata(
            rank=settings.rank, targets=TEXT_TARGETS, decomposed=settings.dora
        )
    own = {key: value for key, value in tensors.items() if key.split(".")[0] not in text_encoders}
    StableDiffusionXLPipeline.save_lora_weights(
        save_directory=folder,
        unet_lora_layers=_layers(unet, own, _scale(settings)),
        unet_lora_adapter_metadata=saved_metadata(
            rank=settings.rank, targets=settings.target_modules, decomposed=settings.dora
        ),
        **arguments,
    )
    _sort_metadata(folder / ADAPTER_FILE)
    (folder / ADAPTER_NOTES).write_text(json.dumps({"lora": _recorded(settings), **notes}, indent=1))


def _recorded(settings: LoraOptions) -> dict[str, Any]:
    """Return the settings by the names that they have in woundgen_adapter.json."""
    return {
        "rank": settings.rank,
        "alpha": settings.alpha,
        "dropout": settings.dropout,
        "targets": list(settings.target_modules),
        "stabilised": settings.rslora,
        "decomposed": settings.dora,
    }


def _scale(settings: LoraOptions) -> float:
    """Of the update: alpha / rank, under rsLoRA alpha / sqrt(rank)."""
    return settings.alpha / (settings.rank**0.5 if settings.rslora else settings.rank)


def _layers(module: nn.Module, tensors: dict[str, Tensor], scale: float) -> dict[str, Tensor]:
    """peft's keys and values, B times the scale."""
    layers = get_peft_model_state_dict(module, state_dict=tensors, adapter_name=ADAPTER)
    scaled = {key: value * scale if ".lora_B." in key else value for key, value in layers.items()}
    return {key: value.detach().contiguous() for key, value in scaled.items()}


def _sort_metadata(path: Path) -> None:
    """safetensors writes metadata in the order of a hash table; sorted, equal weights are equal files."""
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[end:])


@torch.no_grad()
def fuse_lora(module: nn.Module, files: Sequence[tuple[Path, float]], *, part: str = "unet") -> None:
    """Add strength * (adapted weight - base weight) of each adapter file, in fp32, then back to the base's dtype.

    part: which of the files' adapters, "unet", "text_encoder" or "text_encoder_2". Drawing then costs what the base
    costs. Raises UserError where a layer is unknown to this base, a file is not understood as a whole, has not all the
    layers that its notes name, or changes a layer out of all proportion.
    """
    read = [([layer for layer in read_lora(path) if layer.part == part], path, strength) for path, strength in files]
    aliases = module_aliases(module, part=part)
    layers = dict(module.named_modules())
    before: dict[str, Tensor] = {}  # of the layers that were changed: every adapter is a difference to the base
    for lora, path, strength in read:
        if lora or part == "unet":
            names = [aliases.get(one.name, one.name) for one in lora]
            check_complete(path, names, module, targets=None if part == "unet" else TEXT_TARGETS)
        for one in lora:
            name = aliases.get(one.name, one.name)
            layer = _matching(layers.get(name), one, path)
            base = before[name] if name in before else layer.weight.float().clone()
            if len(files) > 1:
                before[name] = base
            # A convolution's A has its kernel and B is 1x1, so the product of the flattened ones serves both.
            update = one.scale * (one.up.flatten(1) @ one.down.flatten(1)).to(base.device)
            magnitude = None if one.magnitude is None else one.magnitude.to(base.device)
            change = _change(base, update.view_as(base), magnitude)
            check_change(path, one.name, change, base)
            layer.weight.copy_((layer.weight.float() + strength * change).to(layer.weight.dtype))


def module_aliases(module: nn.Module, *, part: str) -> dict[str, str]:
    """The names that files give to the layers of a UNet or text encoder, each with the layer's own."""
    names = [name for name, layer in module.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    if part != "unet":
        return text_aliases(names)
    return unet_aliases(names, layers_per_block=int(module.config.layers_per_block))  # type: ignore[union-attr,arg-type]


def _matching(layer: nn.Module | None, lora: LoraLayer, path: Path) -> nn.Linear | nn.Conv2d:
    fits = isinstance(layer, nn.Linear | nn.Conv2d) and (
        len(layer.weight) == len(lora.up)
        and layer.weight[0].numel() == lora.down[0].numel()
        and (layer.weight.ndim == lora.down.ndim or layer.weight[0].numel() == layer.weight.shape[1])
    )
    if not fits:
        raise UserError(
            f"{path}: layer {lora.name} does not fit this base model's {lora.part}.",
            "Use the base it was trained on.",
        )
    assert isinstance(layer, nn.Linear | nn.Conv2d)
    return layer


def _change(base: Tensor, update: Tensor, magnitude: Tensor | None) -> Tensor:
    """Return an adapter's change of a weight [out, ...]; under DoRA rows of the sum take the learned lengths [out]."""
    if magnitude is None:
        return update
    moved = base + update
    lengths = moved.flatten(1).norm(dim=1)
    stretch = (magnitude / lengths).view(-1, *(1,) * (moved.ndim - 1))
    return moved * stretch - base
