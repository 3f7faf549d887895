"""Drawing with recorded passes: the same pictures, or a warning and the same pictures."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from woundgen.errors import UserError
from woundgen.generation.sampler import SamplerSettings, draw_block, place
from woundgen.models.base import BaseModel, encode_prompts
from woundgen.models.unet_pass import RecordedPasses, UNetPass, plain_pass

from ..recorders import StandIn

MakeBase = Callable[[], BaseModel]
SETTINGS = SamplerSettings(
    sampler="dpmsolver++", steps=6, guidance_scale=3.0, seed=5, block=2, height=32, width=32,
    guidance_interval=(0.0, 0.6),
)  # fmt: skip


def draw(
    base: BaseModel, unet_pass: UNetPass, indices: range = range(2), settings: SamplerSettings = SETTINGS
) -> np.ndarray:
    prompt, negative = encode_prompts(base, ["photograph of a wound", "blurry"]).split(1)
    return draw_block(base, settings, indices, prompt_states=prompt, negative_states=negative, unet_pass=unet_pass)


@pytest.mark.parametrize("sampler", ["dpmsolver++", "ddim", "euler"])
def test_recorded_passes_draw_the_same(make_base: MakeBase, sampler: str) -> None:
    """Two recordings for two blocks: the unguided pass of 2 images, and the guided one of twice as many."""
    base, warnings, recorder = make_base(), [], StandIn()
    passes = RecordedPasses(recorder, faults=warnings)
    settings = replace(SETTINGS, sampler=sampler)
    for indices in (range(2), range(2, 4)):
        np.testing.assert_array_equal(draw(base, passes, indices, settings), draw(base, plain_pass, indices, settings))
    assert recorder.shapes == [(2, 4, 8, 8), (4, 4, 8, 8)]
    assert recorder.replays == 2 * SETTINGS.steps, "all passes but the first of each shape, and the two checks"
    assert not warnings


@pytest.mark.parametrize("lie", ["scaled", "stale", "not a number", "error"])
def test_a_recording_that_lies_changes_no_picture(make_base: MakeBase, lie: str) -> None:
    base, warnings = make_base(), []
    passes = RecordedPasses(StandIn(lie), faults=warnings)
    np.testing.assert_array_equal(draw(base, passes), draw(base, plain_pass))
    assert len(warnings) == 1
    assert "UNet" in warnings[0]


def test_the_guide_has_recordings_of_its_own(make_base: MakeBase) -> None:
    base, guide, recorder = make_base(), make_base().unet, StandIn()
    with torch.no_grad():
        guide.conv_out.weight.mul_(0.5)
    prompt = encode_prompts(base, ["photograph of a wound"])
    whole = replace(SETTINGS, guidance_interval=(0.0, 1.0))
    pictures = [
        draw_block(
            base, whole, range(2), prompt_states=prompt, negative_states=None, guide=guide,
            unet_pass=unet_pass,
        )
        for unet_pass in (plain_pass, RecordedPasses(recorder, faults=[]))
    ]  # fmt: skip
    np.testing.assert_array_equal(*pictures)
    assert len(recorder.shapes) == 2


def test_a_decoder_that_overflows_decodes_in_single_precision(
    make_base: MakeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for fp16's overflow: in half precision the decoder gives infinity, which a clamp would hide."""
    base = make_base()
    base = replace(base, vae=deepcopy(base.vae))
    place(base, device=torch.device("cpu"), dtype=torch.bfloat16)
    sound = draw(base, plain_pass)
    decode = base.vae.decode
    precisions: list[torch.dtype] = []

    def overflowing(latents: Tensor, **named: object) -> tuple[Tensor]:
        precisions.append(latents.dtype)
        (decoded,) = decode(latents, **named)
        return (decoded if latents.dtype == torch.float32 else decoded * float("inf"),)

    monkeypatch.setattr(base.vae, "decode", overflowing)
    for _ in range(2):
        pictures = draw(base, plain_pass)
        assert np.abs(pictures.astype(int) - sound).mean() < 4, "bfloat16 holds 8 bits"
    assert precisions == [torch.bfloat16, torch.float32] * 2, "each block by itself, whatever came before"
    assert base.vae.dtype == torch.bfloat16


def test_a_unet_that_overflows_is_named(make_base: MakeBase) -> None:
    base = make_base()
    base = replace(base, vae=deepcopy(base.vae))
    place(base, device=torch.device("cpu"), dtype=torch.bfloat16)
    with torch.no_grad():
        base.unet.conv_out.bias.fill_(float("inf"))
    with pytest.raises(UserError, match=r"not finite in bfloat16.*--precision"):
        draw(base, plain_pass)
