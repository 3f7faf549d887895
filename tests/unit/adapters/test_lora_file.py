"""LoRA files of other programs: fused by us as diffusers fuses them, and never left out without a word."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from diffusers.utils.state_dict_utils import convert_state_dict_to_diffusers, convert_state_dict_to_kohya
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from woundgen.adapters.kinds import base_by_shape, kind_of
from woundgen.adapters.lora import TEXT_TARGETS, add_lora, fuse_lora, module_aliases, save_lora
from woundgen.adapters.lora_file import read_lora
from woundgen.adapters.lora_metadata import scale_from_metadata
from woundgen.adapters.lora_names import ldm_name
from woundgen.adapters.saved import apply_trained, find_adapter
from woundgen.config.method_groups import LoraOptions
from woundgen.errors import UserError
from woundgen.models.base import BaseModel, load_base
from woundgen.models.learned_tokens import load_embedding
from woundgen.storage.names import ADAPTER_FILE

from ...tiny_base import pipeline_of

SETTINGS = LoraOptions(rank=4, alpha=4.0, dropout=0.0, target_modules=("to_q", "to_k", "to_v", "to_out.0"))
State = dict[str, Tensor]


def fresh(base_folders: dict[str, Path]) -> BaseModel:
    return load_base(str(base_folders["v_prediction"]))


@pytest.fixture(scope="module")
def state(base_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> State:
    """An adapter of UNet and text encoder as peft names it, of random values, alpha = rank."""
    base, folder = fresh(base_folders), tmp_path_factory.mktemp("adapter")
    parameters = dict(add_lora(base.unet, SETTINGS, seed=1))
    own = add_lora(base.text_encoder, LoraOptions(rank=4, alpha=4.0, dropout=0.0, target_modules=TEXT_TARGETS), seed=2)
    parameters |= {f"text_encoder.{name}": value for name, value in own.items()}
    source = torch.Generator().manual_seed(3)
    values = {name: 0.2 * torch.randn(value.shape, generator=source) for name, value in parameters.items()}
    save_lora(folder, base.unet, values, SETTINGS, {}, text_encoders={"text_encoder": base.text_encoder})
    return load_file(folder / ADAPTER_FILE)


def as_peft(state: State) -> State:
    return dict(state)


def as_training_script(state: State) -> State:
    """train_text_to_image_lora.py: convert_state_dict_to_diffusers before saving."""
    return convert_state_dict_to_diffusers(dict(state))


def as_attention_processors(state: State) -> State:
    """save_attn_procs of diffusers before peft: `attn1.processor.to_q_lora.down.weight`."""
    found = {}
    for key, value in state.items():
        for layer, old in (("to_q", "to_q"), ("to_k", "to_k"), ("to_v", "to_v"), ("to_out.0", "to_out")):
            key = key.replace(f".{layer}.lora_A", f".processor.{old}_lora.down")
            key = key.replace(f".{layer}.lora_B", f".processor.{old}_lora.up")
        key = key.replace("lora_A", "lora_linear_layer.down").replace("lora_B", "lora_linear_layer.up")
        found[key] = value
    return found


def as_kohya_without_alpha(state: State) -> State:
    return {key: value for key, value in convert_state_dict_to_kohya(dict(state)).items() if "alpha" not in key}


def as_kohya(state: State) -> State:
    return convert_state_dict_to_kohya(dict(state))


def as_transformers_5(state: State) -> State:
    return {key.replace("text_encoder.text_model.", "text_encoder."): value for key, value in state.items()}


LAYOUTS = (as_peft, as_training_script, as_attention_processors, as_kohya_without_alpha, as_kohya, as_transformers_5)


def weights_of(module: nn.Module) -> State:
    return {name.replace(".base_layer", ""): value for name, value in module.state_dict().items() if "lora" not in name}


@pytest.fixture(scope="module")
def reference(state: State, base_folders: dict[str, Path]) -> tuple[State, State]:
    """UNet's and text encoder's weights after diffusers' own load_lora_weights and fuse_lora."""
    base = fresh(base_folders)
    pipeline = pipeline_of(base)
    pipeline.load_lora_weights(dict(state))
    pipeline.fuse_lora(components=["unet", "text_encoder"])
    return weights_of(pipeline.unet), weights_of(pipeline.text_encoder)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_fused_as_diffusers_fuses_it(
    layout: Callable[[State], State],
    state: State,
    reference: tuple[State, State],
    base_folders: dict[str, Path],
    tmp_path: Path,
) -> None:
    file = tmp_path / "theirs.safetensors"
    save_file({key: value.contiguous() for key, value in layout(state).items()}, file)
    before, base = fresh(base_folders), fresh(base_folders)
    apply_trained(base, [(file, 1.0)])
    for module, untouched, expected in (
        (base.unet, before.unet, reference[0]),
        (base.text_encoder, before.text_encoder, reference[1]),
    ):
        own, old = weights_of(module), weights_of(untouched)
        changed = [name for name in expected if not torch.equal(expected[name], old[name])]
        assert len(changed) > 3
        for name in expected:
            torch.testing.assert_close(own[name], expected[name], rtol=1e-5, atol=1e-6)


