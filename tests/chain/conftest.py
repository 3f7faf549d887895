"""A workshop: 24 phantoms, a tiny base and a config, and the words of a command that train on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import yaml

from woundgen.cli import run
from woundgen.copies import scene
from woundgen.copies.keypoints import Keypoints

SETTINGS: Mapping[str, object] = {
    "phases": ["I"],
    "prompts": "short",
    "resolution": 32,
    "max_steps": 12,
    "batch_size_per_gpu": 4,
    "gradient_accumulation": 2,
    "planned_devices": 1,
    "learning_rate": 1e-3,
    "lr_warmup_steps": 1,
    "lora_rank": 4,
    "lora_alpha": 8,
    "mixed_precision": False,  # as YAML reads a bare no
    "gradient_checkpointing": False,  # a third more time; its tests are in unit/
    "augmentation_variations": 2,
    "evaluate_every_n_epochs": 2,
    "save_every_n_epochs": 1,
    "sample_images": 2,
    "metric_images": 0,
    "evaluation_share": 100,  # a grid at every evaluation, though the run is so short
    "inference_steps_during_training": 2,
    "guidance_scale": 1.5,
    "validation_timesteps": 2,
    "probe_steps": 0,  # but where the plan's estimate is tested: as many steps again in every run
}

# What `--set` makes of those for each training method, so that a few steps move something; and what it leaves.
METHODS: Mapping[str, tuple[str, ...]] = {
    "lora": (),
    "full": ("training_method=full", "learning_rate=1e-4"),
    "textual_inversion": ("training_method=textual_inversion", "learning_rate=1e-2"),
}


@dataclass(frozen=True, slots=True)
class Workshop:
    """photographs: of phase I, 48 pixels a side. base: a diffusers folder."""

    photographs: Path
    config: Path
    base: Path

    def train(self, out: Path, *more: str, data: Path | None = None, config: Path | None = None) -> list[str]:
        """The words of `woundgen train`."""
        words = ["train", "--config", str(config or self.config), "--data", str(data or self.photographs)]
        return [*words, "--out", str(out), *more]


@pytest.fixture(scope="session", autouse=True)
def _keypoints_found_once() -> Iterator[None]:
    """Commands look for keypoints in the same few photographs again and again: a function of the pixels alone."""
    detect, known = scene.detect_keypoints, {}

    def look_up(image: npt.NDArray[np.uint8]) -> Keypoints:
        key = (image.shape, image.tobytes())
        if key not in known:
            known[key] = detect(image)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene, "detect_keypoints", look_up)
        yield


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory, base_folders: dict[str, Path]) -> Workshop:
    folder = tmp_path_factory.mktemp("workshop")
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump({**SETTINGS, "base_model": str(base_folders["v_prediction"])}))
    photographs = folder / "photographs"
    assert run(["phantoms", "--count", "24", "--phases", "I", "--size", "48", "--out", str(photographs)]) == 0
    return Workshop(photographs, config, base_folders["v_prediction"])


@pytest.fixture(scope="session")
def trained(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    out = tmp_path_factory.mktemp("runs") / "phase_I"
    assert run(workshop.train(out)) == 0
    return out


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by name."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
