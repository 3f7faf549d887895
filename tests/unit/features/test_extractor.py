"""The interface, the shipped network through it, and DINOv2 (random weights of the true architecture)."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import Dinov2Config, Dinov2Model

from woundgen.errors import UserError
from woundgen.features.dinov2 import dinov2_extractor
from woundgen.features.embedded import load_feature_network
from woundgen.features.load import EMBEDDED_FILE, NAMES, check_names, load_extractor
from woundgen.storage.files import sha256_file


def images(count: int, side: int = 48, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3)).astype(np.uint8)


def test_the_shipped_network_is_what_training_calls_it() -> None:
    """Batches, preparation and order change nothing against one forward pass in -1..1."""
    one = load_extractor("embedded")
    network, digest = load_feature_network(EMBEDDED_FILE)
    batch = images(70)
    unit = torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        np.testing.assert_allclose(one.pooled(batch), network.pooled(unit).numpy(), atol=2e-5)
        for ours, theirs in zip(one.layers(batch[:3]), network.layers(unit[:3]), strict=True):
            np.testing.assert_allclose(ours, theirs.numpy(), atol=2e-5)
    assert (one.name, one.digest) == ("embedded", digest) == ("embedded", sha256_file(EMBEDDED_FILE))


def test_values_of_0_to_1_are_a_mistake() -> None:
    with pytest.raises(AssertionError, match=r"0\.\.255"):
        load_extractor("embedded").pooled(images(2) / 255.0)


def test_what_a_network_does_not_give() -> None:
    with pytest.raises(UserError, match="embedded gives no probabilities, only layers, pooled"):
        load_extractor("embedded").probabilities(images(2))


@pytest.mark.parametrize("name", NAMES[1:])
def test_absent_weights_are_one_error_with_the_command(name: str, tmp_path: Path) -> None:
    for call in (lambda: load_extractor(name, home=tmp_path), lambda: check_names((name,), home=tmp_path)):
        with pytest.raises(UserError, match=f"woundgen fetch {name}$"):
            call()


def test_unknown_name() -> None:
    with pytest.raises(UserError, match=r"'resnet' is unknown.*dinov2-large"):
        load_extractor("resnet")


@pytest.fixture(scope="module")
def dinov2() -> Dinov2Model:
    """The architecture of dinov2-small, as its config.json has it."""
    torch.manual_seed(0)
    config = Dinov2Config(hidden_size=384, num_hidden_layers=12, num_attention_heads=6, image_size=518, patch_size=14)
    return Dinov2Model(config)


def test_dinov2_gives_the_class_token(dinov2: Dinov2Model) -> None:
    assert sum(p.numel() for p in dinov2.parameters()) == 22_056_576  # Oquab et al. 2023: 21 M, ViT-S/14 at 518
    one, batch, seen = dinov2_extractor("dinov2-small", dinov2, "abc"), images(2, 128), []
    hook = dinov2.embeddings.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    pooled, layers = one.pooled(batch), one.layers(batch)
    hook.remove()
    assert pooled.shape == (2, 384)
    assert [layer.shape for layer in layers] == [(2, 384, 16, 16)]
    with torch.no_grad():
        states = dinov2(seen[0]).last_hidden_state
    np.testing.assert_allclose(pooled, states[:, 0].numpy(), atol=1e-5)
    np.testing.assert_allclose(layers[0][:, :, 3, 5], states[:, 1 + 3 * 16 + 5].numpy(), atol=1e-5)


@pytest.fixture(scope="module")
def shallow() -> Dinov2Model:
    return Dinov2Model(Dinov2Config(hidden_size=384, num_hidden_layers=1, num_attention_heads=6, image_size=518))


@pytest.mark.parametrize("side", [128, 300])
def test_dinov2_is_fed_pillows_bicubic(shallow: Dinov2Model, side: int) -> None:
    """Pillow antialiases; so enlarging and reducing are both held against it."""
    seen: list[torch.Tensor] = []
    hook = shallow.embeddings.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    batch = images(1, side)
    dinov2_extractor("dinov2-small", shallow, "abc").pooled(batch)
    hook.remove()
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    levels = (seen[0][0].permute(1, 2, 0).numpy() * deviation + mean) * 255
    expected = np.asarray(Image.fromarray(batch[0]).resize((224, 224), Image.Resampling.BICUBIC)).astype(float)
    np.testing.assert_allclose(levels, expected, atol=1 + 1e-3)  # Pillow's weights are whole numbers of 2**-22
    assert np.abs(levels - expected).mean() < 0.01
    assert levels.min() > -1e-3
    assert levels.max() < 255 + 1e-3
    assert expected.min() == 0, "noise overshoots, so that something was clipped"


def test_dinov2_sees_what_the_hubs_processor_would_without_its_crop(shallow: Dinov2Model) -> None:
    """transformers' own processor, told to resize to 224 and to crop nothing."""
    from transformers import BitImageProcessorPil

    seen: list[torch.Tensor] = []
    hook = shallow.embeddings.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    batch = images(2, 128)
    dinov2_extractor("dinov2-small", shallow, "abc").pooled(batch)
    hook.remove()
    processor = BitImageProcessorPil(
        size={"height": 224, "width": 224}, do_center_crop=False, image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225], resample=Image.Resampling.BICUBIC,
    )  # fmt: skip
    theirs = processor([Image.fromarray(one) for one in batch], return_tensors="pt")["pixel_values"]
    assert (seen[0] - theirs).abs().mean() < 1e-3
