"""LoRA run our way, held against peft's own layers and diffusers' own loading."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from woundgen.adapters.lora import add_lora, fuse_lora, lora_count, save_lora
from woundgen.adapters.lora_forward import run_by_position
from woundgen.config.method_groups import LoraOptions
from woundgen.errors import UserError
from woundgen.models.base import BaseModel
from woundgen.storage.names import ADAPTER_FILE

from ...tiny_base import pipeline_of

SETTINGS = LoraOptions(rank=4, alpha=10.0, dropout=0.0, target_modules=("to_q", "to_k", "to_v", "to_out.0"))


def fill(parameters: dict[str, nn.Parameter]) -> None:
    """Values as after some training: B is no longer zero."""
    source = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in parameters.values():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=source))


def output_of(unet: UNet2DConditionModel) -> Tensor:
    source = torch.Generator().manual_seed(6)
    noisy = torch.randn(3, 4, 8, 8, generator=source)
    text = torch.randn(3, 7, 16, generator=source)
    return unet(noisy, torch.tensor([3, 500, 990]), text).sample


@pytest.fixture
def tuned(fresh_base: BaseModel) -> tuple[UNet2DConditionModel, dict[str, nn.Parameter]]:
    """A UNet with a filled adapter that peft runs, and the adapter's parameters."""
    parameters = add_lora(fresh_base.unet, SETTINGS, seed=1)
    fill(parameters)
    return fresh_base.unet, parameters


@pytest.fixture
def saved(tuned: tuple[UNet2DConditionModel, dict[str, nn.Parameter]], tmp_path: Path) -> Path:
    unet, parameters = tuned
    save_lora(tmp_path, unet, dict(parameters), SETTINGS, {"base": "tiny"})
    return tmp_path


