"""What a method trains, in memory: after two steps exactly that has moved, and nothing else of the base."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from woundgen.adapters.lora_forward import run_by_position
from woundgen.adapters.methods import prepare_method
from woundgen.config.train import TrainConfig, prompts_for
from woundgen.errors import UserError
from woundgen.models.base import BaseModel
from woundgen.models.flat_parameters import flatten
from woundgen.models.prompts import PromptEncoder
from woundgen.training.loop import train
from woundgen.training.loop_state import LoopState
from woundgen.training.state import new_optimizer

from ..training.rig import IMAGES, PLAIN, photographs

SMALL = {"prompts": "short", "lora_rank": 4, "lora_alpha": 8, "lora_dropout": 0.0}
# Which parameters a method moves, of all that the base has.
MOVED: dict[str, Callable[[str], bool]] = {
    "lora": lambda name: name.startswith("unet.") and ".lora_" in name,
    "full": lambda name: name.startswith("unet."),
    "dreambooth": lambda name: name.startswith("unet."),
    "textual_inversion": lambda name: name == "text_encoder.embeddings.token_embedding.rows",
}


@pytest.fixture
def whole_base(make_base: Callable[[], BaseModel]) -> BaseModel:
    """One whose text encoder and tokenizer a test may change too."""
    base = make_base()
    return replace(base, text_encoder=deepcopy(base.text_encoder), tokenizer=deepcopy(base.tokenizer))


def named(base: BaseModel) -> dict[str, torch.Tensor]:
    parts = {"unet": base.unet, "vae": base.vae, "text_encoder": base.text_encoder}
    return {f"{part}.{name}": p for part, module in parts.items() for name, p in module.named_parameters()}


def train_two_steps(base: BaseModel, config: TrainConfig) -> dict[str, torch.Tensor]:
    """Values before, by name, with what the method has added."""
    method = prepare_method(base, config)
    trainable = flatten(method.parameters)
    before = {name: value.detach().clone() for name, value in named(base).items()}
    train(
        unet=base.unet,
        trainable=trainable,
        optimizer=new_optimizer(trainable, betas=(0.9, 0.999), weight_decay=0.0),
        scaler=torch.amp.GradScaler("cpu", enabled=False),
        learning_rate=lambda step: 1e-3,
        latents=photographs(),
        prompt_embeds=PromptEncoder(base, [prompts_for(config, "I")[0]] * IMAGES, live=method.reads_text),
        alphas_cumprod=base.alphas_cumprod,
        prediction=base.prediction,
        dropout=run_by_position(base.unet, dropout=0.0),
        settings=replace(PLAIN, steps=2),
        state=LoopState(step=0, average=None),
        after_step=lambda report: False,
    )
    return before


@pytest.mark.parametrize("method", MOVED)
def test_what_moves(method: str, whole_base: BaseModel) -> None:
    before = train_two_steps(whole_base, TrainConfig(training_method=method, **SMALL))  # type: ignore[arg-type]
    after = named(whole_base)
    assert before.keys() == after.keys()
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    assert moved == {name for name in after if MOVED[method](name)} != set()


def test_dropped_prompts_alone_still_make_a_step(whole_base: BaseModel) -> None:
    """Nothing of a learned word is in them: the gradient is zero, not missing."""
    config = TrainConfig(training_method="textual_inversion", **SMALL)  # type: ignore[arg-type]
    method = prepare_method(whole_base, config)
    table = PromptEncoder(whole_base, [prompts_for(config, "I")[0]], live=True)
    (rows,) = method.parameters.values()
    table([0], [True]).sum().backward()
    assert rows.grad is not None
    assert rows.grad.abs().max() == 0
    table([0], [False]).sum().backward()
    assert rows.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"token_initializer": " "}, "holds no word"),
        ({"instance_token": "wound"}, "a word of this base model already"),
        ({"instance_token": "my wound", "prompts": "custom", "prompt": "my wound"}, "has a space in it"),
    ],
)
def test_words_that_cannot_be_learned(settings: dict[str, str], words: str, whole_base: BaseModel) -> None:
    config = TrainConfig(training_method="textual_inversion", **(SMALL | settings))  # type: ignore[arg-type]
    with pytest.raises(UserError, match=words):
        prepare_method(whole_base, config)
