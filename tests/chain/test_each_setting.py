"""Each setting of training acts: a run at another value leaves other files than one in which the value was ignored.

The walk is over the model of the settings, so that a new key without a case fails here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from woundgen.cli import run
from woundgen.config.load import load_train_config
from woundgen.config.names import setting_names
from woundgen.config.train import TrainConfig
from woundgen.errors import UserError
from woundgen.models.base import load_base
from woundgen.runtime.console import silent_console
from woundgen.storage.files import read_json
from woundgen.workflows.train import job, model
from woundgen.workflows.train.job import train_adapter
from woundgen.workflows.train.request import TrainOptions, TrainRequest, make_request
from woundgen.workflows.train.session import TrainingJob

from .conftest import SETTINGS

PLAIN: dict[str, Any] = {"max_steps": 3}
LONGER = {"max_steps": 6, "evaluate_every_n_epochs": 1}
STEADY = LONGER | {"learning_rate": 1e-9}
DREAMBOOTH = {"training_method": "dreambooth", "learning_rate": 1e-4, "class_images": 2}
TOKEN = {"training_method": "textual_inversion", "learning_rate": 1e-2}
TERM = {"perceptual_weight": 0.1, "perceptual_share": 1.0, "perceptual_network": "embedded", "estimate_min_snr": 1e-3}
ADVERSARIAL = {"adversarial_weight": 0.1, "estimate_min_snr": 1e-3}
METRICS = {"metric_images": 16}
FOLDS = {"folds": 3, "fold": 1}
TWO_PHASES = {"phases": ["I", "R"], "prompts": "medical"}

# Those that are tried with the normal suite, too: of each group of settings, what users change most.
ALWAYS = {
    "base_model", "training_method", "lora_rank", "learning_rate", "max_steps", "optimizer", "data_augmentation",
    "prompts",
}  # fmt: skip

# Flat name -> (settings in both runs, the value that has to act). Paths are filled in by `case_of`.
CASES: dict[str, tuple[Mapping[str, Any], Any]] = {
    "base_model": ({}, "OTHER_BASE"),
    "training_method": ({}, "full"),
    "resolution": ({}, 64),
    "train_resolution": ({}, 64),
    "lora_rank": ({}, 2),
    "lora_alpha": ({}, 3),
    "lora_dropout": ({}, 0.5),
    "lora_target_modules": ({}, ["to_q"]),
    "lora_rslora": ({}, True),
    "lora_dora": ({}, True),
    "lora_text_encoder": ({}, True),
    "instance_token": (DREAMBOOTH, "zwx"),
    "token_vectors": (TOKEN, 2),
    "token_initializer": (TOKEN, "photograph"),
    "prior_weight": (DREAMBOOTH, 0.5),
    "class_prompt": (DREAMBOOTH, "a foot"),
    "class_images": (DREAMBOOTH, 3),
    "batch_size_per_gpu": ({}, 2),
    "gradient_accumulation": ({}, 1),
    "planned_devices": ({}, 2),
    "optimizer": ({}, "adamw-8bit"),
    "learning_rate": ({}, 2e-3),
    "lr_scheduler": ({}, "constant"),
    "lr_warmup_steps": ({}, 3),
    "max_epochs": ({"max_steps": None, "max_epochs": 1}, 2),
    "max_steps": ({}, 2),
    "weight_decay": ({}, 0.5),
    "max_gradient_norm": ({}, 1e-3),
    "prompt_dropout": ({}, 0.9),
    "min_snr_gamma": ({}, 1.0),
    "noise_offset": ({}, 0.3),
    "zero_terminal_snr": ({}, True),
    "region_weight": ({}, 5.0),
    "region_masks": ({"region_weight": 5.0}, "MASKS"),
    "estimate_min_snr": (TERM, 100.0),
    "perceptual_weight": (TERM, 0.2),
    "perceptual_share": (TERM, 0.5),
    "perceptual_network": (TERM, "lpips-vgg"),
    "adversarial_weight": (ADVERSARIAL, 0.2),
    "adversarial_share": (ADVERSARIAL, 0.5),
    "discriminator_rate": (ADVERSARIAL, 1e-2),
    "discriminator_r1": (ADVERSARIAL, 5.0),
    "ema": ({}, False),
    "ema_decay": ({}, 0.05),
    "ema_warmup": ({}, False),
    "post_hoc_ema": ({}, False),
    "save_every_n_epochs": ({}, 2),
    "save_every_minutes": ({}, 1e-5),
    "keep_last_n_checkpoints": ({"save_every_minutes": None}, 1),
    "save_best_only": ({}, True),
    "evaluate_every_n_epochs": (LONGER, 2),
    "validation_timesteps": ({}, 3),
    "sample_images": ({}, 3),
    "metric_images": ({}, 16),
    "inference_steps_during_training": ({}, 3),
    "features": (METRICS, ["embedded", "inception"]),
    "evaluation_share": (LONGER, 0.01),
    "monitor": (METRICS, "kid"),
    "early_stopping_patience": (STEADY, 1),
    "early_stopping_metric": (STEADY | METRICS, "kid"),
    "inference_steps_production": ({}, 7),
    "guidance_scale": ({}, 3.0),
    "phases": ({"prompts": "medical"}, ["I", "R"]),
    "box_margin": ({}, 1.0),
    "train_val_split": ({}, 0.7),
    "folds": (FOLDS, 4),
    "fold": (FOLDS, 2),
    "data_augmentation": ({}, False),
    "augmentation_variations": ({}, 3),
    "balance_phases": (TWO_PHASES, False),
    "prompts": ({}, "none"),
    "prompt": ({"prompts": "custom", "prompt": "a wound"}, "a foot"),
    "negative_prompt": ({}, "green"),
    "device": ({}, "cuda"),
    "mixed_precision": ({}, "bf16"),
    "probe_steps": ({}, 1),
    "seed": ({}, 5),
}
# What leaves no other files on a machine without a GPU; the tests of these names are below.
WITHOUT_FILES = {"data", "gradient_checkpointing", "use_xformers", "compile", "cuda_graphs", "tracker", "deterministic"}


@dataclass(frozen=True, slots=True)
class Room:
    """photographs: 24 phantoms of each of two phases. base: tiny; other_base: of another prediction type."""

    photographs: Path
    base: Path
    other_base: Path
    masks: Path
    runs: dict[str, str]  # effects by settings, so that what several cases start from is run once


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory, base_folders: dict[str, Path]) -> Room:
    folder = tmp_path_factory.mktemp("each_setting")
    photographs, masks = folder / "photographs", folder / "masks"
    assert run(["phantoms", "--count", "48", "--phases", "IR", "--size", "48", "--out", str(photographs)]) == 0
    half = np.zeros((48, 48), np.uint8)
    half[:, 24:] = 255
    for path in photographs.rglob("*.png"):
        target = masks / path.relative_to(photographs)
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(half).save(target)
    return Room(photographs, base_folders["v_prediction"], base_folders["epsilon"], masks, {})


def effects(room: Room, settings: Mapping[str, Any], out: Path) -> str:
    """Digest of what a run leaves, without the copies of its settings; of its error where it is refused."""
    known = json.dumps(settings, sort_keys=True)
    if known not in room.runs:
        request = TrainRequest(
            TrainConfig.model_validate(settings), room.photographs, out, TrainOptions(command=("test",))
        )
        try:
            train_adapter(TrainingJob(request, silent_console()))
            left = _files(out)
        except UserError as error:
            left = {"refused": str(error).replace(str(out), "")}
        room.runs[known] = hashlib.sha256(json.dumps(left, sort_keys=True).encode()).hexdigest()
    return room.runs[known]


def _files(out: Path) -> dict[str, str]:
    left: dict[str, str] = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        name = path.relative_to(out).as_posix()
        if path.name == "state.json":
            kept = {k: v for k, v in read_json(path).items() if k not in ("config", "identity")}
            content = json.dumps(kept, sort_keys=True).encode()
        elif path.name == "woundgen_adapter.json":
            content = json.dumps({key: read_json(path)[key] for key in ("steps", "updates")}).encode()
        elif path.suffix == ".safetensors":
            content = b"".join(tensor.numpy().tobytes() for _, tensor in sorted(load_file(path).items()))
        elif name == "run.json":
            content = json.dumps(read_json(path)["estimate"] is None).encode()
        elif name.startswith(("checkpoints", "samples", "train.jsonl", "eval.jsonl")) and path.name != "manifest.json":
            content = path.read_bytes()
        else:
            continue
        left[name] = hashlib.sha256(content).hexdigest()
    return left


def case_of(key: str, room: Room) -> tuple[dict[str, Any], Any]:
    """Settings of the run in which the value is ignored, and the value."""
    context, value = CASES[key]
    places = {"OTHER_BASE": str(room.other_base), "MASKS": str(room.masks)}
    ignored = {**SETTINGS, "base_model": str(room.base), **PLAIN, **context}
    return ignored, places.get(value, value) if isinstance(value, str) else value


def test_every_setting_has_a_case() -> None:
    assert set(CASES) >= ALWAYS
    assert set(CASES) | WITHOUT_FILES == set(setting_names(TrainConfig))
    assert not set(CASES) & WITHOUT_FILES


def in_turn() -> list[Any]:
    """All keys, those with the same other settings after one another; most of them slow: each is two trainings."""
    keys = sorted(CASES, key=lambda key: str(CASES[key][0]))
    return [pytest.param(key, id=key, marks=() if key in ALWAYS else pytest.mark.slow) for key in keys]


@pytest.mark.parametrize("key", in_turn())
def test_an_ignored_value_would_be_noticed(key: str, room: Room, tmp_path: Path) -> None:
    if key == "device" and torch.cuda.is_available():
        pytest.skip("auto is cuda here")
    ignored, value = case_of(key, room)
    assert ignored.get(key) != value
    without = effects(room, ignored, tmp_path / "ignored")
    assert effects(room, ignored | {key: value}, tmp_path / "acting") != without


def test_equal_settings_have_equal_effects(room: Room, tmp_path: Path) -> None:
    """Else every value would seem to act."""
    ignored, _ = case_of("seed", room)
    first = effects(room, ignored, tmp_path / "first")
    room.runs.clear()
    assert effects(room, ignored, tmp_path / "second") == first


def test_data(room: Room) -> None:
    request = make_request(
        load_train_config(None, [f"data={room.photographs}"]), data=None, out=None, options=TrainOptions()
    )
    assert request.data == room.photographs


def test_tracker(room: Room, tmp_path: Path) -> None:
    """TensorBoard's folder is there or not; a tracker that is not installed is refused before anything is written."""
    ignored = {**SETTINGS, "base_model": str(room.base), "max_steps": 1, "sample_images": 0}
    for value in ([], ["tensorboard"]):
        out = tmp_path / str(len(value))
        config = TrainConfig.model_validate(ignored | {"tracker": value})
        request = TrainRequest(config, room.photographs, out, TrainOptions(command=("test",)))
        train_adapter(TrainingJob(request, silent_console()))
        assert (out / "tensorboard").exists() is bool(value)
    config = TrainConfig.model_validate(ignored | {"tracker": ["wandb"]})
    request = TrainRequest(config, room.photographs, tmp_path / "no", TrainOptions(command=("test",)))
    with pytest.raises(UserError, match=r"wandb is not installed.*woundgen\[wandb\]"):
        train_adapter(TrainingJob(request, silent_console()))
    assert not (tmp_path / "no").exists()


