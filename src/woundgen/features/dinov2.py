"""DINOv2 (Oquab et al. 2023, Apache-2.0) as transformers has it: the class token after the last layer norm.

Distances in its features agree with people's judgement better than Inception's do (Stein et al. 2023). The
patch tokens of the last layer are given too, as a map of activations.

The whole picture is resized to 224. The hub's processor resizes to 256 and crops the middle 224, and so does not see
the outer 16 pixels on every side.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor
from transformers import Dinov2Model

from woundgen.features.extractor import Extractor, Outputs, normalised

NAMES = ("dinov2-small", "dinov2-base", "dinov2-large")
WIDTHS = dict(zip(NAMES, (384, 768, 1024), strict=True))
SIDE, PATCH = 224, 14
INPUT = "whole picture, bicubic with antialiasing to 224 x 224 in whole levels 0..255, ImageNet's mean and deviation"
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _resized(images: Tensor, *, height: int, width: int) -> Tensor:
    """Apply a pass of Pillow's two, across before down: each ends in whole levels 0..255, for bicubic overshoots."""
    resized = F.interpolate(images, size=(height, width), mode="bicubic", antialias=True, align_corners=False)
    return resized.round().clamp(0, 255)


def dinov2_extractor(name: str, model: Dinov2Model, digest: str) -> Extractor:
    """model: loaded from its own folder; its width has to be that of `name`."""
    assert model.config.hidden_size == WIDTHS[name], "another size of DINOv2"

    def run(images: Tensor) -> Outputs:
        levels = _resized(_resized(images, height=images.shape[2], width=SIDE), height=SIDE, width=SIDE)
        states = model(normalised(levels / 255, mean=IMAGENET_MEAN, deviation=IMAGENET_DEVIATION))
        tokens = states.last_hidden_state[:, 1:].transpose(1, 2)
        side = SIDE // PATCH
        return Outputs(pooled=states.pooler_output, layers=(tokens.unflatten(2, (side, side)),))

    gives = frozenset({"pooled", "layers"})
    return Extractor(name, digest, INPUT, gives, model.eval().requires_grad_(False), run, batch=16)  # type: ignore[arg-type]
