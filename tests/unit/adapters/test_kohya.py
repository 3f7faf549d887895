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


@pytest.mark.parametrize("xl", [False, True])
def test_our_own_reader_reads_it_back_with_dora(
    xl: bool, base_folders: dict[str, Path], sdxl_folder: Path, tmp_path: Path
) -> None:
    """Diffusers leaves dora_scale out when it reads this layout, so it cannot be the reference here."""
    folder = str(sdxl_folder if xl else base_folders["v_prediction"])
    settings = WIDE.model_copy(update={"dora": True})
    file = save_random(load_base(folder), settings, tmp_path)
    once, twice = (load_base(folder) for _ in range(2))
    tensors = kohya_tensors(read_lora(file), xl=xl, layers_per_block=once.unet.config.layers_per_block)
    assert any(key.endswith("dora_scale") for key in tensors)
    save_file(tensors, tmp_path / "kohya.safetensors")
    apply_trained(once, [(file, 1.0)])
    apply_trained(twice, [(tmp_path / "kohya.safetensors", 1.0)])
    for module, other in ((once.unet, twice.unet), (once.text_encoder, twice.text_encoder)):
        for name, value in module.state_dict().items():
            torch.testing.assert_close(other.state_dict()[name], value, rtol=1e-5, atol=1e-6)
