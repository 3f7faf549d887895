"""Training methods: the parameters that each trains, a check that it trains no others, and saving them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from woundgen.adapters.full import save_whole, train_whole
from woundgen.adapters.lora import TEXT_TARGETS, add_lora, lora_count, save_lora
from woundgen.config.train import TrainConfig, bound_token
from woundgen.diffusion.randomness import position_seed
from woundgen.errors import UserError
from woundgen.models.base import BaseModel
from woundgen.models.learned_tokens import ROWS, InversionSettings, add_token, save_embedding
from woundgen.storage.names import WHOLE_FILE

Save = Callable[[Path, Mapping[str, Tensor], Mapping[str, object]], None]


@dataclass(frozen=True, slots=True)
class Method:
    """parameters: what is trained, by name. expected: how many numbers that has to be, by arithmetic.

    reads_text: whether what reads the prompts is trained, so that they are encoded anew at every step.
    save(folder, values by name, notes): as diffusers opens it.
    heavy: files of a checkpoint that only the last few and the best keep, for they are as large as the base.
    """

    name: str
    parameters: dict[str, nn.Parameter]
    expected: int
    reads_text: bool
    save: Save
    heavy: tuple[str, ...] = ()


def prepare_method(base: BaseModel, config: TrainConfig) -> Method:
    """Make ready what the config's method trains, freeze the rest of `base`, and assert that it is so."""
    for part in base.modules:
        part.requires_grad_(False)
    method = _METHODS[config.model.method](base, config)
    trained = [p for part in base.modules for p in part.parameters() if p.requires_grad]
    assert {id(p) for p in trained} == {id(p) for p in method.parameters.values()}, "what is trained, and nothing else"
    assert sum(p.numel() for p in trained) == method.expected, f"{method.name} trains {method.expected} parameters"
    return method


def _lora(base: BaseModel, config: TrainConfig) -> Method:
    settings = config.lora
    expected = lora_count(base.unet, settings)
    parameters = add_lora(base.unet, settings, seed=config.seed)
    encoders = base.text_encoders if config.lora.text_encoder else {}
    for number, (part, encoder) in enumerate(encoders.items(), start=1):
        text = settings.model_copy(update={"target_modules": TEXT_TARGETS})
        expected += lora_count(encoder, text)
        own = add_lora(encoder, text, seed=position_seed(config.seed, "text adapter", number))
        parameters |= {f"{part}.{name}": parameter for name, parameter in own.items()}

    def save(folder: Path, values: Mapping[str, Tensor], notes: Mapping[str, object]) -> None:
        save_lora(folder, base.unet, values, settings, notes, text_encoders=encoders)

    return Method("lora", parameters, expected, reads_text=bool(encoders), save=save)


def _whole(base: BaseModel, config: TrainConfig) -> Method:
    expected = sum(p.numel() for p in base.unet.parameters())

    def save(folder: Path, values: Mapping[str, Tensor], notes: Mapping[str, object]) -> None:
        save_whole(folder, base.unet, values, notes)

    heavy = (f"raw/{WHOLE_FILE}", f"ema/{WHOLE_FILE}")
    return Method(config.model.method, train_whole(base.unet), expected, reads_text=False, save=save, heavy=heavy)


def _textual_inversion(base: BaseModel, config: TrainConfig) -> Method:
    if base.second is not None:
        raise UserError(
            f"training_method: textual_inversion needs one text encoder, and {base.name} has two.",
            "Use lora, or base_model: sd21-base.",
        )
    settings = InversionSettings(bound_token(config), config.token.vectors, config.token.initializer)
    parameters = add_token(base.tokenizer, base.text_encoder, settings)
    expected = config.token.vectors * base.text_encoder.config.hidden_size

    def save(folder: Path, values: Mapping[str, Tensor], notes: Mapping[str, object]) -> None:
        save_embedding(folder, values[ROWS], settings, notes)

    return Method("textual_inversion", parameters, expected, reads_text=True, save=save)


_METHODS: Mapping[str, Callable[[BaseModel, TrainConfig], Method]] = {
    "lora": _lora,
    "full": _whole,
    "dreambooth": _whole,
    "textual_inversion": _textual_inversion,
}
