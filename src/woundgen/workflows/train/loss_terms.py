"""Build the terms that a run adds to its diffusion loss, from its settings."""

from __future__ import annotations

import torch

from woundgen.config.train import TrainConfig
from woundgen.errors import UserError
from woundgen.features.extractor import Extractor
from woundgen.features.load import check_names, load_extractor
from woundgen.models.base import BaseModel
from woundgen.training.discriminator import Discriminator
from woundgen.training.perceptual_term import latent_distance
from woundgen.training.terms import ExtraTerm

PREFERRED, SHIPPED = "lpips-vgg", "embedded"


def resolve_perceptual_network(config: TrainConfig) -> tuple[TrainConfig, str]:
    """Replace `perceptual_network: auto` by the network that this machine has: LPIPS where it was fetched.

    And a note for the user, "" where there is nothing to say.
    The name is stored in run.json, so that a resume elsewhere cannot silently use another network.
    """
    if config.perceptual.weight == 0 or config.perceptual.network != "auto":
        return config, ""
    name, note = PREFERRED, ""
    try:
        check_names((PREFERRED,))
    except UserError:
        name = SHIPPED
        note = f"perceptual term in {SHIPPED} features ({PREFERRED} is not fetched: woundgen fetch {PREFERRED})"
    return config.with_values(perceptual_network=name), note


def load_perceptual_network(config: TrainConfig) -> Extractor | None:
    """Load the resolved network; None without a perceptual term. UserError where the network is not fetched."""
    return load_extractor(config.perceptual.network) if config.perceptual.weight else None


def build_discriminator(config: TrainConfig, base: BaseModel, device: torch.device) -> Discriminator | None:
    """Make the discriminator of the adversarial term; None where the term has no weight."""
    if config.adversarial.weight == 0:
        return None
    return Discriminator(
        base.unet.config.in_channels,
        config.adversarial,
        seed=config.seed,
        device=device,
    )


def build_terms(
    config: TrainConfig,
    base: BaseModel,
    device: torch.device,
    *,
    perceptual: Extractor | None,
    discriminator: Discriminator | None,
) -> tuple[ExtraTerm, ...]:
    """Return the perceptual and the adversarial term, those that the run has."""
    terms = []
    if perceptual is not None:
        perceptual.module.to(device)
        terms.append(
            ExtraTerm(
                name="perceptual",
                weight=config.perceptual.weight,
                share=config.perceptual.share,
                least_snr=config.loss.estimate_min_snr,
                loss=latent_distance(base.vae, perceptual, scale=base.latent_scale),
            )
        )
    if discriminator is not None:
        terms.append(
            ExtraTerm(
                name="adversarial",
                weight=config.adversarial.weight,
                share=config.adversarial.share,
                least_snr=config.loss.estimate_min_snr,
                loss=discriminator.term,
                discriminator=discriminator,
            )
        )
    return tuple(terms)
