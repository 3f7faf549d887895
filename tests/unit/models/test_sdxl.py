"""SDXL's two encoders, pooled text and size, held against diffusers' own pipeline."""

from __future__ import annotations

import shutil
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionXLPipeline

from woundgen.errors import UserError
from woundgen.generation.sampler import SamplerSettings, draw_block, initial_noise
from woundgen.models.base import SECOND_PARTS, BaseModel, encode_prompts, load_base

PROMPTS = ["photograph of a wound , redness", "", "blurry , cartoon"]

pytestmark = pytest.mark.filterwarnings(
    "ignore:The configuration file of this scheduler:FutureWarning",
    "ignore:__array__ implementation:DeprecationWarning",
)


@pytest.fixture(scope="module")
def base(sdxl_folder: Path) -> BaseModel:
    return load_base(str(sdxl_folder))


@pytest.fixture(scope="module")
def pipeline(base: BaseModel) -> StableDiffusionXLPipeline:
    assert base.second is not None
    made = StableDiffusionXLPipeline(
        vae=base.vae,
        text_encoder=base.text_encoder,
        text_encoder_2=base.second.encoder,
        tokenizer=base.tokenizer,
        tokenizer_2=base.second.tokenizer,
        unet=base.unet,
        scheduler=DDIMScheduler.from_config(base.scheduler.config),
        add_watermarker=False,
    )
    made.set_progress_bar_config(disable=True)
    return made


def test_prompts_as_the_pipeline_encodes_them(base: BaseModel, pipeline: StableDiffusionXLPipeline) -> None:
    """States of both encoders side by side, and the pooled vector as a last row, filled up with zeros."""
    states, _, pooled, _ = pipeline.encode_prompt(PROMPTS, device="cpu", do_classifier_free_guidance=False)
    ours = encode_prompts(base, PROMPTS)
    assert torch.equal(ours[:, :-1], states)
    assert torch.equal(ours[:, -1, : pooled.shape[1]], pooled)
    assert ours[:, -1, pooled.shape[1] :].abs().max() == 0


def test_pooled_text_and_size_reach_the_unet(base: BaseModel) -> None:
    """Podell et al. 2023: original size, corner of the crop, target size, each (height, width) in pixels."""
    packed = encode_prompts(base, PROMPTS[:2])
    noisy = torch.randn(2, 4, 8, 12, generator=torch.Generator().manual_seed(1))
    steps = torch.tensor([10, 700])
    sizes = torch.tensor([[32.0, 48.0, 0, 0, 32, 48]]).expand(2, -1)
    added = {"text_embeds": packed[:, -1, :12], "time_ids": sizes}
    by_hand = base.unet(noisy, steps, packed[:, :-1], added_cond_kwargs=added).sample
    assert torch.equal(base.unet(noisy, steps, packed).sample, by_hand)
    assert torch.equal(deepcopy(base.unet)(noisy, steps, encoder_hidden_states=packed).sample, by_hand)
    for key, other in (("text_embeds", added["text_embeds"] + 1), ("time_ids", sizes * 2)):
        changed = base.unet(noisy, steps, packed[:, :-1], added_cond_kwargs=added | {key: other}).sample
        assert not torch.equal(changed, by_hand), f"{key} has no effect on this base"


def test_images_are_the_pipelines(base: BaseModel, pipeline: StableDiffusionXLPipeline) -> None:
    settings = SamplerSettings(sampler="ddim", steps=4, guidance_scale=3.0, seed=5, block=2, height=32, width=48)
    images = pipeline(
        prompt=[PROMPTS[0]] * 2,
        negative_prompt=[PROMPTS[2]] * 2,
        num_inference_steps=settings.steps,
        guidance_scale=settings.guidance_scale,
        height=settings.height,
        width=settings.width,
        latents=initial_noise(base, settings, range(2)),
    ).images
    ours = draw_block(
        base,
        settings,
        range(2),
        prompt_states=encode_prompts(base, PROMPTS[:1]),
        negative_states=encode_prompts(base, PROMPTS[2:]),
    )
    expected = np.stack([np.asarray(image) for image in images])
    assert np.abs(ours.astype(int) - expected.astype(int)).max() <= 1


@pytest.mark.parametrize("part", SECOND_PARTS)
def test_a_missing_part_is_named(part: str, sdxl_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(sdxl_folder, tmp_path / "base"))
    shutil.rmtree(folder / part)
    with pytest.raises(UserError, match=f"{part} missing"):
        load_base(str(folder))
