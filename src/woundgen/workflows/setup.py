"""Pieces several jobs build in the same way: devices, prompt tables, encoded photographs, digests."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from woundgen.config import TrainConfig
from woundgen.data.augment import variations
from woundgen.errors import UserError
from woundgen.features.embedded import FeatureNetwork, load_feature_network
from woundgen.models.adapter import LoraSettings
from woundgen.models.base import BaseModel, encode_prompts, prompt_length, text_states
from woundgen.models.pixels import encode_images
from woundgen.training.latents import Latents
from woundgen.training.ranks import ALONE, Ranks, joined
from woundgen.workflows.machine import installed_cards, unusable_cards
from woundgen.workflows.processes import Place

EMBEDDED_FEATURES = Path(__file__).parent.parent / "features" / "embedded.safetensors"
Say = Callable[[str], None]


def choose_device(name: str) -> torch.device:
    """auto takes the GPU where there is one; a card that torch cannot use is an error, never a silent CPU run."""
    if name != "cpu":
        error = unusable_cards(
            installed_cards(),
            torch_version=torch.__version__,
            torch_cuda=torch.version.cuda,
            usable=torch.cuda.is_available(),
        )
        if error is not None:
            raise error
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device: cuda, but torch sees no usable GPU.", "Use device: auto or cpu.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


@contextmanager
def threads_fixed(count: int | None) -> Iterator[None]:
    """torch with `count` CPU threads; None leaves it as it is. Sums are rounded by the number of threads, too."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def join_ranks(place: Place | None, *, asked: int | None, device: str) -> Iterator[Ranks]:
    """The processes that a launcher has started, as one group; without a launcher, this process alone.

    asked: how many the user wants, if said. UserError where others have come.
    """
    if place is None:
        yield ALONE
        return
    chosen = choose_device(device)
    if chosen.type == "cuda":
        if place.local >= torch.cuda.device_count():
            raise UserError(
                f"{place.size} processes, and {torch.cuda.device_count()} GPU(s) here: each needs its own.",
                "Ask for as many --devices as there are cards, or for the CPU (device: cpu).",
            )
        torch.cuda.set_device(place.local)
    with joined(place.rank, place.size, asked=asked, device=chosen) as ranks:
        yield ranks


def choose_precision(mixed: str, device: torch.device, notice: Say) -> str:
    """fp32 | bf16 | fp16 for what the config asks and the machine has."""
    if mixed == "no":
        return "fp32"
    if device.type == "cpu" and mixed == "fp16":
        notice(f"mixed_precision {mixed}: no GPU here, fp32 is used")
        return "fp32"
    return mixed


def feature_network() -> tuple[FeatureNetwork, str]:
    """The embedded feature network and its digest."""
    return load_feature_network(EMBEDDED_FEATURES)


def lora_settings(config: TrainConfig) -> LoraSettings:
    return LoraSettings(
        rank=config.lora_rank,
        alpha=config.lora_alpha,
        dropout=config.lora_dropout,
        targets=config.lora_target_modules,
        stabilised=config.lora_rslora,
        decomposed=config.lora_dora,
    )


def note_cut_prompts(base: BaseModel, prompts: Mapping[str, str], say: Say) -> None:
    """Says which prompts, by what they are, have more tokens than the base reads (CLIP: 77)."""
    for what, prompt in prompts.items():
        length, most = prompt_length(base, prompt), base.tokenizer.model_max_length
        if length > most:
            say(f"warning: the {what} has {length} tokens and {base.name} reads {most}; the rest is cut off")


class PromptTable:
    """Text states for the loop: calling it with (rows, dropped) gives [N, 77, D]. Computed once, unless live."""

    def __init__(self, base: BaseModel, prompts: Sequence[str], *, live: bool = False) -> None:
        """prompts: one for each photograph; the empty prompt stands for a dropped one.

        live: the states change as training goes, and are computed at every call, with gradients where they are on.
        """
        self.base = base
        self.texts = list(dict.fromkeys([*prompts, ""]))
        self.states = None if live else encode_prompts(base, self.texts)
        self.index = torch.tensor([self.texts.index(prompt) for prompt in prompts])
        self.empty = self.texts.index("")

    def __call__(self, rows: Sequence[int], dropped: Sequence[bool]) -> Tensor:
        index = self.index[torch.as_tensor(rows)].clone()
        index[torch.as_tensor(dropped)] = self.empty
        if self.states is not None:
            return self.states[index.to(self.states.device)]
        used, place = index.unique(return_inverse=True)  # a text that stands twice is read once
        states = text_states(self.base, [self.texts[number] for number in used.tolist()])
        return states[place.to(states.device)]


def known_prompts(base: BaseModel, prompts: Sequence[str]) -> Callable[[list[str]], Tensor]:
    """`encode_prompts` for these prompts, from states computed now: the text encoder may be let go afterwards.

    A text encoder that is trained is asked anew each time. Each is computed alone, as drawing with one prompt
    does: a batch of two is rounded otherwise.
    """
    if any(parameter.requires_grad for encoder in base.text_encoders.values() for parameter in encoder.parameters()):
        return lambda texts: encode_prompts(base, texts)
    known = list(dict.fromkeys(prompts))
    states = torch.cat([encode_prompts(base, [text]) for text in known])
    return lambda texts: states[[known.index(text) for text in texts]]


def encode_variations(base: BaseModel, images: NDArray[np.uint8], *, count: int, seed: int, say: Say) -> Latents:
    """Latents of `count` variations of each photograph (1: the photographs alone)."""
    say(f"encoding {len(images)} photographs in {count} variations")
    varied = variations(images, count=count, seed=seed).reshape(-1, *images.shape[1:])
    mean, deviation = encode_images(base.vae, varied)
    shape = (len(images), count, *mean.shape[1:])
    return Latents(mean=mean.view(shape), deviation=deviation.view(shape), scale=base.latent_scale)


def versions() -> dict[str, str]:
    names = ("woundgen", "torch", "diffusers", "transformers", "peft", "safetensors", "numpy")
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in names}


def git_state(folder: Path) -> dict[str, object]:
    """Commit and whether the tree was changed; empty where the code is not a checkout."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return {}
