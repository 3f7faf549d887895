"""Settings: all that the consultation names, every problem at once, and what YAML makes of words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from woundgen.config.load import load_quality_config, load_train_config
from woundgen.config.prompts import MEDICAL_NEGATIVE, MEDICAL_PROMPTS, SHORT_PROMPT
from woundgen.config.quality import QualityConfig
from woundgen.config.train import TrainConfig, prompts_for
from woundgen.errors import UserError

ROOT = Path(__file__).parents[3]
CONFIGS = ROOT / "configs"

DECISION_5: dict[str, Any] = {
    "base_model": "stabilityai/stable-diffusion-2-1-base",
    "resolution": 128,
    "training_method": "lora",
    "lora_rank": 16,
    "lora_alpha": 32,
    "lora_dropout": 0.1,
    "lora_target_modules": ["to_q", "to_k", "to_v", "to_out.0"],
    "batch_size_per_gpu": 8,
    "gradient_accumulation": 2,
    "learning_rate": 1e-5,
    "lr_scheduler": "cosine",
    "lr_warmup_steps": 100,
    "max_epochs": 100,
    "early_stopping_patience": 10,
    "inference_steps_during_training": 50,
    "inference_steps_production": 100,
    "guidance_scale": 12.0,
    "train_val_split": 0.85,
    "data_augmentation": True,
    "save_every_n_epochs": 5,
    "keep_last_n_checkpoints": 3,
    "save_best_only": False,
    "mixed_precision": "fp16",
    "gradient_checkpointing": True,
    "use_xformers": True,
}
"""The consultation's Decision 5, copied from the document the user approved."""

DECISION_4 = {
    "ssim_minimum": 0.70,
    "ssim_excellent": 0.80,
    "lpips_maximum": 0.30,
    "lpips_excellent": 0.20,
    "fid_good": 50.0,
    "fid_excellent": 30.0,
    "is_good": 2.0,
    "is_excellent": 3.0,
}


@pytest.mark.parametrize(("key", "value"), DECISION_5.items())
def test_every_key_as_approved(key: str, value: Any) -> None:
    """As a default, in both files, and in them written out rather than left to the default."""
    assert TrainConfig().flat()[key] == value
    for phase in "IR":
        path = CONFIGS / f"phase_{phase}_config.yaml"
        assert key in yaml.safe_load(path.read_text())
        assert load_train_config(path).flat()[key] == value


@pytest.mark.parametrize("phase", ["I", "R"])
def test_a_file_for_each_phase(phase: str) -> None:
    config = load_train_config(CONFIGS / f"phase_{phase}_config.yaml")
    assert config.photographs.phases == (phase,)
    assert config.text.strategy == "medical"
    assert config.global_batch == 32, "8 x 2 on two GPUs, whatever the machine"


def test_the_approved_thresholds() -> None:
    found = load_quality_config(CONFIGS / "quality_thresholds.yaml").model_dump()
    assert {key: found[key] for key in DECISION_4} == DECISION_4
    assert QualityConfig().model_dump() == found, "the file says what the defaults are"


def test_the_demos_preset_is_valid() -> None:
    assert load_train_config(ROOT / "src/woundgen/presets/demo.yaml").model.base == "embedded"


