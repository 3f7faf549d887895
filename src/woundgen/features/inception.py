"""The Inception network of FID and IS: Szegedy et al. 2015 as TensorFlow released it on 2015-12-05.

Written out here, because torchvision is no dependency and TorchScript would run code from a file. Module names
are those of torchvision's Inception3, so that the port of the weights by pytorch-fid (Apache-2.0) loads by
name. Where that network differs from torchvision's, TensorFlow's graph rules: average pooling does not count
the padding, and the last block pools by maximum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from woundgen.features.extractor import Extractor, Outputs

NAME = "inception"
SIDE, FEATURES, CLASSES = 299, 2048, 1008
INPUT = "0..255, bilinear to 299 x 299 (align_corners False, as pytorch-fid), then to -1..1"

Kernel = int | tuple[int, int]
Conv = tuple[int, int, Kernel, int, Kernel]  # inputs, outputs, kernel, stride, padding
Path = Sequence[str | tuple[str, ...]]  # modules one after the other; a tuple's stand side by side


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm, ReLU; `conv` and `bn` are the names in the weights."""

    def __init__(self, inputs: int, outputs: int, kernel: Kernel, stride: int = 1, padding: Kernel = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


POOLS = {
    "average": lambda x: F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False),
    "maximum": lambda x: F.max_pool2d(x, 3, stride=1, padding=1),
    "halve": lambda x: F.max_pool2d(x, 3, stride=2),
}


class InceptionBlock(nn.Module):
    """Paths side by side, concatenated by channel. A path's names are convolutions or POOLS."""

    def __init__(self, convolutions: Mapping[str, Conv], paths: Sequence[Path]) -> None:
        super().__init__()
        for name, sizes in convolutions.items():
            self.add_module(name, ConvNorm(*sizes))
        self.paths = paths

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self._along(path, x) for path in self.paths], dim=1)

    def _along(self, path: Path, x: Tensor) -> Tensor:
        for step in path:
            x = self._one(step, x) if isinstance(step, str) else torch.cat([self._one(s, x) for s in step], dim=1)
        return x

    def _one(self, name: str, x: Tensor) -> Tensor:
        return POOLS[name](x) if name in POOLS else self.get_submodule(name)(x)


def block_a(inputs: int, pooled: int) -> InceptionBlock:
    convolutions = {
        "branch1x1": (inputs, 64, 1, 1, 0),
        "branch5x5_1": (inputs, 48, 1, 1, 0),
        "branch5x5_2": (48, 64, 5, 1, 2),
        "branch3x3dbl_1": (inputs, 64, 1, 1, 0),
        "branch3x3dbl_2": (64, 96, 3, 1, 1),
        "branch3x3dbl_3": (96, 96, 3, 1, 1),
        "branch_pool": (inputs, pooled, 1, 1, 0),
    }
    return InceptionBlock(
        convolutions,
        (
            ("branch1x1",),
            ("branch5x5_1", "branch5x5_2"),
            ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
            ("average", "branch_pool"),
        ),
    )


