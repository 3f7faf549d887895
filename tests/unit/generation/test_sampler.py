"""draw_block against diffusers' own StableDiffusionPipeline on the same parts."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
)
from torch import Tensor

from woundgen.adapters.lora import add_lora, fuse_lora, save_lora
from woundgen.config.method_groups import LoraOptions
from woundgen.errors import UserError
from woundgen.generation.sampler import (
    Beginning,
    SamplerSettings,
    block_of,
    draw_block,
    draw_parts,
    image_seed,
    initial_noise,
    place,
)
from woundgen.generation.schedulers import check_strength
from woundgen.generation.spacing import spaced_timesteps
from woundgen.models.base import BaseModel, encode_prompts

PROMPT, NEGATIVE = "photograph of a wound , redness", "blurry , cartoon"
SETTINGS = SamplerSettings(sampler="dpmsolver++", steps=8, guidance_scale=3.0, seed=5, block=4, height=32, width=40)
DOCUMENTED = {
    "dpmsolver++": DPMSolverMultistepScheduler,
    "ddim": DDIMScheduler,
    "euler": EulerDiscreteScheduler,
}

pytestmark = pytest.mark.filterwarnings(
    "ignore:The configuration file of this scheduler:FutureWarning",
    "ignore:__array__ implementation:DeprecationWarning",
)


def draw(
    base: BaseModel,
    settings: SamplerSettings,
    indices,
    *,
    negative=NEGATIVE,
    guide=None,
    beginning=None,
) -> np.ndarray:
    prompt_states, negative_states = encode_prompts(base, [PROMPT, negative]).split(1)
    return draw_block(
        base,
        settings,
        indices,
        prompt_states=prompt_states,
        negative_states=negative_states,
        guide=guide,
        beginning=beginning,
    )


def pipeline_of(base: BaseModel, settings: SamplerSettings) -> StableDiffusionPipeline:
    """Built, and its scheduler exchanged, as diffusers documents."""
    pipeline = StableDiffusionPipeline(
        vae=base.vae,
        text_encoder=base.text_encoder,
        tokenizer=base.tokenizer,
        unet=base.unet,
        scheduler=DDPMScheduler.from_config(base.scheduler.config),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.scheduler = DOCUMENTED[settings.sampler].from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def visited(pipeline: StableDiffusionPipeline, settings: SamplerSettings) -> dict[str, object]:
    """The steps as the pipeline takes them; DDIM's own spacing is the only one it knows."""
    if settings.sampler == "ddim":
        return {"num_inference_steps": settings.steps}
    return {"timesteps": spaced_timesteps(pipeline.scheduler.alphas_cumprod.numpy(), settings.steps)}


def reference(pipeline: StableDiffusionPipeline, settings: SamplerSettings, count: int, **given: object) -> np.ndarray:
    """The pipeline's images as its users get them: PIL, then uint8."""
    images = pipeline(
        prompt=[PROMPT] * count,
        **visited(pipeline, settings),
        guidance_scale=settings.guidance_scale,
        height=settings.height,
        width=settings.width,
        **given,
    ).images
    return np.stack([np.asarray(image) for image in images])


def levels_apart(left: np.ndarray, right: np.ndarray) -> int:
    assert left.shape == right.shape
    assert left.dtype == right.dtype == np.uint8
    return int(np.abs(left.astype(int) - right.astype(int)).max())


@pytest.mark.parametrize("sampler", ["dpmsolver++", "ddim", "euler"])
@pytest.mark.parametrize(("scale", "negative"), [(1.0, None), (3.0, None), (3.0, NEGATIVE)])
def test_equals_the_pipeline(base: BaseModel, sampler, scale, negative):
    settings = replace(SETTINGS, sampler=sampler, guidance_scale=scale)
    noise = initial_noise(base, settings, range(3))
    expected = reference(
        pipeline_of(base, settings),
        settings,
        3,
        latents=noise,
        negative_prompt=None if negative is None else [negative] * 3,
    )
    assert expected.std() > 20, "the reference must not be a flat picture"
    assert levels_apart(draw(base, settings, range(3), negative=negative or ""), expected) <= 1


def test_the_seed_of_a_row_gives_the_pipeline_the_same_image(base: BaseModel):
    generator = torch.Generator().manual_seed(image_seed(SETTINGS.seed, 6))
    expected = reference(pipeline_of(base, SETTINGS), SETTINGS, 1, generator=[generator], negative_prompt=[NEGATIVE])
    assert levels_apart(draw(base, SETTINGS, [6]), expected) <= 1


