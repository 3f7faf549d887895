"""The classifier of the two-sample test: a small CNN that sees an image in full-size crops and, reduced, as a whole.

Crops show texture, sharpness and meshes, and make many cases of few images; the reduced picture shows composition.
Beside the colours the network is given what a 3 x 3 mean leaves over, where fine artefacts lie: a high-pass filter, as
in Fridrich & Kodovsky 2012, "Rich models for steganalysis of digital images".
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from woundgen.metrics.two_sample import Verdicts

Images: TypeAlias = npt.NDArray[np.uint8]
Array: TypeAlias = npt.NDArray[np.float64]

VERSION = 1
CROP = 48  # pixels a side of what the network sees
WHOLE = 64  # pixels a side that an image is reduced to; random crops of it are the second view
STEPS, PER_SIDE = 200, 12  # crops of either kind and either side in a step
RATE, DECAY, SMOOTHING = 3e-3, 3e-2, 0.1
GRID = 4  # crops a side that a judged image is read at


def fit_and_judge(first: Images, second: Images, query: Images, seed: int) -> Verdicts:
    """Train on two sets uint8 [n, S, S, 3] and [m, S, S, 3], and judge [Q, S, S, 3] of the same size.

    Repeats itself with the same seed, libraries and processor, whatever the number of threads: it takes one.
    """
    generator = torch.Generator().manual_seed(seed)
    model = _Classifier(generator)
    sides = [(_to_tensor(images), _reduced(images)) for images in (first, second)]
    _train(model, sides, np.random.default_rng(seed))
    return _judge(model.eval(), _to_tensor(query), _reduced(query))


def patch_corners(side: int) -> list[tuple[int, int]]:
    """(top, left) of the crops that an image of `side` pixels is judged at, in the order of `Verdicts.patches`."""
    places = np.linspace(0, side - crop_side(side), GRID).round().astype(int).tolist()
    return [(top, left) for top in places for left in places]


def crop_side(side: int) -> int:
    """Pixels of a crop: CROP, or three quarters of an image that is smaller than that allows."""
    return min(CROP, side * 3 // 4)


class _Classifier(nn.Module):
    """Crops and whole pictures through the same convolutions, each to a head of its own."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 6
        for out in (24, 48, 64):
            layers += [nn.Conv2d(width, out, 3, 2, 1, bias=False), nn.GroupNorm(4, out), nn.SiLU()]
            width = out
        self.trunk = nn.Sequential(*layers)
        self.trunk.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # twice as fast on a CPU
        self.of_crops, self.of_wholes = nn.Linear(2 * width, 1), nn.Linear(2 * width, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, generator=generator)
        for head in (self.of_crops, self.of_wholes):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)

    def forward(self, crops: Tensor, wholes: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [N] and [M] of [N, 3, C, C] and [M, 3, C, C] in -1..1."""
        both = torch.cat([crops, wholes])
        blurred = F.avg_pool2d(F.pad(both, (1, 1, 1, 1), mode="reflect"), 3, stride=1)
        views = torch.cat([both, 4 * (both - blurred)], dim=1)
        found = self.trunk(views.contiguous(memory_format=torch.channels_last))
        pooled = torch.cat([found.mean(dim=(2, 3)), found.amax(dim=(2, 3))], dim=1)
        return self.of_crops(pooled[: len(crops)])[:, 0], self.of_wholes(pooled[len(crops) :])[:, 0]


def _train(model: _Classifier, sides: list[tuple[Tensor, Tensor]], rng: np.random.Generator) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS, pct_start=0.2)
    labels = torch.tensor([1 - SMOOTHING / 2] * PER_SIDE + [SMOOTHING / 2] * PER_SIDE)
    size = crop_side(sides[0][0].shape[2])
    for _ in range(STEPS):
        crops = torch.cat([_random_crops(full, size, rng) for full, _ in sides])
        wholes = torch.cat([_random_crops(reduced, size, rng) for _, reduced in sides])
        losses = [F.binary_cross_entropy_with_logits(logits, labels) for logits in model(crops, wholes)]
        optimizer.zero_grad()
        (losses[0] + losses[1]).backward()
        optimizer.step()
        schedule.step()


@torch.no_grad()
def _judge(model: _Classifier, full: Tensor, reduced: Tensor) -> Verdicts:
    size, side = crop_side(full.shape[2]), full.shape[2]
    last = reduced.shape[2] - size
    corners = [(0, 0), (0, last), (last, 0), (last, last), (last // 2, last // 2)]
    patches, wholes = [], []
    for image, small in zip(full.split(1), reduced.split(1), strict=True):
        crops = torch.cat([image[:, :, y : y + size, x : x + size] for y, x in patch_corners(side)])
        views = torch.cat([small[:, :, y : y + size, x : x + size] for y, x in corners])
        of_crops, of_wholes = model(_unit(crops), _unit(torch.cat([views, views.flip(3)])))
        patches.append(of_crops.double().numpy())
        wholes.append(float(of_wholes.double().mean()))
    of_patches = np.array(patches)
    return Verdicts(of_patches.mean(axis=1) + np.array(wholes), of_patches)


def _random_crops(images: Tensor, size: int, rng: np.random.Generator) -> Tensor:
    """PER_SIDE crops in -1..1, half of them mirrored."""
    crops = []
    for row in rng.integers(0, len(images), PER_SIDE):
        top, left = rng.integers(0, images.shape[2] - size + 1, 2)
        crop = images[row, :, top : top + size, left : left + size]
        crops.append(crop.flip(2) if rng.random() < 0.5 else crop)
    return _unit(torch.stack(crops))


def _to_tensor(images: Images) -> Tensor:
    """uint8 [N, 3, S, S]."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).contiguous()


def _reduced(images: Images) -> Tensor:
    """uint8 [N, 3, WHOLE, WHOLE], or as they are where they are no larger."""
    tensor = _to_tensor(images)
    if tensor.shape[2] <= WHOLE:
        return tensor
    size = (WHOLE, WHOLE)
    parts = [
        F.interpolate(part.float(), size, mode="bilinear", antialias=True).round_().clamp_(0, 255).to(torch.uint8)
        for part in tensor.split(64)
    ]
    return torch.cat(parts)


def _unit(pixels: Tensor) -> Tensor:
    return pixels.float().div_(127.5).sub_(1)