def block_b(inputs: int) -> InceptionBlock:
    convolutions = {
        "branch3x3": (inputs, 384, 3, 2, 0),
        "branch3x3dbl_1": (inputs, 64, 1, 1, 0),
        "branch3x3dbl_2": (64, 96, 3, 1, 1),
        "branch3x3dbl_3": (96, 96, 3, 2, 0),
    }
    return InceptionBlock(
        convolutions, (("branch3x3",), ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"), ("halve",))
    )


def block_c(inputs: int, middle: int) -> InceptionBlock:
    across: tuple[Kernel, int, Kernel] = ((1, 7), 1, (0, 3))
    down: tuple[Kernel, int, Kernel] = ((7, 1), 1, (3, 0))
    convolutions = {
        "branch1x1": (inputs, 192, 1, 1, 0),
        "branch7x7_1": (inputs, middle, 1, 1, 0),
        "branch7x7_2": (middle, middle, *across),
        "branch7x7_3": (middle, 192, *down),
        "branch7x7dbl_1": (inputs, middle, 1, 1, 0),
        "branch7x7dbl_2": (middle, middle, *down),
        "branch7x7dbl_3": (middle, middle, *across),
        "branch7x7dbl_4": (middle, middle, *down),
        "branch7x7dbl_5": (middle, 192, *across),
        "branch_pool": (inputs, 192, 1, 1, 0),
    }
    return InceptionBlock(
        convolutions,
        (
            ("branch1x1",),
            tuple(f"branch7x7_{i}" for i in (1, 2, 3)),
            tuple(f"branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5)),
            ("average", "branch_pool"),
        ),
    )


def block_d(inputs: int) -> InceptionBlock:
    convolutions: dict[str, Conv] = {
        "branch3x3_1": (inputs, 192, 1, 1, 0),
        "branch3x3_2": (192, 320, 3, 2, 0),
        "branch7x7x3_1": (inputs, 192, 1, 1, 0),
        "branch7x7x3_2": (192, 192, (1, 7), 1, (0, 3)),
        "branch7x7x3_3": (192, 192, (7, 1), 1, (3, 0)),
        "branch7x7x3_4": (192, 192, 3, 2, 0),
    }
    return InceptionBlock(
        convolutions,
        (("branch3x3_1", "branch3x3_2"), tuple(f"branch7x7x3_{i}" for i in (1, 2, 3, 4)), ("halve",)),
    )


def block_e(inputs: int, pool: str) -> InceptionBlock:
    across: tuple[Kernel, int, Kernel] = ((1, 3), 1, (0, 1))
    down: tuple[Kernel, int, Kernel] = ((3, 1), 1, (1, 0))
    convolutions = {
        "branch1x1": (inputs, 320, 1, 1, 0),
        "branch3x3_1": (inputs, 384, 1, 1, 0),
        "branch3x3_2a": (384, 384, *across),
        "branch3x3_2b": (384, 384, *down),
        "branch3x3dbl_1": (inputs, 448, 1, 1, 0),
        "branch3x3dbl_2": (448, 384, 3, 1, 1),
        "branch3x3dbl_3a": (384, 384, *across),
        "branch3x3dbl_3b": (384, 384, *down),
        "branch_pool": (inputs, 192, 1, 1, 0),
    }
    return InceptionBlock(
        convolutions,
        (
            ("branch1x1",),
            ("branch3x3_1", ("branch3x3_2a", "branch3x3_2b")),
            ("branch3x3dbl_1", "branch3x3dbl_2", ("branch3x3dbl_3a", "branch3x3dbl_3b")),
            (pool, "branch_pool"),
        ),
    )


class Inception(nn.Module):
    """float32 [N, 3, 299, 299] in -1..1 -> features [N, 2048]; `fc` gives class scores of 1008 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = ConvNorm(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = ConvNorm(32, 32, 3)
        self.Conv2d_2b_3x3 = ConvNorm(32, 64, 3, 1, 1)
        self.Conv2d_3b_1x1 = ConvNorm(64, 80, 1)
        self.Conv2d_4a_3x3 = ConvNorm(80, 192, 3)
        self.Mixed_5b = block_a(192, 32)
        self.Mixed_5c = block_a(256, 64)
        self.Mixed_5d = block_a(288, 64)
        self.Mixed_6a = block_b(288)
        self.Mixed_6b = block_c(768, 128)
        self.Mixed_6c = block_c(768, 160)
        self.Mixed_6d = block_c(768, 160)
        self.Mixed_6e = block_c(768, 192)
        self.Mixed_7a = block_d(768)
        self.Mixed_7b = block_e(1280, "average")
        self.Mixed_7c = block_e(2048, "maximum")
        self.fc = nn.Linear(FEATURES, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(POOLS["halve"](x)))
        x = POOLS["halve"](x)
        for name, module in self.named_children():
            if name.startswith("Mixed"):
                x = module(x)
        return x.mean(dim=(2, 3))


def inception_extractor(network: Inception, digest: str) -> Extractor:
    """Pooled features for FID; probabilities for IS, which by custom leaves the bias of the last layer out."""

    def run(images: Tensor) -> Outputs:
        resized = F.interpolate(images, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
        pooled = network(resized / 127.5 - 1)
        return Outputs(pooled=pooled, probabilities=(pooled @ network.fc.weight.T).softmax(dim=1))

    gives = frozenset({"pooled", "probabilities"})
    return Extractor(NAME, digest, INPUT, gives, network.eval().requires_grad_(False), run, batch=16)  # type: ignore[arg-type]