def test_gradient_checkpointing(room: Room) -> None:
    for value in (False, True):
        base = load_base(str(room.base))
        config = TrainConfig.model_validate({"gradient_checkpointing": value, "lora_rank": 2})
        model.prepare_model(base, config, torch.device("cpu"), "fp32")
        assert base.unet.is_gradient_checkpointing is value


def test_compile_and_cuda_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which callable the loop is given; a card is not needed to choose it."""
    monkeypatch.setattr(torch, "compile", lambda unet: "compiled")
    monkeypatch.setattr(model, "ReplayedUNet", lambda unet, trainable: "replayed")
    base: Any = SimpleNamespace(unet="plain")
    trainable: Any = None
    for settings, expected in (({}, "replayed"), ({"cuda_graphs": False}, "plain"), ({"compile": True}, "compiled")):
        config = TrainConfig.model_validate(settings)
        unet: Any = model.unet_for_training(base, config, trainable, torch.device("cuda"), faults=[])
        assert getattr(unet, "fast", unet) == expected  # what is fast is checked against the plain one first


@pytest.mark.slow
def test_use_xformers(room: Room, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "--data", str(room.photographs), "--out", str(tmp_path / "run"), "--dry-run"]
    settings = {**SETTINGS, "base_model": str(room.base), "mixed_precision": "no", "phases": "[I]"}
    for value in (False, True):
        more = [
            word for key, item in (settings | {"use_xformers": value}).items() for word in ("--set", f"{key}={item}")
        ]
        assert run([*words, *more]) == 0
        plan = capsys.readouterr().out
        assert ("use_xformers" in plan) is value
        assert "GiB foreseen for a step in fp32" in plan


class Prepared(Exception):
    """The session would be made now."""


@pytest.mark.parametrize("key", ["deterministic", "compute.deterministic"])
@pytest.mark.parametrize("start", [job.train_adapter, job.plan_run])
def test_deterministic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: Any, key: str) -> None:
    """By its flat and its dotted name; the switches themselves: tests/unit/runtime/test_determinism.py."""
    switched: list[bool] = []

    def prepare(*given: object) -> None:
        switched.append(torch.are_deterministic_algorithms_enabled())
        raise Prepared

    monkeypatch.setattr(job, "prepare", prepare)
    for value in (False, True):
        request = TrainRequest(load_train_config(None, [f"{key}={value}"]), tmp_path, tmp_path / "run")
        with pytest.raises(Prepared):
            start(TrainingJob(request, silent_console()))
    assert switched == [False, True]
    assert not torch.are_deterministic_algorithms_enabled()
