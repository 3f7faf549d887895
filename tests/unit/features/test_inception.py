"""Inception: its size as published, its blocks against their definition, its input as pytorch-fid prepares it.

Weights are random here: the real ones cannot be had on this machine.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from woundgen.features.inception import Inception, InceptionBlock, block_a, block_c, block_e, inception_extractor


@pytest.fixture(scope="module")
def network() -> Inception:
    torch.manual_seed(0)
    return Inception()


def test_size_is_the_published_one(network: Inception) -> None:
    """torchvision's documentation: 27,161,264 parameters with 1000 classes and the auxiliary head of 3,326,696."""
    found = sum(parameter.numel() for parameter in network.parameters())
    assert found == 27_161_264 - 3_326_696 + 8 * 2049
    assert sum(1 for module in network.modules() if isinstance(module, torch.nn.Conv2d)) == 94


def conv(block: InceptionBlock, name: str, x: torch.Tensor, padding: tuple[int, int] = (0, 0)) -> torch.Tensor:
    """Convolution, batch norm with epsilon 0.001, ReLU: from the weights under torchvision's names."""
    state = {key.removeprefix(f"{name}."): value for key, value in block.state_dict().items() if key.startswith(name)}
    x = F.conv2d(x, state["conv.weight"], padding=padding)
    shape = (1, -1, 1, 1)
    x = (x - state["bn.running_mean"].view(shape)) / torch.sqrt(state["bn.running_var"].view(shape) + 0.001)
    return torch.relu(x * state["bn.weight"].view(shape) + state["bn.bias"].view(shape))


def filled(block: InceptionBlock) -> InceptionBlock:
    """Statistics of batch norm that matter."""
    with torch.no_grad():
        for key, value in block.state_dict().items():
            if "running_mean" in key or key.endswith("bn.bias"):
                value.normal_(0, 0.1)
            elif "running_var" in key or key.endswith("bn.weight"):
                value.uniform_(0.5, 1.5)
    return block.eval()


def average_without_padding(x: torch.Tensor) -> torch.Tensor:
    """3 x 3 means over what lies inside, as TensorFlow's SAME padding counts."""
    ones = torch.ones_like(x[:, :1])
    kernel = torch.ones(1, 1, 3, 3)
    totals = torch.cat([F.conv2d(x[:, c : c + 1], kernel, padding=1) for c in range(x.shape[1])], 1)
    return totals / F.conv2d(ones, kernel, padding=1)


def test_block_a() -> None:
    torch.manual_seed(1)
    block, x = filled(block_a(12, 32)), torch.randn(2, 12, 7, 7)
    double = conv(block, "branch3x3dbl_2", conv(block, "branch3x3dbl_1", x), (1, 1))
    expected = [
        conv(block, "branch1x1", x),
        conv(block, "branch5x5_2", conv(block, "branch5x5_1", x), (2, 2)),
        conv(block, "branch3x3dbl_3", double, (1, 1)),
        conv(block, "branch_pool", average_without_padding(x)),
    ]
    torch.testing.assert_close(block(x), torch.cat(expected, 1), rtol=1e-4, atol=1e-5)


def test_block_c() -> None:
    torch.manual_seed(2)
    block, x = filled(block_c(12, 8)), torch.randn(1, 12, 9, 9)
    one = conv(block, "branch7x7_2", conv(block, "branch7x7_1", x), (0, 3))
    two = conv(block, "branch7x7dbl_1", x)
    for i, padding in ((2, (3, 0)), (3, (0, 3)), (4, (3, 0)), (5, (0, 3))):
        two = conv(block, f"branch7x7dbl_{i}", two, padding)
    expected = [
        conv(block, "branch1x1", x),
        conv(block, "branch7x7_3", one, (3, 0)),
        two,
        conv(block, "branch_pool", average_without_padding(x)),
    ]
    torch.testing.assert_close(block(x), torch.cat(expected, 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pool", ["average", "maximum"])
def test_block_e(pool: str) -> None:
    torch.manual_seed(3)
    block, x = filled(block_e(12, pool)), torch.randn(1, 12, 5, 5)
    middle = conv(block, "branch3x3_1", x)
    double = conv(block, "branch3x3dbl_2", conv(block, "branch3x3dbl_1", x), (1, 1))
    pooled = F.max_pool2d(F.pad(x, (1, 1, 1, 1), value=-torch.inf), 3, 1)
    expected = [
        conv(block, "branch1x1", x),
        conv(block, "branch3x3_2a", middle, (0, 1)),
        conv(block, "branch3x3_2b", middle, (1, 0)),
        conv(block, "branch3x3dbl_3a", double, (0, 1)),
        conv(block, "branch3x3dbl_3b", double, (1, 0)),
        conv(block, "branch_pool", average_without_padding(x) if pool == "average" else pooled),
    ]
    torch.testing.assert_close(block(x), torch.cat(expected, 1), rtol=1e-4, atol=1e-5)


def test_only_the_last_block_pools_by_maximum(network: Inception) -> None:
    """The FID network's own trait; Mixed_7b pools by average."""
    assert network.Mixed_7b.paths[-1][0] == "average"
    assert network.Mixed_7c.paths[-1][0] == "maximum"


def test_outputs(network: Inception) -> None:
    """299 x 299 inside, features and class probabilities; the last layer's bias is left out, as IS has it."""
    seen = []
    hook = network.Conv2d_1a_3x3.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        network.fc.bias.fill_(1.0)
        network.fc.bias[7] = 50.0
    one = inception_extractor(network, "abc")
    images = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3)).astype(np.uint8)
    pooled, probabilities = one.pooled(images), one.probabilities(images)
    hook.remove()
    assert (one.name, one.digest) == ("inception", "abc")
    assert pooled.shape == (2, 2048)
    scores = torch.from_numpy(pooled).float() @ network.fc.weight.T
    np.testing.assert_allclose(probabilities, scores.softmax(1).numpy(), rtol=1e-4)
    assert probabilities[:, 7].max() < 0.5
    fed = torch.from_numpy(images).permute(0, 3, 1, 2).double() / 255
    expected = 2 * F.interpolate(fed, size=(299, 299), mode="bilinear", align_corners=False) - 1
    torch.testing.assert_close(seen[0].double(), expected, rtol=0, atol=1e-5)
