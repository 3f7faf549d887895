"""Kohya's layout, read back by diffusers' own converter: the same weights as our adapter gives."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionXLPipeline
from safetensors.torch import save_file
from torch import Tensor, nn

from woundgen.adapters.kohya import kohya_tensors
from woundgen.adapters.lora import TEXT_TARGETS, add_lora, save_lora
from woundgen.adapters.lora_file import read_lora
from woundgen.adapters.saved import apply_trained
from woundgen.config.method_groups import LoraOptions
from woundgen.errors import UserError
from woundgen.models.base import BaseModel, load_base
from woundgen.storage.names import ADAPTER_FILE

from ...tiny_base import pipeline_of

# alpha / sqrt(rank) = 4: a reader that takes alpha = rank, or alpha / rank, would draw at another strength.
RSLORA = LoraOptions(rank=4, alpha=8.0, dropout=0.0, target_modules=("to_q", "to_k", "to_v", "to_out.0"), rslora=True)
WIDE = RSLORA.model_copy(
    update={
        "target_modules": (
            *RSLORA.target_modules,
            "proj_in",
            "ff.net.0.proj",
            "conv1",
            "conv_shortcut",
            "time_emb_proj",
        )
    }
)


def save_random(base: BaseModel, settings: LoraOptions, folder: Path) -> Path:
    """An adapter of UNet and text encoders with random values, as a run saves it."""
    parameters = dict(add_lora(base.unet, settings, seed=1))
    for part, encoder in base.text_encoders.items():
        own = add_lora(encoder, settings.model_copy(update={"target_modules": TEXT_TARGETS}), seed=2)
        parameters |= {f"{part}.{name}": value for name, value in own.items()}
    source = torch.Generator().manual_seed(3)
    values = {name: 0.2 * torch.randn(value.shape, generator=source) for name, value in parameters.items()}
    save_lora(folder, base.unet, values, settings, {}, text_encoders=base.text_encoders)
    return folder / ADAPTER_FILE


def pipeline(base: BaseModel):  # type: ignore[no-untyped-def]
    if base.second is None:
        return pipeline_of(base)
    return StableDiffusionXLPipeline(
        vae=base.vae, text_encoder=base.text_encoder, text_encoder_2=base.second.encoder, tokenizer=base.tokenizer,
        tokenizer_2=base.second.tokenizer, unet=base.unet, scheduler=DDIMScheduler.from_config(base.scheduler.config),
        add_watermarker=False,
    )  # fmt: skip


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    return {name.replace(".base_layer", ""): value for name, value in module.state_dict().items() if "lora" not in name}


@pytest.mark.parametrize(("kind", "settings"), [("sd", RSLORA), ("sd", WIDE), ("xl", RSLORA)], ids=["sd", "conv", "xl"])
def test_diffusers_reads_it_back(
    kind: str, settings: LoraOptions, base_folders: dict[str, Path], sdxl_folder: Path, tmp_path: Path
) -> None:
    folder = str(sdxl_folder if kind == "xl" else base_folders["v_prediction"])
    file = save_random(load_base(folder), settings, tmp_path)
    bare, ours, theirs = (load_base(folder) for _ in range(3))
    layers = read_lora(file)
    tensors = kohya_tensors(layers, xl=kind == "xl", layers_per_block=ours.unet.config.layers_per_block)
    assert len(tensors) == 3 * len(layers)
    save_file(tensors, tmp_path / "kohya.safetensors")
    apply_trained(ours, [(file, 1.0)])
    loader = pipeline(theirs)
    loader.load_lora_weights(tmp_path / "kohya.safetensors")
    loader.fuse_lora(components=["unet", *theirs.text_encoders])
    for module, other, before in (
        (ours.unet, theirs.unet, bare.unet),
        *zip(ours.text_encoders.values(), theirs.text_encoders.values(), bare.text_encoders.values(), strict=True),
    ):
        own, expected, untouched = weights_of(module), weights_of(other), weights_of(before)
        moved = [name for name, value in own.items() if not torch.equal(value, untouched[name])]
        assert len(moved) >= len(TEXT_TARGETS)
        for name, value in own.items():
            torch.testing.assert_close(expected[name], value, rtol=1e-4, atol=1e-5, msg=name)


def lycoris_dora(base: BaseModel, folder: Path) -> tuple[Path, dict[str, Tensor]]:
    """A DoRA adapter as a run saves it, and the same in LyCORIS' layout: lengths as `dora_scale` [out, 1, ...]."""
    file = save_random(base, WIDE.model_copy(update={"dora": True}), folder)
    layers = read_lora(file)
    tensors = kohya_tensors(layers, xl=False, layers_per_block=base.unet.config.layers_per_block)
    keys = [key.removesuffix(".alpha") for key in tensors if key.endswith(".alpha")]
    for key, layer in zip(keys, layers, strict=True):
        assert layer.magnitude is not None
        tensors[f"{key}.dora_scale"] = layer.magnitude.view(-1, *(1,) * (layer.down.ndim - 1))
    return file, tensors


def test_lycoris_dora_over_rows_is_what_pefts_is(base_folders: dict[str, Path], tmp_path: Path) -> None:
    """Diffusers leaves dora_scale out when it reads this layout, so it cannot be the reference here."""
    once, twice = (load_base(str(base_folders["v_prediction"])) for _ in range(2))
    file, tensors = lycoris_dora(load_base(str(base_folders["v_prediction"])), tmp_path)
    save_file(tensors, tmp_path / "lycoris.safetensors")
    apply_trained(once, [(file, 1.0)])
    apply_trained(twice, [(tmp_path / "lycoris.safetensors", 1.0)])
    for module, other in ((once.unet, twice.unet), (once.text_encoder, twice.text_encoder)):
        for name, value in module.state_dict().items():
            torch.testing.assert_close(other.state_dict()[name], value, rtol=1e-5, atol=1e-6)


def test_dora_over_columns_of_a_square_layer_is_refused(base_folders: dict[str, Path], tmp_path: Path) -> None:
    """LyCORIS with wd_on_output=False: [1, in], as many values as a square layer has rows, and another method."""
    _, tensors = lycoris_dora(load_base(str(base_folders["v_prediction"])), tmp_path)
    key = next(key for key in tensors if key.endswith("attn1_to_q.dora_scale"))
    rows = len(tensors[key])
    assert tensors[key.replace("dora_scale", "lora_down.weight")].shape[1] == rows
    save_file({**tensors, key: tensors[key].view(1, rows).clone()}, tmp_path / "columns.safetensors")
    with pytest.raises(UserError, match="over columns"):
        read_lora(tmp_path / "columns.safetensors")
