"""LPIPS networks: sizes as published, and the whole distance against its direct form on the true architecture.

Trunk weights are random here (the real ones cannot be had on this machine).
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from woundgen.features.extractor import Extractor
from woundgen.features.lpips import CHANNELS, NAMES, Trunk, lpips_extractor
from woundgen.similarity.perceptual import embed, pairwise_squared_distances

# torchvision's documented parameter counts less those of the classifiers (its layer sizes).
FEATURE_PARAMETERS = {
    "lpips-vgg": 138_357_544 - (25088 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 1000 + 1000),
    "lpips-alex": 61_100_840 - (9216 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 1000 + 1000),
}
# torchvision's `features`: index of each convolution with (stride, padding), and where pooling stands.
VGG = dict.fromkeys((0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28), (1, 1)), {4: 2, 9: 2, 16: 2, 23: 2}
ALEX = {0: (4, 2), 3: (1, 2), 6: (1, 1), 8: (1, 1), 10: (1, 1)}, {2: 3, 5: 3}
PLANS = {"lpips-vgg": (*VGG, (3, 8, 15, 22, 29)), "lpips-alex": (*ALEX, (1, 4, 7, 9, 11))}


def build(name: str) -> tuple[Trunk, dict[int, torch.Tensor], Extractor]:
    torch.manual_seed(0)
    trunk = Trunk(name)
    linear = {i: torch.rand(1, channels, 1, 1) for i, channels in enumerate(CHANNELS[name])}
    return trunk, linear, lpips_extractor(name, trunk, linear, "abc")


def direct(name: str, trunk: Trunk, linear: dict[int, torch.Tensor], a: np.ndarray, b: np.ndarray) -> float:
    """lpips.LPIPS.forward on one pair, from the state dict by index."""
    state = trunk.state_dict()
    convolutions, pools, taps = PLANS[name]

    def activations(image: np.ndarray) -> list[torch.Tensor]:
        x = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255 * 2 - 1
        x = (x - torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)) / torch.tensor([0.458, 0.448, 0.450]).view(
            1, 3, 1, 1
        )
        found = []
        for i in range(max(taps) + 1):
            if i in convolutions:
                stride, padding = convolutions[i]
                weight, bias = state[f"features.{i}.weight"], state[f"features.{i}.bias"]
                x = F.conv2d(x, weight, bias, stride=stride, padding=padding)
            elif i in pools:
                x = F.max_pool2d(x, pools[i], 2)
            else:
                x = x.clamp(min=0)
            if i in taps:
                found.append(x / (x.pow(2).sum(1, keepdim=True).sqrt() + 1e-10))
        return found

    pairs = zip(activations(a), activations(b), strict=True)
    return sum(float(((x - y) ** 2 * linear[i]).sum(1).mean()) for i, (x, y) in enumerate(pairs))


@pytest.mark.parametrize("name", NAMES)
def test_size_is_the_published_one(name: str) -> None:
    assert sum(p.numel() for p in Trunk(name).parameters()) == FEATURE_PARAMETERS[name]


@pytest.mark.parametrize("name", NAMES)
def test_embedding_form_equals_the_direct_form(name: str) -> None:
    trunk, linear, one = build(name)
    rng = np.random.default_rng(1)
    left = rng.integers(0, 256, (2, 48, 48, 3)).astype(np.uint8)
    right = np.concatenate((left[:1], rng.integers(0, 256, (2, 48, 48, 3)).astype(np.uint8)))
    vectors = [embed(one.layers(images), one.layer_weights) for images in (left, right)]
    expected = [[direct(name, trunk, linear, a, b) for b in right] for a in left]
    found = pairwise_squared_distances(*vectors)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    assert found[0, 0] < 1e-5 < found[0, 1]


def test_it_gives_layers_only() -> None:
    _, _, one = build("lpips-alex")
    assert (one.name, one.gives) == ("lpips-alex", {"layers"})
