"""LoRA adapters: added through peft, run our way, saved so that diffusers opens them as they are.

peft owns the layers, their names and their initialisation. Two things of its forward pass are replaced:
without dropout the merged weight W + s B A costs one GEMM a layer instead of three thin ones, and with dropout
the mask comes from the sample's position in the run (models/dropout.py) instead of a global generator.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from peft import LoraConfig, get_peft_model_state_dict
from peft.tuners.lora.layer import Linear as LoraLinear
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from woundgen.errors import UserError
from woundgen.models.dropout import DropoutMasks
from woundgen.rundir import ADAPTER_FILE, ADAPTER_NOTES

ADAPTER = "default"


@dataclass(frozen=True, slots=True)
class LoraSettings:
    rank: int
    alpha: float
    dropout: float
    targets: tuple[str, ...]


def add_lora(unet: UNet2DConditionModel, settings: LoraSettings, *, seed: int) -> dict[str, nn.Parameter]:
    """Inject LoRA layers and return their parameters by name; everything else is frozen.

    A is initialised from `seed` (Kaiming uniform as peft does), B is zero, so the model starts unchanged.
    Raises UserError where a target matches no layer.
    """
    unet.requires_grad_(False)
    missing = [t for t in settings.targets if not any(n.endswith(f".{t}") for n, _ in unet.named_modules())]
    if missing:
        raise UserError(
            f"lora_target_modules: {', '.join(missing)} matches no layer of this base model.",
            "Use names such as to_q, to_k, to_v, to_out.0.",
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unet.add_adapter(_peft_config(settings), adapter_name=ADAPTER)
    return {name: p for name, p in unet.named_parameters() if p.requires_grad}


def _peft_config(settings: LoraSettings) -> LoraConfig:
    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]
        lora_dropout=0.0,  # ours, by position
        init_lora_weights=True,
        target_modules=list(settings.targets),
    )


def run_by_position(unet: nn.Module, *, dropout: float) -> DropoutMasks | None:
    """Replace the forward of every LoRA layer by ours; returns the mask source to advance at each step."""
    masks = DropoutMasks(dropout) if dropout > 0 else None
    for name, layer in unet.named_modules():
        if isinstance(layer, LoraLinear):
            if masks is None:
                layer.forward = partial(_merged_forward, layer)  # type: ignore[method-assign]
            else:
                layer.forward = partial(_dropout_forward, layer, masks, name)  # type: ignore[method-assign]
    return masks


def _merged_forward(layer: LoraLinear, x: Tensor, *args: object, **unused: object) -> Tensor:
    """F.linear(x, W + s B A): equal to peft's three products, gradients included, to rounding."""
    base, low, high = _parts(layer)
    weight = torch.addmm(base.weight.to(high.weight.dtype), high.weight, low.weight, alpha=layer.scaling[ADAPTER])
    return F.linear(x, weight.to(x.dtype), base.bias)


def _dropout_forward(
    layer: LoraLinear, masks: DropoutMasks, name: str, x: Tensor, *args: object, **unused: object
) -> Tensor:
    if not layer.training or not masks.active:
        return _merged_forward(layer, x)
    base, low, high = _parts(layer)
    kept = x.to(low.weight.dtype) * masks.scaled_mask(name, x)
    update = high(low(kept)) * layer.scaling[ADAPTER]
    return base(x) + update.to(x.dtype)


def _parts(layer: LoraLinear) -> tuple[nn.Linear, nn.Linear, nn.Linear]:
    """The base layer, A and B."""
    return cast(
        tuple[nn.Linear, nn.Linear, nn.Linear], (layer.get_base_layer(), layer.lora_A[ADAPTER], layer.lora_B[ADAPTER])
    )


def save_lora(
    folder: Path, unet: nn.Module, tensors: dict[str, Tensor], settings: LoraSettings, notes: Mapping[str, object]
) -> None:
    """pytorch_lora_weights.safetensors with alpha in its metadata (diffusers reads lora_adapter_metadata).

    tensors: values by parameter name (raw or EMA). notes: what the file should say of itself (base, run).
    """
    layers = get_peft_model_state_dict(unet, state_dict=tensors, adapter_name=ADAPTER)
    StableDiffusionPipeline.save_lora_weights(
        save_directory=folder,
        unet_lora_layers={key: value.detach().contiguous() for key, value in layers.items()},
        unet_lora_adapter_metadata=_plain(_peft_config(settings).to_dict()),
    )
    _sort_metadata(folder / ADAPTER_FILE)
    (folder / ADAPTER_NOTES).write_text(json.dumps({"lora": asdict(settings), **notes}, indent=1))


def _sort_metadata(path: Path) -> None:
    """safetensors writes metadata in the order of a hash table; sorted, equal weights are equal files."""
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[end:])


def _plain(config: dict[str, object]) -> dict[str, object]:
    """peft's settings as JSON holds them."""
    return json.loads(json.dumps(config, default=lambda value: sorted(value) if isinstance(value, set) else str(value)))


def adapter_notes(path: Path) -> dict[str, object]:
    """What the file says of itself."""
    try:
        with safe_open(path, "pt") as file:
            return json.loads((file.metadata() or {}).get("lora_adapter_metadata", "{}"))
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"{path} is not a safetensors adapter ({error}).", "Give the file a run saved.") from None


@torch.no_grad()
def fuse_lora(unet: nn.Module, files: Sequence[tuple[Path, float]]) -> None:
    """Add s * weight * B A of each adapter file to the base weights, in fp32, then back to their dtype.

    Drawing then costs what the base costs. Raises UserError where a layer is unknown to this base.
    """
    modules = dict(unet.named_modules())
    for path, strength in files:
        meta = adapter_notes(path)
        scale = float(meta.get("unet.lora_alpha", 0) or 0) / float(meta.get("unet.r", 0) or 1)  # type: ignore[arg-type]
        if scale == 0:
            raise UserError(f"{path} does not say its alpha.", "Save it with lora_adapter_metadata.")
        tensors = load_file(path)
        for key, low in tensors.items():
            if not key.endswith(".lora_A.weight"):
                continue
            name = key.removeprefix("unet.").removesuffix(".lora_A.weight")
            layer = modules.get(name)
            high = tensors[key.replace("lora_A", "lora_B")]
            if (
                not isinstance(layer, nn.Linear | nn.Conv2d)
                or len(layer.weight) != len(high)
                or layer.weight[0].shape != low[0].shape
            ):
                raise UserError(
                    f"{path}: layer {name} does not fit this base model.", "Use the base it was trained on."
                )
            # A convolution's A has its kernel and B is 1x1, so the product of the flattened ones serves both.
            update = strength * scale * (high.float().flatten(1) @ low.float().flatten(1))
            layer.weight.copy_((layer.weight.float() + update.view_as(layer.weight)).to(layer.weight.dtype))