KINDS = {
    "plain": SETTINGS,
    "stabilised": SETTINGS.model_copy(update={"rslora": True, "alpha": 5.0}),  # the scale of the plain one
    "decomposed": SETTINGS.model_copy(update={"dora": True}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_output_and_gradients_equal_pefts(dropout: float, kind: str, make_base: Callable[[], BaseModel]) -> None:
    """peft computes W x + s B (A x) in three products. With dropout, ours is switched off until a step begins."""
    theirs = make_base().unet
    before = output_of(theirs).detach()
    fill(add_lora(theirs, KINDS[kind], seed=1))
    assert (output_of(theirs) - before).abs().max() > 1e-3
    ours = deepcopy(theirs)
    run_by_position(ours, dropout=dropout)
    results = {}
    for name, unet in (("theirs", theirs.train()), ("ours", ours.train())):
        output = output_of(unet)
        output.square().sum().backward()
        gradients = [p.grad for p in unet.parameters() if p.requires_grad]
        assert all(gradient is not None and gradient.abs().max() > 0 for gradient in gradients)
        results[name] = (output.detach(), gradients)
    torch.testing.assert_close(results["ours"][0], results["theirs"][0], rtol=1e-5, atol=1e-5)
    for left, right in zip(results["ours"][1], results["theirs"][1], strict=True):
        assert (left - right).norm() <= 1e-5 * right.norm()


def test_dora_starts_at_the_lengths_of_the_rows(loaded_base: BaseModel, fresh_base: BaseModel) -> None:
    """Liu et al. 2024, equation 5: m starts at the norm of each row of W, so the model starts unchanged."""
    parameters = add_lora(fresh_base.unet, SETTINGS.model_copy(update={"dora": True}), seed=1)
    lengths = {name: p for name, p in parameters.items() if "lora_magnitude_vector" in name}
    assert len(lengths) == len(parameters) / 3
    for name, parameter in lengths.items():
        weight = loaded_base.unet.get_submodule(name.split(".lora_magnitude")[0]).weight
        torch.testing.assert_close(parameter.detach(), weight.norm(dim=1))
    run_by_position(fresh_base.unet, dropout=0.0)
    torch.testing.assert_close(output_of(fresh_base.unet), output_of(loaded_base.unet), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "settings", [SETTINGS, SETTINGS.model_copy(update={"dora": True}), SETTINGS.model_copy(update={"rank": 3})]
)
def test_the_count_is_foretold(settings: LoraOptions, make_base: Callable[[], BaseModel]) -> None:
    expected = lora_count(make_base().unet, settings)
    assert sum(p.numel() for p in add_lora(make_base().unet, settings, seed=1).values()) == expected


def test_a_rank_larger_than_a_layer(fresh_base: BaseModel) -> None:
    with pytest.raises(UserError, match=r"lora_rank = 17 is larger than layer .*, whose full rank is 16"):
        add_lora(fresh_base.unet, SETTINGS.model_copy(update={"rank": 17}), seed=1)


def test_the_adapter_alone_is_trained(loaded_base: BaseModel, fresh_base: BaseModel) -> None:
    """Both matrices of each target layer, and nothing of the base."""
    parameters = add_lora(fresh_base.unet, SETTINGS, seed=1)
    targets = [name for name, _ in loaded_base.unet.named_modules() if name.endswith(SETTINGS.target_modules)]
    assert len(parameters) == 2 * len(targets) > 0
    assert set(parameters) == {name for name, p in fresh_base.unet.named_parameters() if p.requires_grad}
    assert all("lora_" in name for name in parameters)


def test_the_model_starts_unchanged(loaded_base: BaseModel, fresh_base: BaseModel) -> None:
    before = output_of(loaded_base.unet)
    add_lora(fresh_base.unet, SETTINGS, seed=1)
    assert torch.equal(output_of(fresh_base.unet), before)


def test_the_start_is_a_function_of_the_seed(loaded_base: BaseModel) -> None:
    """Whatever the global generator has drawn before; and it is left where it was."""

    def start(seed: int) -> list[Tensor]:
        torch.rand(3)
        state = torch.get_rng_state()
        parameters = add_lora(deepcopy(loaded_base.unet), SETTINGS, seed=seed)
        assert torch.equal(torch.get_rng_state(), state), "global generator used"
        return list(parameters.values())

    one, again, other = start(1), start(1), start(2)
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_unknown_target(fresh_base: BaseModel) -> None:
    with pytest.raises(UserError, match="to_x matches no layer"):
        add_lora(fresh_base.unet, SETTINGS.model_copy(update={"target_modules": ("to_q", "to_x")}), seed=1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metadata", [True, False])
def test_diffusers_applies_the_file_at_the_right_strength(
    kind: str, metadata: bool, make_base: Callable[[], BaseModel], tmp_path: Path
) -> None:
    """Also where the metadata is lost or not known: diffusers then takes alpha = rank, which is what is saved."""
    tuned, base = make_base().unet, make_base()
    parameters = add_lora(tuned, KINDS[kind], seed=1)
    fill(parameters)
    save_lora(tmp_path, tuned, dict(parameters), KINDS[kind], {})
    if not metadata:
        save_file(load_file(tmp_path / ADAPTER_FILE), tmp_path / ADAPTER_FILE)
    pipeline = pipeline_of(base)
    pipeline.load_lora_weights(tmp_path)
    torch.testing.assert_close(output_of(pipeline.unet), output_of(tuned), rtol=1e-5, atol=1e-5)
    assert (output_of(tuned) - output_of(make_base().unet)).abs().max() > 1e-3


def test_the_metadata_holds_what_every_peft_knows(saved: Path) -> None:
    """peft 0.6's LoraConfig has these fields; one that a reader does not know makes diffusers raise TypeError."""
    with safe_open(saved / ADAPTER_FILE, "pt") as file:
        told = json.loads(file.metadata()["lora_adapter_metadata"])
    assert told == {
        "unet.r": 4,
        "unet.lora_alpha": 4,
        "unet.target_modules": ["to_k", "to_out.0", "to_q", "to_v"],
        "unet.rank_pattern": {},
        "unet.alpha_pattern": {},
    }


def test_equal_weights_are_equal_files(
    tuned: tuple[UNet2DConditionModel, dict[str, nn.Parameter]], tmp_path: Path
) -> None:
    """An adapter is named by its digest. (safetensors alone puts its metadata in another order each time.)"""
    contents = set()
    for number in range(8):
        (tmp_path / str(number)).mkdir()
        save_lora(tmp_path / str(number), tuned[0], dict(tuned[1]), SETTINGS, {})
        contents.add((tmp_path / str(number) / ADAPTER_FILE).read_bytes())
    assert len(contents) == 1


def test_saving_other_values_than_the_models_own(
    tuned: tuple[UNet2DConditionModel, dict[str, nn.Parameter]], loaded_base: BaseModel, tmp_path: Path
) -> None:
    """As for EMA: half of the values of B give half of the update of each layer."""
    unet, parameters = tuned
    halved = {name: value * (0.5 if "lora_B" in name else 1.0) for name, value in parameters.items()}
    save_lora(tmp_path, unet, halved, SETTINGS, {})
    fused = deepcopy(loaded_base.unet)
    fuse_lora(fused, [(tmp_path / ADAPTER_FILE, 1.0)])
    weight = "up_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
    full = SETTINGS.alpha / SETTINGS.rank * (_value(parameters, weight, "B") @ _value(parameters, weight, "A"))
    update = fused.get_submodule(weight).weight - loaded_base.unet.get_submodule(weight).weight
    torch.testing.assert_close(update, 0.5 * full, rtol=1e-4, atol=1e-5)


def _value(parameters: dict[str, nn.Parameter], layer: str, which: str) -> Tensor:
    return parameters[f"{layer}.lora_{which}.default.weight"].detach()


@pytest.mark.parametrize("kind", KINDS)
def test_fusing_equals_running(kind: str, make_base: Callable[[], BaseModel], tmp_path: Path) -> None:
    """Also of convolutions, where A's kernel is the layer's and B is 1x1 (peft's Conv2d)."""
    settings = KINDS[kind].model_copy(update={"target_modules": ("to_q", "conv1", "conv_shortcut")})
    tuned, fused = make_base().unet, make_base().unet
    parameters = add_lora(tuned, settings, seed=1)
    fill(parameters)
    assert any(parameter.ndim == 4 and parameter.shape[-1] == 3 for parameter in parameters.values())
    save_lora(tmp_path, tuned, dict(parameters), settings, {})
    fuse_lora(fused, [(tmp_path / ADAPTER_FILE, 1.0)])
    torch.testing.assert_close(output_of(fused), output_of(tuned), rtol=1e-4, atol=1e-4)


def test_strengths_add(saved: Path, loaded_base: BaseModel) -> None:
    once, twice = deepcopy(loaded_base.unet), deepcopy(loaded_base.unet)
    fuse_lora(once, [(saved / ADAPTER_FILE, 0.7)])
    fuse_lora(twice, [(saved / ADAPTER_FILE, 1.0), (saved / ADAPTER_FILE, -0.3)])
    torch.testing.assert_close(output_of(once), output_of(twice), rtol=1e-5, atol=1e-5)


def _garbage(path: Path) -> None:
    path.write_text("not tensors")


def _one_matrix(path: Path) -> None:
    save_file({"unet.conv_in.lora_A.weight": torch.zeros(1, 1)}, path)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_garbage, "is not a safetensors adapter"),
        (Path.unlink, "is not a safetensors adapter"),
        (_one_matrix, "not understood: unet: conv_in"),
    ],
)
def test_files_that_are_no_adapter(
    spoil: Callable[[Path], None], words: str, saved: Path, loaded_base: BaseModel
) -> None:
    spoil(saved / ADAPTER_FILE)
    with pytest.raises(UserError, match=words) as caught:
        fuse_lora(deepcopy(loaded_base.unet), [(saved / ADAPTER_FILE, 1.0)])
    assert ADAPTER_FILE in str(caught.value)


def test_a_layer_of_another_shape(saved: Path, loaded_base: BaseModel) -> None:
    unet = deepcopy(loaded_base.unet)
    unet.get_submodule("up_blocks.1.attentions.0.transformer_blocks.0.attn1").to_q = nn.Linear(3, 3)
    with pytest.raises(UserError, match=r"attn1\.to_q does not fit"):
        fuse_lora(unet, [(saved / ADAPTER_FILE, 1.0)])