def test_kohyas_alpha_scales(state: State, base_folders: dict[str, Path], tmp_path: Path) -> None:
    """sd-scripts, networks/lora.py: scale = alpha / rank; 1 of rank 4 is a quarter."""
    whole, quarter = as_kohya(state), {}
    for key, value in whole.items():
        quarter[key] = torch.tensor(1.0) if key.endswith(".alpha") else value
    changes = []
    for number, tensors in enumerate((whole, quarter)):
        file = tmp_path / f"{number}.safetensors"
        save_file({key: value.contiguous() for key, value in tensors.items()}, file)
        base = fresh(base_folders)
        before = weights_of(fresh(base_folders).unet)
        apply_trained(base, [(file, 1.0)])
        changes.append({name: value - before[name] for name, value in weights_of(base.unet).items()})
    for name, change in changes[0].items():
        torch.testing.assert_close(0.25 * change, changes[1][name], rtol=1e-4, atol=1e-6)


def test_stabilitys_names_are_those_of_diffusers_converter(sdxl_folder: Path) -> None:
    """Held against diffusers' _maybe_map_sgm_blocks_to_diffusers and _convert_unet_lora_key, the other way round."""
    from diffusers.loaders.lora_conversion_utils import _maybe_map_sgm_blocks_to_diffusers

    unet = load_base(str(sdxl_folder)).unet
    aliases = module_aliases(unet, part="unet")
    blocks = ("down_blocks", "mid_block", "up_blocks")
    seen = 0
    for alias, name in aliases.items():
        if not alias.startswith(("input_blocks", "middle_block", "output_blocks")) or not name.startswith(blocks):
            continue
        if "resnets" in name or "samplers" in name:
            continue  # renamed further inside; their blocks and numbers are those of the attention beside them
        (mapped,) = _maybe_map_sgm_blocks_to_diffusers({f"lora_unet_{alias}.alpha": torch.zeros(1)}, unet.config)
        expected = name.replace("down_blocks", "input_blocks").replace("up_blocks", "output_blocks")
        assert mapped == f"lora_unet_{expected.replace('mid_block', 'middle_block').replace('.', '_')}.alpha"
        seen += 1
    assert seen > 10


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("conv_in", "input_blocks.0.0"),
        ("down_blocks.1.resnets.1.conv1", "input_blocks.5.0.in_layers.2"),
        ("down_blocks.0.downsamplers.0.conv", "input_blocks.3.0.op"),
        ("mid_block.resnets.1.conv2", "middle_block.2.out_layers.3"),
        ("up_blocks.0.upsamplers.0.conv", "output_blocks.2.2.conv"),
        ("up_blocks.1.resnets.2.conv_shortcut", "output_blocks.5.0.skip_connection"),
        ("time_embedding.linear_2", "time_embed.2"),
    ],
)
def test_stabilitys_names_of_sdxl(name: str, other: str) -> None:
    """As keys of sd_xl_base_1.0.safetensors have them (two layers a block, attention in the first two up blocks)."""
    assert ldm_name(name, layers_per_block=2, attention_in=lambda side, block: block < 2) == other


def write(path: Path, state: State, metadata: dict[str, object] | None = None) -> Path:
    said = {} if metadata is None else {"lora_adapter_metadata": json.dumps(metadata)}
    save_file({key: value.contiguous() for key, value in state.items()}, path, metadata=said)
    return path


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"lora_unet_mid_block.hada_w1_a": torch.ones(2, 2)}, "hada_w1_a"),
        ({"unet.mid_block.unheard.weight": torch.ones(2, 2)}, "unheard"),
        ({"lora_unet_nowhere.lora_down.weight": torch.ones(2, 2)}, "nowhere"),
    ],
)
def test_what_is_not_understood_is_named(
    tensors: State, words: str, state: State, base_folders: dict[str, Path], tmp_path: Path
) -> None:
    for part in ({}, state):  # alone, and among many that are understood
        file = write(tmp_path / "theirs.safetensors", {**part, **tensors})
        with pytest.raises(UserError, match=words):
            apply_trained(fresh(base_folders), [(file, 1.0)])


