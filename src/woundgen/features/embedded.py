"""The feature network that ships: a small CNN trained on phantoms to read phase and renderer parameters.

It sees no photograph in training, so distances in its features say how wounds differ in what a phantom can
show: colour, tissue, outline, lighting, blur. It is not Inception, and its Frechet distance is not an FID.
"""

from __future__ import annotations

from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from woundgen.features.extractor import Extractor, Outputs
from woundgen.storage.files import sha256_file

NAME = "embedded"
EMBEDDED_FEATURES = Path(__file__).parent / "embedded.safetensors"
INPUT = "-1..1 at the size given (trained at 128 x 128)"
POOLED = 64
WIDTHS = (24, 48, 96, 128)


def conv_block(inputs: int, outputs: int, *, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class FeatureNetwork(nn.Module):
    """[N, 3, H, W] in [-1, 1] -> a pyramid of activations and 64 pooled features of about unit variance.

    heads: one linear layer on the pooled features; its first `phases` outputs are class scores, the rest
    standardised renderer parameters. Only training uses it.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        previous = 3
        for width in WIDTHS:
            self.stages.append(nn.Sequential(conv_block(previous, width, stride=2), conv_block(width, width, stride=1)))
            previous = width
        self.project = nn.Conv2d(previous, POOLED, 1)
        self.normalise = nn.BatchNorm1d(POOLED, affine=False)
        self.heads = nn.Linear(POOLED, outputs)

    def layers(self, images: Tensor) -> list[Tensor]:
        """Activations after each stage: [N, 32, H/2, W/2] ... [N, 128, H/16, W/16]."""
        activations = []
        for stage in self.stages:
            images = stage(images)
            activations.append(images)
        return activations

    def pool(self, last: Tensor) -> Tensor:
        return self.normalise(self.project(last).mean(dim=(2, 3)))

    def pooled(self, images: Tensor) -> Tensor:
        """[N, 64]."""
        return self.pool(self.layers(images)[-1])

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        pooled = self.pooled(images)
        return pooled, self.heads(pooled)


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
        layers = network.layers(images.div_(127.5).sub_(1))
        return Outputs(pooled=network.pool(layers[-1]), layers=tuple(layers))

    return Extractor(NAME, digest, INPUT, frozenset({"pooled", "layers"}), network, run, batch=64)


def feature_network() -> tuple[FeatureNetwork, str]:
    """The embedded feature network and its digest."""
    return load_feature_network(EMBEDDED_FEATURES)
