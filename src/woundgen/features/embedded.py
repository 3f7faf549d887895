"""The feature network that ships: a small CNN trained on phantoms to read phase and renderer parameters, and statistics
of fine detail beside what it learned.

It sees no photograph in training, so distances in its features say how wounds differ in what a phantom can
show: colour, tissue, outline, lighting; and by the statistics (detail.py) in sharpness, mesh, mosaic, noise and
compression. It is not Inception, and its Frechet distance is not an FID.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from woundgen.features.detail import DETAIL, measure_detail
from woundgen.features.extractor import Extractor, Outputs
from woundgen.storage.files import sha256_file

NAME = "embedded"
EMBEDDED_FEATURES = Path(__file__).parent / "embedded.safetensors"
INPUT = "-1..1 at the size given (trained at 128 x 128)"
LEARNED = 64
POOLED = LEARNED + DETAIL
DETAIL_SCALE = 0.3
"""Deviation of a detail statistic over clean phantoms: a full mosaic of 2 pixels moves some by eleven times that, and
would leave nothing else to see in a distance if they counted as much as what was learned."""
WIDTHS = (24, 48, 96, 128)


def conv_block(inputs: int, outputs: int, *, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class FeatureNetwork(nn.Module):
    """[N, 3, H, W] in [-1, 1] -> a pyramid of activations and 79 pooled features: 64 learned, 15 of fine detail.

    heads: one linear layer on the learned features; its first `phases` outputs are class scores, the rest
    standardised renderer parameters. Only training uses it.
    """

    detail_mean: Tensor
    detail_deviation: Tensor

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        previous = 3
        for width in WIDTHS:
            self.stages.append(nn.Sequential(conv_block(previous, width, stride=2), conv_block(width, width, stride=1)))
            previous = width
        # From every stage, not the last alone: what a blur changes is fine, and lost further up.
        self.project = nn.Linear(sum(WIDTHS), LEARNED)
        self.normalise = nn.BatchNorm1d(LEARNED, affine=False)
        self.heads = nn.Linear(LEARNED, outputs)
        self.register_buffer("detail_mean", torch.zeros(DETAIL))
        self.register_buffer("detail_deviation", torch.ones(DETAIL))

    def layers(self, images: Tensor) -> list[Tensor]:
        """Activations after each stage: [N, 32, H/2, W/2] ... [N, 128, H/16, W/16]."""
        activations = []
        for stage in self.stages:
            images = stage(images)
            activations.append(images)
        return activations

    def learned(self, layers: list[Tensor]) -> Tensor:
        """[N, 64] of what `layers` returns, of about unit variance."""
        return self.normalise(self.project(torch.cat([layer.mean(dim=(2, 3)) for layer in layers], dim=1)))

    def detail(self, images: Tensor) -> Tensor:
        """[N, 15] statistics of fine detail, of deviation DETAIL_SCALE over clean phantoms."""
        return DETAIL_SCALE * (measure_detail(images) - self.detail_mean) / self.detail_deviation

    def pooled(self, images: Tensor) -> Tensor:
        """[N, 79]: learned features, then statistics of fine detail."""
        return torch.cat([self.learned(self.layers(images)), self.detail(images)], dim=1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Learned features [N, 64] and what the heads read from them; for training."""
        learned = self.learned(self.layers(images))
        return learned, self.heads(learned)


@torch.no_grad()
def fit_detail(network: FeatureNetwork, images: Tensor) -> None:
    """Set mean and deviation of the detail statistics from clean images [N, 3, H, W] in [-1, 1]."""
    statistics = measure_detail(images)
    network.detail_mean.copy_(statistics.mean(0))
    network.detail_deviation.copy_(statistics.std(0))


def load_feature_network(path: Path) -> tuple[FeatureNetwork, str]:
    """The network in evaluation mode and the digest of its file."""
    with safe_open(path, "pt") as file:
        outputs = file.get_slice("heads.bias").get_shape()[0]
    network = FeatureNetwork(outputs)
    network.load_state_dict({key: value.float() for key, value in load_file(path).items()})
    return network.eval().requires_grad_(False), sha256_file(path)


def embedded_extractor(network: FeatureNetwork, digest: str) -> Extractor:
    """Pooled features and the pyramid in one pass."""

    def run(images: Tensor) -> Outputs:
        unit = images.div_(127.5).sub_(1)
        layers = network.layers(unit)
        pooled = torch.cat([network.learned(layers), network.detail(unit)], dim=1)
        return Outputs(pooled=pooled, layers=tuple(layers))

    return Extractor(NAME, digest, INPUT, frozenset({"pooled", "layers"}), network, run, batch=64)


def feature_network() -> tuple[FeatureNetwork, str]:
    """The embedded feature network and its digest."""
    return load_feature_network(EMBEDDED_FEATURES)