def test_layers_that_the_base_does_not_have(state: State, base_folders: dict[str, Path], tmp_path: Path) -> None:
    moved = {key.replace("text_encoder.", "text_encoder_2."): value for key, value in state.items()}
    with pytest.raises(UserError, match=r"text_encoder_2, which base .* does not have"):
        apply_trained(fresh(base_folders), [(write(tmp_path / "xl.safetensors", moved), 1.0)])
    gone = {key.replace("mid_block", "mid_block.wing"): value for key, value in state.items()}
    with pytest.raises(UserError, match=r"layer mid_block\.wing.* does not fit this base model"):
        fuse_lora(fresh(base_folders).unet, [(write(tmp_path / "other.safetensors", gone), 1.0)])


@pytest.mark.parametrize("field", ["use_qalora", "kasa_config", "alora_invocation_tokens", "fan_in_fan_out"])
def test_metadata_that_changes_an_adapter_is_refused_by_name(state: State, field: str, tmp_path: Path) -> None:
    file = write(tmp_path / "theirs.safetensors", state, {"unet.r": 4, "unet.lora_alpha": 4, f"unet.{field}": [1]})
    with pytest.raises(UserError, match=field):
        read_lora(file)


def test_patterns_and_rslora_of_the_metadata(state: State, tmp_path: Path) -> None:
    """peft: alpha_pattern by a name's end; rsLoRA divides by the root of the rank (Kalajdzievski 2023)."""
    told = {"unet.r": 4, "unet.lora_alpha": 8, "unet.alpha_pattern": {"attn1.to_q": 2}, "unet.use_rslora": True}
    layers = read_lora(write(tmp_path / "theirs.safetensors", state, told))
    scales = {layer.scale for layer in layers if layer.part == "unet" and layer.name.endswith("attn1.to_q")}
    others = {layer.scale for layer in layers if layer.part == "unet" and layer.name.endswith("attn1.to_k")}
    assert (scales, others) == ({1.0}, {4.0})


def test_a_pickle_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "old.pt").write_bytes(b"\x80\x04")
    with pytest.raises(UserError, match=r"is a pickle, which can run code"):
        find_adapter(tmp_path / "old.pt", weights="auto")


def test_a_foreign_file_says_its_base_by_its_shape(state: State, tmp_path: Path) -> None:
    wide = {"lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": torch.ones(4, 768)}
    wide["lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_up.weight"] = torch.ones(8, 4)
    found = find_adapter(write(tmp_path / "theirs.safetensors", wide), weights="auto")
    assert (found.base, found.base_digest, found.prompt, found.kind) == ("sd15", None, None, "lora")
    assert base_by_shape({key: tuple(value.shape) for key, value in state.items()}) is None  # 16: of no known base


def test_a1111s_embedding_is_called_by_its_file(base_folders: dict[str, Path], tmp_path: Path) -> None:
    base = fresh(base_folders)
    width = base.text_encoder.config.hidden_size
    file = write(tmp_path / "granulation.safetensors", {"emb_params": torch.ones(2, width)})
    assert kind_of({"emb_params": (2, width)}) == "embedding"
    load_embedding(base.tokenizer, base.text_encoder, file)
    assert {"granulation", "granulation_1"} <= set(base.tokenizer.added_tokens_encoder)
    rows = base.text_encoder.get_input_embeddings()(torch.tensor(base.tokenizer.convert_tokens_to_ids(["granulation"])))
    assert torch.equal(rows, torch.ones(1, width))


def test_an_embedding_for_sdxl_is_refused(base_folders: dict[str, Path], tmp_path: Path) -> None:
    base = fresh(base_folders)
    file = write(tmp_path / "xl.safetensors", {"clip_l": torch.ones(1, 16), "clip_g": torch.ones(1, 16)})
    with pytest.raises(UserError, match="two text encoders"):
        load_embedding(base.tokenizer, base.text_encoder, file)


def test_fusing_twice_the_same_part_changes_nothing_else(
    state: State, base_folders: dict[str, Path], tmp_path: Path
) -> None:
    """fuse_lora of one part leaves the file's other parts to their own calls."""
    file = write(tmp_path / "theirs.safetensors", state)
    base = fresh(base_folders)
    before = deepcopy(weights_of(base.text_encoder))
    fuse_lora(base.unet, [(file, 1.0)])
    assert all(torch.equal(value, before[name]) for name, value in weights_of(base.text_encoder).items())


def test_a_config_that_peft_wrote_whole_is_read_and_what_it_changes_is_refused() -> None:
    """Version 0.1.0 saved every field of LoraConfig; one at its default changes nothing."""
    whole = {f"unet.{key}": value for key, value in LoraConfig(r=4, lora_alpha=8).to_dict().items()}
    assert scale_from_metadata(Path("file"), whole, part="unet", name="layer", rank=4) == 2.0
    with pytest.raises(UserError, match="use_qalora"):
        scale_from_metadata(Path("file"), whole | {"unet.use_qalora": True}, part="unet", name="layer", rank=4)