def problem(tmp_path: Path, text: str, overrides: list[str] | None = None) -> str:
    """What is said of a config file with this text: one line that names the file."""
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        load_train_config(path, overrides or [])
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_all_problems_at_once(tmp_path: Path) -> None:
    """Two unknown keys with their neighbours, one value out of range, one of the wrong kind."""
    said = problem(
        tmp_path, "lora_rnak: 8\nlearning_rate: -1\nmax_epochs: many\nlr_warmup: 3\ncompletely_different: 1\n"
    )
    assert "unknown key 'lora_rnak', did you mean 'lora_rank'?" in said
    assert "unknown key 'lr_warmup', did you mean 'lr_warmup_steps'?" in said
    assert "unknown key 'completely_different'" in said
    assert "learning_rate = -1" in said
    assert "max_epochs = 'many'" in said


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("lora_target_modules: []", "lora_target_modules"),
        ("lora_target_modules: to_q", "lora_target_modules"),
        ("phases: []", "phases"),
        ("phases: [X]", "phases.0 = 'X'"),
        ("weight_decay: .inf", "weight_decay"),
        ("learning_rate: .nan", "learning_rate"),
        ("resolution: 100", "multiple of 8"),
        ("train_val_split: 1.0", "train_val_split"),
        ("lr_scheduler: step", "lr_scheduler = 'step'"),
        ("mixed_precision: fp8", "mixed_precision = 'fp8'"),
        ("training_method: dreamboth", "training_method = 'dreamboth'"),
        ("monitor: ssim", "monitor = 'ssim'"),
        ("monitor: fid", "val_loss, fd"),
        ("prompts: custom", "prompts: custom needs prompt"),
        ("prompt: a wound", "set prompts: custom"),
    ],
)
def test_values_that_cannot_work(line: str, names: str, tmp_path: Path) -> None:
    assert names in problem(tmp_path, line)


@pytest.mark.parametrize("text", ["[1, 2]", "just words", "a: [", "\t- x: {", ""])
def test_files_that_hold_no_settings(text: str, tmp_path: Path) -> None:
    problem(tmp_path, text)


def test_places_that_are_no_files(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path, Path(__file__) / "x.yaml"):
        with pytest.raises(UserError, match=str(path)):
            load_train_config(path)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(b"a: \xff\xfe")
    with pytest.raises(UserError, match="is not readable YAML"):
        load_train_config(tmp_path / "config.yaml")


def test_what_yaml_makes_of_words(tmp_path: Path) -> None:
    """YAML 1.1: a bare no is false, off is false, and 1e-5 is text."""
    (tmp_path / "c.yaml").write_text(
        "mixed_precision: no\ndata_augmentation: off\nlearning_rate: 1e-4\nmax_steps: null\nema: yes\n"
    )
    config = load_train_config(tmp_path / "c.yaml")
    assert config.compute.mixed_precision == "no"
    assert config.photographs.augmentation is False
    assert config.optimization.learning_rate == 1e-4
    assert config.optimization.max_steps is None
    assert config.averaging.ema is True


