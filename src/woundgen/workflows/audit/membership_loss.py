"""Loss of the tuned model less that of its base, for each photograph, on a fixed grid of timesteps and noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from woundgen.adapters.saved import apply_trained
from woundgen.models.base import BaseModel, encode_prompts
from woundgen.models.images import encode_images
from woundgen.training.validation import ValidationGrid, build_grid, per_image_loss

TIMESTEPS = 20
GRID_SEED = 0
BATCH = 32


def loss_difference(
    base: BaseModel, adapters: Sequence[tuple[Path, float]], images: NDArray[np.uint8], prompts: Sequence[str]
) -> NDArray[np.float64]:
    """[N] of uint8 [N, H, W, 3], each with its prompt. `base` is spent: the adapters are fused into it."""
    grid = _grid(base, images)
    before = _losses(base.unet, grid, _contexts(base, prompts))
    apply_trained(base, adapters)  # which may be of what reads the prompts
    return _losses(base.unet, grid, _contexts(base, prompts)) - before


def fixed_losses(
    base: BaseModel, images: NDArray[np.uint8], prompts: Sequence[str]
) -> Callable[[nn.Module], NDArray[np.float64]]:
    """unet -> [N], its loss on each of uint8 [N, H, W, 3]; timesteps and noise are the same for any unet."""
    grid = _grid(base, images)
    contexts = _contexts(base, prompts)
    return lambda unet: _losses(unet, grid, contexts)


def _losses(unet: nn.Module, grid: ValidationGrid, contexts: Callable[[Tensor], Tensor]) -> NDArray[np.float64]:
    return per_image_loss(unet, grid, contexts, batch=BATCH).double().numpy()


def _grid(base: BaseModel, images: NDArray[np.uint8]) -> ValidationGrid:
    latents = encode_images(base.vae, images)[0] * base.latent_scale
    return build_grid(
        latents,
        alphas_cumprod=base.alphas_cumprod,
        prediction=base.prediction,
        timesteps=TIMESTEPS,
        seed=GRID_SEED,
    )


def _contexts(base: BaseModel, prompts: Sequence[str]) -> Callable[[Tensor], Tensor]:
    texts = list(dict.fromkeys(prompts))
    states = encode_prompts(base, texts)
    index = torch.tensor([texts.index(prompt) for prompt in prompts])
    return lambda rows: states[index[rows]]