def adapter(folder: Path, base: BaseModel, *, alpha: float) -> dict[str, Tensor]:
    """A saved adapter of random weights at rank 4."""
    settings = LoraOptions(rank=4, alpha=alpha, dropout=0.0, target_modules=("to_q", "to_k", "to_v", "to_out.0"))
    tensors = add_lora(base.unet, settings, seed=1)
    source = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, tensor in tensors.items():
            if "lora_B" in name:
                tensor.copy_(0.3 * torch.randn(tensor.shape, generator=source))
    save_lora(folder, base.unet, tensors, settings, notes={})
    return tensors


def test_a_fused_adapter_equals_the_loaded_one(tmp_path: Path, fresh_bases: list[BaseModel]):
    trained, stock, ours = fresh_bases
    adapter(tmp_path, trained, alpha=12)
    bare = draw(ours, SETTINGS, range(2))
    fuse_lora(ours.unet, [(tmp_path / "pytorch_lora_weights.safetensors", 1.0)])
    pipeline = pipeline_of(stock, SETTINGS)
    pipeline.load_lora_weights(tmp_path)
    noise = initial_noise(stock, SETTINGS, range(2))
    expected = reference(pipeline, SETTINGS, 2, latents=noise, negative_prompt=[NEGATIVE] * 2)
    fused = draw(ours, SETTINGS, range(2))
    assert levels_apart(fused, expected) <= 1
    assert levels_apart(fused, bare) > 10, "the adapter must do something"


def test_half_precision_draws_nearly_the_same(fresh_bases: list[BaseModel]):
    single = draw(fresh_bases[0], SETTINGS, range(2))
    place(fresh_bases[0], device=torch.device("cpu"), dtype=torch.bfloat16)
    half = draw(fresh_bases[0], SETTINGS, range(2))
    assert 0 < np.abs(half.astype(float) - single).mean() < 8


def test_a_lost_alpha_would_be_seen(tmp_path: Path, fresh_bases: list[BaseModel]):
    """The test above can fail: the same tensors at alpha = rank draw other images."""
    pictures = []
    for alpha, base in ((12, fresh_bases[0]), (4, fresh_bases[1])):
        adapter(tmp_path / str(alpha), base, alpha=alpha)
        pictures.append(draw(base, SETTINGS, [0]))
    assert levels_apart(*pictures) > 5


def test_an_image_depends_on_seed_and_index_alone(base: BaseModel):
    forwards = draw(base, SETTINGS, [4, 5, 6, 7])
    np.testing.assert_array_equal(draw(base, SETTINGS, [7, 6, 5, 4])[::-1], forwards)
    np.testing.assert_array_equal(draw(base, SETTINGS, [6, 9, 1, 4])[[3, 0]], forwards[[0, 2]])
    assert levels_apart(draw(base, replace(SETTINGS, seed=6), [4, 5, 6, 7]), forwards) > 20
    assert levels_apart(forwards[:1], forwards[1:2]) > 20


def test_a_block_holds_the_same_indices_whoever_asks():
    assert [block_of(index, block=4) for index in (0, 3, 4, 11)] == [
        range(0, 4),
        range(0, 4),
        range(4, 8),
        range(8, 12),
    ]


def test_the_whole_guidance_interval_is_plain_guidance_and_a_part_is_not(base: BaseModel):
    whole = draw(base, replace(SETTINGS, guidance_interval=(0.0, 1.0)), range(2))
    np.testing.assert_array_equal(whole, draw(base, SETTINGS, range(2)))
    part = draw(base, replace(SETTINGS, guidance_interval=(0.2, 0.6)), range(2))
    unguided = draw(base, replace(SETTINGS, guidance_scale=1.0), range(2))
    assert levels_apart(part, whole) > 3
    assert levels_apart(part, unguided) > 3


def test_guidance_outside_its_interval_costs_one_image_a_step(base: BaseModel, monkeypatch):
    sizes = []
    forward = base.unet.forward
    monkeypatch.setattr(
        base.unet, "forward", lambda x, *rest, **named: (sizes.append(len(x)), forward(x, *rest, **named))[1]
    )
    draw(base, replace(SETTINGS, guidance_interval=(0.2, 0.6)), range(3))
    timesteps = spaced_timesteps(base.scheduler.alphas_cumprod.numpy(), SETTINGS.steps)
    assert sizes == [6 if 0.2 <= t / 999 <= 0.6 else 3 for t in timesteps]
    assert {3, 6} == set(sizes)


def test_an_interval_that_holds_no_step_is_no_guidance(base: BaseModel):
    """No timestep lies at a ten-thousandth of the way from 0 to 999."""
    nowhere = draw(base, replace(SETTINGS, guidance_interval=(1e-4, 1e-4)), range(2))
    np.testing.assert_array_equal(nowhere, draw(base, replace(SETTINGS, guidance_scale=1.0), range(2)))


