"""A small convolutional network trained from scratch: what synthetic images give a classifier that learns pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

Images = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.intp]

SIDE = 64
STEPS = 240
PER_PHASE = 8  # images of each phase in a batch
RATE = 2e-3
WIDTHS = (16, 32, 64)
VERSION = 1


def shrink(images: Images) -> Tensor:
    """uint8 [N, S, S, 3] → float32 [N, 3, 64, 64] in [-1, 1]."""
    unit = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return F.interpolate(unit, (SIDE, SIDE), mode="area")


def build(classes: int, generator: torch.Generator) -> nn.Sequential:
    """Three strided convolutions, mean over the image, linear; initialised from `generator` alone."""
    layers: list[nn.Module] = []
    for inputs, outputs in zip((3, *WIDTHS), WIDTHS, strict=False):
        layers += [nn.Conv2d(inputs, outputs, 3, 2, 1), nn.GroupNorm(4, outputs), nn.ReLU()]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(WIDTHS[-1], classes))
    for parameter in network.parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter.data, nonlinearity="relu", generator=generator)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
    return network


def train_cnn(
    images: Tensor, rows: Rows, labels: Rows, query: Rows, *, classes: int, seed: int, steps: int = STEPS
) -> npt.NDArray[np.float64]:
    """Probabilities [len(query), K]. Every batch holds PER_PHASE images of each phase, whatever the list is.

    images: `shrink` of the whole bank. Adam with a cosine schedule; the seed decides weights and batches.
    """
    network = build(classes, torch.Generator().manual_seed(seed))
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    rng = np.random.default_rng([seed, 1])
    present = np.unique(labels)
    lists = [rows[labels == label] for label in present]
    target = torch.from_numpy(np.repeat(present, PER_PHASE))
    for _ in range(steps):
        batch = np.concatenate([rng.choice(one, PER_PHASE) for one in lists])
        loss = F.cross_entropy(network(images[torch.from_numpy(batch)]), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        decay.step()
    with torch.no_grad():
        return network(images[torch.from_numpy(query)]).double().softmax(dim=1).numpy()
