"""Every YAML that is in the repository loads, and the phase configs hold the consultation's values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from woundgen.config.load import load_quality_config, load_train_config
from woundgen.config.quality import QualityConfig
from woundgen.config.train import TrainConfig

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT / "configs", ROOT / "src" / "woundgen" / "presets")
FILES = sorted(path for folder in FOLDERS for path in folder.rglob("*.y*ml"))

# Decision 5 of the consultation, word for word.
APPROVED: dict[str, Any] = {
    "base_model": "stabilityai/stable-diffusion-2-1-base",
    "resolution": 128,
    "training_method": "lora",
    "lora_rank": 16,
    "lora_alpha": 32,
    "lora_dropout": 0.1,
    "lora_target_modules": ("to_q", "to_k", "to_v", "to_out.0"),
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
# Decision 4: the filter and the grades.
APPROVED_QUALITY = {
    "ssim_minimum": 0.70,
    "ssim_excellent": 0.80,
    "lpips_maximum": 0.30,
    "lpips_excellent": 0.20,
    "fid_good": 50,
    "fid_excellent": 30,
    "is_good": 2.0,
    "is_excellent": 3.0,
}


def load(path: Path) -> TrainConfig | QualityConfig:
    return load_quality_config(path) if path.stem.startswith("quality") else load_train_config(path)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_loads(path: Path) -> None:
    load(path)


def test_the_named_files_are_there() -> None:
    names = {path.name for path in FILES}
    assert {"phase_I_config.yaml", "phase_R_config.yaml", "quality_thresholds.yaml", "demo.yaml"} <= names


@pytest.mark.parametrize("phase", ["I", "R"])
def test_phase_configs_are_as_approved(phase: str) -> None:
    config = load_train_config(ROOT / "configs" / f"phase_{phase}_config.yaml")
    held = config.flat() | {"lora_target_modules": config.lora.target_modules}
    assert {key: held[key] for key in APPROVED} == APPROVED
    assert config.photographs.phases == (phase,)
    assert config.global_batch == 32  # "Effective batch = 32" on two GPUs


@pytest.mark.parametrize("phase", ["I", "R"])
def test_every_approved_key_is_written_in_the_file(phase: str) -> None:
    import yaml

    written = yaml.safe_load((ROOT / "configs" / f"phase_{phase}_config.yaml").read_text())
    assert set(APPROVED) <= set(written)


def test_thresholds_are_as_approved() -> None:
    config = load_quality_config(ROOT / "configs" / "quality_thresholds.yaml").model_dump()
    assert {key: config[key] for key in APPROVED_QUALITY} == APPROVED_QUALITY