def test_overrides_stand_above_the_file(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("lora_rank: 8\nlearning_rate: 1e-3\n")
    overrides = ["lora_rank=4", "mixed_precision=no", "phases=[I, R]", "prompts=custom", "prompt=a=b: c"]
    with pytest.raises(UserError, match="prompt"):  # "a=b: c" is a mapping to YAML
        load_train_config(tmp_path / "c.yaml", overrides)
    config = load_train_config(tmp_path / "c.yaml", [*overrides[:-1], "prompt='a=b: c'"])
    assert (config.lora.rank, config.optimization.learning_rate, config.compute.mixed_precision) == (4, 1e-3, "no")
    assert config.photographs.phases == ("I", "R")
    assert config.text.prompt == "a=b: c"


@pytest.mark.parametrize("override", ["lora_rank", "=3", "lora_target_modules=[to_q", "prompt='x"])
def test_overrides_that_cannot_be_read(override: str) -> None:
    with pytest.raises(UserError, match="--set"):
        load_train_config(None, [override])


def test_an_unknown_override_names_its_neighbour() -> None:
    with pytest.raises(UserError, match="did you mean 'guidance_scale'"):
        load_train_config(None, ["guidance_scal=2"])


def test_the_approved_prompts() -> None:
    """Decision 3, word for word."""
    config = TrainConfig()
    positive, negative = prompts_for(config, "R")
    assert positive == (
        "Medical photograph of diabetic foot ulcer in remodeling phase, showing wound contraction, "
        "epithelialization, scar tissue, mature healing, clinical documentation, high detail"
    )
    assert negative == (
        "blurry, low quality, healthy skin, cartoon, artificial, watermark, text, smooth texture, unrealistic colors"
    )
    assert prompts_for(config, "I")[0] == (
        "Medical photograph of diabetic foot ulcer in inflammatory phase, showing redness, swelling, "
        "acute inflammation, wound edges, clinical documentation, high detail"
    )


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"prompts": "medical"}, (MEDICAL_PROMPTS["P"], MEDICAL_NEGATIVE)),
        ({"prompts": "short"}, (SHORT_PROMPT, "")),
        ({"prompts": "none"}, ("", "")),
        ({"prompts": "custom", "prompt": "a foot"}, ("a foot", "")),
        ({"prompts": "custom", "prompt": "a foot", "negative_prompt": "hands"}, ("a foot", "hands")),
        ({"negative_prompt": ""}, (MEDICAL_PROMPTS["P"], "")),
    ],
)
def test_prompt_strategies(settings: dict[str, Any], expected: tuple[str, str]) -> None:
    assert prompts_for(TrainConfig(**settings), "P") == expected


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ssim_excellent: 0.6", "ssim_excellent is below ssim_minimum"),
        ("lpips_excellent: 0.4", "lpips_excellent is above lpips_maximum"),
        ("fid_excellent: 60", "fid_excellent is above fid_good"),
        ("is_excellent: 1", "is_excellent is below is_good"),
        ("policy: strict", "policy = 'strict'"),
        ("agregation: max", "did you mean 'aggregation'"),
    ],
)
def test_thresholds_that_cannot_work(text: str, names: str, tmp_path: Path) -> None:
    (tmp_path / "q.yaml").write_text(text)
    with pytest.raises(UserError) as caught:
        load_quality_config(tmp_path / "q.yaml")
    assert names in str(caught.value)


def test_a_config_does_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        TrainConfig().lora.rank = 3


def test_the_token_in_the_prompt() -> None:
    """Where a method is bound to a word, or one is given; a prompt of the user's own has to hold it."""
    assert prompts_for(TrainConfig(prompts="short", instance_token="zyx"), "I")[0] == "photograph of a zyx wound"
    assert prompts_for(TrainConfig(prompts="short"), "I")[0] == SHORT_PROMPT
    dreambooth = TrainConfig(training_method="dreambooth")
    assert prompts_for(dreambooth, "I")[0] == MEDICAL_PROMPTS["I"].replace("diabetic foot", "sks diabetic foot")
    word = TrainConfig(training_method="textual_inversion", prompts="short", phases=("R",))
    assert prompts_for(word, "R")[0] == "photograph of a <wound-R> wound"
    own = TrainConfig(training_method="dreambooth", prompts="custom", prompt="a sks foot")
    assert prompts_for(own, "I")[0] == "a sks foot"


def test_a_prompt_for_each_phase() -> None:
    config = TrainConfig(prompts="custom", prompt={"I": "red", "R": "pale"}, phases=("I", "R"))
    assert [prompts_for(config, phase)[0] for phase in config.photographs.phases] == ["red", "pale"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["prompts=custom", "prompt={I: red}", "phases=[I, R]"], "prompt: phase R has none"),
        (["training_method=dreambooth", "prompts=none"], "bound to a word, and prompts: none has none"),
        (["training_method=textual_inversion", "prompts=custom", "prompt=a foot"], "lacks the token '<wound-I>'"),
        (["training_method=full", "lora_dora=true"], "lora_dora is of training_method: lora, and full is asked for"),
        (["lora_alpha=0"], "lora_alpha = 0"),
        (["resolution=130"], "resolution = 130"),
    ],
)
def test_methods_and_prompts_that_do_not_agree(settings: list[str], words: str) -> None:
    with pytest.raises(UserError) as caught:
        load_train_config(None, settings)
    assert words in str(caught.value)
