"""The networks of LPIPS (Zhang et al. 2018), version 0.1: VGG16 or AlexNet trunk and linear weights on channels.

Plain convolutions under the names of torchvision's published state dicts (BSD-3-Clause), and the linear
weights of richzhang/PerceptualSimilarity (BSD-2-Clause), which are all >= 0: so LPIPS is the squared distance
of one vector an image (similarity/perceptual.py). The scales of the two trunks differ, and a threshold such as
0.30 has to name its trunk.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor, nn

from woundgen.features.extractor import Extractor, Outputs, normalised

INPUT = "-1..1 at the size given, then shifted and scaled by channel as the authors do"
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)

# Outputs of each convolution, "pool" between; a tap follows the ReLU after the convolutions named in TAPS.
VGG = (64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512, "pool", 512, 512, 512)
TAPS = {"lpips-vgg": (3, 8, 15, 22, 29), "lpips-alex": (1, 4, 7, 9, 11)}
CHANNELS = {"lpips-vgg": (64, 128, 256, 512, 512), "lpips-alex": (64, 192, 384, 256, 256)}
NAMES = tuple(TAPS)


def vgg_features() -> nn.Sequential:
    """torchvision's vgg16().features without its last pooling: 13 convolutions, the same indices."""
    layers: list[nn.Module] = []
    previous = 3
    for width in VGG:
        if isinstance(width, str):
            layers.append(nn.MaxPool2d(2, 2))
            continue
        layers += [nn.Conv2d(previous, width, 3, padding=1), nn.ReLU()]
        previous = width
    return nn.Sequential(*layers)


def alexnet_features() -> nn.Sequential:
    """torchvision's alexnet().features without its last pooling: 5 convolutions, the same indices."""
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()),
    )


class Trunk(nn.Module):
    """`features` under torchvision's names; gives the activations at the taps."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.features = vgg_features() if name == "lpips-vgg" else alexnet_features()
        self.taps = TAPS[name]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        found = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self.taps:
                found.append(x)
        return tuple(found)


def lpips_extractor(name: str, trunk: Trunk, linear: Mapping[int, Tensor], digest: str) -> Extractor:
    """linear: by layer, the weights of its channels, of any shape with as many elements."""
    weights = tuple(linear[i].detach().float().flatten().cpu().numpy().astype(np.float32) for i in range(5))
    for weight, channels in zip(weights, CHANNELS[name], strict=True):
        assert weight.shape == (channels,), "one weight a channel"

    def run(images: Tensor) -> Outputs:
        return Outputs(layers=trunk(normalised(images / 127.5 - 1, mean=SHIFT, deviation=SCALE)))

    module = trunk.eval().requires_grad_(False)
    return Extractor(name, digest, INPUT, frozenset({"layers"}), module, run, layer_weights=weights, batch=8)
