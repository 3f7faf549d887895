"""Parts of a base that a run needs no longer, once latents and prompts are computed: their memory is given back."""

from __future__ import annotations

from torch import nn

from woundgen.models.base import BaseModel


def release_parts(base: BaseModel, *, decodes: bool) -> int:
    """How many parameters were let go: the text encoders, unless one is trained; the VAE's encoder; all of the VAE,
    unless something is still decoded. What is let go holds no numbers any more and cannot be run."""
    encoders = list(base.text_encoders.values())
    parts: list[nn.Module] = []
    if not any(parameter.requires_grad for encoder in encoders for parameter in encoder.parameters()):
        parts += encoders
    parts += [base.vae.encoder] if decodes else [base.vae]
    gone = sum(parameter.numel() for part in parts for parameter in part.parameters())
    for part in parts:
        nn.Module.to(part, "meta")
    return gone
