"""Which terms a run adds to its loss, built from its settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from woundgen.config.train import TrainConfig
from woundgen.errors import UserError
from woundgen.features.extractor import Extractor
from woundgen.features.load import check_names, load_extractor
from woundgen.models.base import BaseModel
from woundgen.training.discriminator import Discriminator
from woundgen.training.perceptual_term import latent_distance
from woundgen.training.terms import ExtraTerm

Say = Callable[[str], None]
PREFERRED, SHIPPED = "lpips-vgg", "embedded"


def settle_network(config: TrainConfig, say: Say) -> TrainConfig:
    """perceptual_network: auto becomes LPIPS where it was fetched, else what ships: part of what a run is begun with,
    so that a resume on a machine that has fetched something else is refused and not trained otherwise."""
    if config.perceptual_weight == 0 or config.perceptual_network != "auto":
        return config
    name = PREFERRED
    try:
        check_names((PREFERRED,))
    except UserError:
        name = SHIPPED
        say(f"perceptual term in {SHIPPED} features ({PREFERRED} is not fetched: woundgen fetch {PREFERRED})")
    return config.model_copy(update={"perceptual_network": name})


def perceptual_network(config: TrainConfig) -> Extractor | None:
    """Of settings whose network is settled; None where there is no such term. UserError where it is not fetched."""
    return load_extractor(config.perceptual_network) if config.perceptual_weight else None


def discriminator_of(config: TrainConfig, base: BaseModel, device: torch.device) -> Discriminator | None:
    if config.adversarial_weight == 0:
        return None
    return Discriminator(
        base.unet.config.in_channels,
        seed=config.seed,
        rate=config.discriminator_rate,
        r1=config.discriminator_r1,
        device=device,
    )


def judge_of(terms: Sequence[ExtraTerm]) -> Discriminator | None:
    """The discriminator that some term asks, if any does."""
    return next((term.judge for term in terms if term.judge is not None), None)


def terms_of(
    config: TrainConfig,
    base: BaseModel,
    device: torch.device,
    *,
    perceptual: Extractor | None,
    discriminator: Discriminator | None,
) -> list[ExtraTerm]:
    found = []
    if perceptual is not None:
        perceptual.module.to(device)
        found.append(
            ExtraTerm(
                name="perceptual",
                weight=config.perceptual_weight,
                share=config.perceptual_share,
                least_snr=config.estimate_min_snr,
                of=latent_distance(base.vae, perceptual, scale=base.latent_scale),
            )
        )
    if discriminator is not None:
        found.append(
            ExtraTerm(
                name="adversarial",
                weight=config.adversarial_weight,
                share=config.adversarial_share,
                least_snr=config.estimate_min_snr,
                of=discriminator.term,
                judge=discriminator,
            )
        )
    return found