def limit_batch(base: BaseModel, monkeypatch: pytest.MonkeyPatch, *, largest: int) -> None:
    forward = base.unet.forward

    def limited(sample: Tensor, *rest: object, **named: object) -> object:
        if len(sample) > largest:
            raise torch.OutOfMemoryError("too many")
        return forward(sample, *rest, **named)

    monkeypatch.setattr(base.unet, "forward", limited)


def test_out_of_memory_splits_the_block_into_parts(base: BaseModel, monkeypatch):
    whole = draw(base, SETTINGS, range(8, 13))
    prompt, negative = encode_prompts(base, [PROMPT, NEGATIVE]).split(1)
    states = {"prompt_states": prompt, "negative_states": negative}
    assert len(draw_parts(base, SETTINGS, range(8, 13), **states)) == 1
    limit_batch(base, monkeypatch, largest=4)  # two images with guidance
    parts = draw_parts(base, SETTINGS, range(8, 13), **states)
    assert [len(part) for part in parts] == [2, 1, 2]
    assert levels_apart(np.concatenate(parts), whole) <= 1
    assert np.array_equal(draw(base, SETTINGS, range(8, 13)), np.concatenate(parts))


def test_one_image_that_does_not_fit_is_an_error_of_one_line(base: BaseModel, monkeypatch):
    limit_batch(base, monkeypatch, largest=1)
    with pytest.raises(UserError, match="has not the memory for one image of 32x40"):
        draw(base, SETTINGS, range(2))


def test_a_guide_that_is_the_model_changes_nothing(fresh_bases: list[BaseModel]):
    """w + s (c - w) is c where guide and model are one, whatever the scale."""
    base, same, _ = fresh_bases
    guided = draw(base, SETTINGS, range(4), guide=same.unet)
    assert levels_apart(guided, draw(base, replace(SETTINGS, guidance_scale=1.0), range(4))) <= 1


def test_autoguidance_is_extrapolation(fresh_bases: list[BaseModel]):
    """Karras et al. 2024, eq. 3: D0 + s (D1 - D0). With a guide that predicts 0 the model's prediction is scaled."""
    base, worse, scaled = fresh_bases
    with torch.no_grad():
        for module, factor in ((worse.unet.conv_out, 0.0), (scaled.unet.conv_out, SETTINGS.guidance_scale)):
            module.weight.mul_(factor)
            module.bias.mul_(factor)
    found = draw(base, SETTINGS, range(4), guide=worse.unet)
    assert levels_apart(found, draw(scaled, replace(SETTINGS, guidance_scale=1.0), range(4))) <= 1
    assert levels_apart(found, draw(base, replace(SETTINGS, guidance_scale=1.0), range(4))) > 10


def test_bad_settings_are_named(base: BaseModel):
    for key, value in {
        "steps": 0,
        "block": 0,
        "guidance_scale": 0.5,
        "guidance_interval": (0.7, 0.2),
    }.items():
        with pytest.raises(UserError, match=key):
            replace(SETTINGS, **{key: value})
    with pytest.raises(UserError, match="33x40 does not fit"):
        draw(base, replace(SETTINGS, height=33), [0])
    with pytest.raises(UserError, match="fewer than 1000"):
        draw(base, replace(SETTINGS, steps=1000), [0])


@pytest.mark.parametrize("sampler", ["dpmsolver++", "ddim", "euler"])
@pytest.mark.parametrize("strength", [0.3, 0.6, 1.0])
def test_from_a_picture_equals_the_img2img_pipeline(base: BaseModel, sampler, strength):
    """Which takes latents in place of a picture, too, and draws the noise from the seed of the row."""
    settings = replace(SETTINGS, sampler=sampler)
    latents = torch.randn(1, 4, 8, 10, generator=torch.Generator().manual_seed(3))
    parts = dict(pipeline_of(base, settings).components)
    pipeline = StableDiffusionImg2ImgPipeline(**parts, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline(
        prompt=[PROMPT] * 2,
        negative_prompt=[NEGATIVE] * 2,
        image=latents.repeat(2, 1, 1, 1),
        strength=strength,
        generator=[torch.Generator().manual_seed(image_seed(settings.seed, index)) for index in (4, 5)],
        **visited(pipeline, settings),
        guidance_scale=settings.guidance_scale,
    ).images
    expected = np.stack([np.asarray(image) for image in images])
    drawn = draw(base, settings, [4, 5], beginning=Beginning(latents, strength))
    assert levels_apart(drawn, expected) <= 1
    assert levels_apart(drawn, draw(base, settings, [4, 5])) > 5


def test_a_strength_that_draws_nothing():
    assert check_strength(0.5, steps=9) == 4
    for strength in (0.0, 0.1, 1.1, -1.0, math.nan, math.inf):
        with pytest.raises(UserError, match=f"strength: {strength:g} of 9 steps"):
            check_strength(strength, steps=9)
