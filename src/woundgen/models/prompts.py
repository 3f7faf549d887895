"""Encode the prompts of a run: once, or at every call while the text encoder is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from woundgen.models.base import BaseModel, encode_prompts, prompt_length, text_states


def cut_prompts(base: BaseModel, prompts: Mapping[str, str]) -> list[str]:
    """Return a warning for each prompt, by its name, that has more tokens than the base reads (CLIP: 77)."""
    warnings = []
    for what, prompt in prompts.items():
        length, most = prompt_length(base, prompt), base.tokenizer.model_max_length
        if length > most:
            warnings.append(f"the {what} has {length} tokens and {base.name} reads {most}; the rest is cut off")
    return warnings


class PromptEncoder:
    """Text states for the loop: called with (rows, dropped), it returns [N, 77, D]."""

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
    """`encode_prompts` for these prompts, from states computed now: the text encoder may be freed afterwards.

    A text encoder that is trained is asked anew each time. Each is computed alone, as drawing with one prompt
    does: a batch of two is rounded otherwise.
    """
    if any(parameter.requires_grad for encoder in base.text_encoders.values() for parameter in encoder.parameters()):
        return lambda texts: encode_prompts(base, texts)
    known = list(dict.fromkeys(prompts))
    states = torch.cat([encode_prompts(base, [text]) for text in known])
    return lambda texts: states[[known.index(text) for text in texts]]
