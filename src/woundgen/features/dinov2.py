"""DINOv2 (Oquab et al. 2023, Apache-2.0) as transformers has it: the class token after the last layer norm.

Distances in its features agree with people's judgement better than Inception's do (Stein et al. 2023). The
patch tokens of the last layer are given too, as a map of activations.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor
from transformers import Dinov2Model

from woundgen.features.extractor import Extractor, Outputs, normalised

NAMES = ("dinov2-small", "dinov2-base", "dinov2-large")
WIDTHS = dict(zip(NAMES, (384, 768, 1024), strict=True))
SIDE, PATCH = 224, 14
INPUT = "0..1, bicubic with antialiasing to 224 x 224, ImageNet's mean and deviation"
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def dinov2_extractor(name: str, model: Dinov2Model, digest: str) -> Extractor:
    """model: loaded from its own folder; its width has to be that of `name`."""
    assert model.config.hidden_size == WIDTHS[name], "another size of DINOv2"

    def run(images: Tensor) -> Outputs:
        resized = F.interpolate(images, size=(SIDE, SIDE), mode="bicubic", antialias=True, align_corners=False)
        found = model(normalised(resized / 255, mean=IMAGENET_MEAN, deviation=IMAGENET_DEVIATION))
        tokens = found.last_hidden_state[:, 1:].transpose(1, 2)
        side = SIDE // PATCH
        return Outputs(pooled=found.pooler_output, layers=(tokens.unflatten(2, (side, side)),))

    gives = frozenset({"pooled", "layers"})
    return Extractor(name, digest, INPUT, gives, model.eval().requires_grad_(False), run, batch=16)  # type: ignore[arg-type]
