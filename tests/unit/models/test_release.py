"""Parts let go after caching, and the memory of activations under gradient checkpointing."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from woundgen.generation.in_memory import DrawParts, draw_images
from woundgen.models.base import BaseModel, encode_prompts, free_unused_modules, load_base
from woundgen.models.prompts import known_prompts

DRAW = {"count": 2, "negative_prompt": "blurry", "guidance_scale": 2.0, "steps": 2, "seed": 0, "size": 32}


def fresh(base_folders: dict[str, Path]) -> BaseModel:
    """Of its own: what is let go in one test is needed by the next."""
    return load_base(str(base_folders["v_prediction"]))


def test_what_only_caching_needs_is_let_go_and_drawing_goes_on(base_folders: dict[str, Path]) -> None:
    whole, lean = fresh(base_folders), fresh(base_folders)
    encode = known_prompts(lean, ["a wound", "blurry"])
    gone = free_unused_modules(lean, decodes=True)
    expected = sum(p.numel() for part in (whole.text_encoder, whole.vae.encoder) for p in part.parameters())
    assert gone == expected > 0
    assert {p.device.type for p in lean.text_encoder.parameters()} == {"meta"}
    assert {p.device.type for p in lean.vae.decoder.parameters()} == {"cpu"}
    drawn = [
        draw_images(whole, prompt="a wound", **DRAW),  # type: ignore[arg-type]
        draw_images(lean, prompt="a wound", parts=DrawParts(encode), **DRAW),  # type: ignore[arg-type]
    ]
    assert (drawn[0] == drawn[1]).all()
    assert encode_prompts(lean, ["a wound"]).device.type == "meta", (
        "no numbers, so that nothing can be drawn by mistake"
    )


def test_without_drawing_the_decoder_goes_too(base_folders: dict[str, Path]) -> None:
    base = fresh(base_folders)
    free_unused_modules(base, decodes=False)
    assert {p.device.type for p in base.vae.parameters()} == {"meta"}


def test_a_text_encoder_that_is_trained_stays(base_folders: dict[str, Path]) -> None:
    base = fresh(base_folders)
    base.text_encoder.requires_grad_(True)
    free_unused_modules(base, decodes=True)
    assert {p.device.type for p in base.text_encoder.parameters()} == {"cpu"}


def test_gradient_checkpointing_keeps_fewer_activations(base_folders: dict[str, Path]) -> None:
    """Bytes that autograd keeps of one forward pass, checkpointed against not: less than half."""
    kept = {}
    for checkpointing in (False, True):
        base, total = fresh(base_folders), [0]
        base.unet.requires_grad_(True).train()
        if checkpointing:
            base.unet.enable_gradient_checkpointing()

        def pack(tensor: Tensor, total: list[int] = total) -> Tensor:
            total[0] += tensor.numel() * tensor.element_size()
            return tensor

        states = torch.zeros(4, 7, 16)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            base.unet(torch.zeros(4, 4, 8, 8), torch.zeros(4, dtype=torch.long), states)
        kept[checkpointing] = total[0]
    assert kept[True] < 0.5 * kept[False]
