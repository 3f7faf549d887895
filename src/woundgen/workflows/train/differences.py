"""Digest all that decides the trajectory of a run, and list what has changed since the run was begun."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from woundgen.config.train import TrainConfig
from woundgen.models.base import BaseModel
from woundgen.storage.files import sha256_json
from woundgen.workflows.train.dataset import Dataset

# Settings that may differ between a run and its continuation: they do not alter the trajectory.
FREE_TO_CHANGE = frozenset(
    {
        "data", "device", "cuda_graphs", "use_xformers", "inference_steps_production", "guidance_scale",
        "deterministic", "keep_last_n_checkpoints", "negative_prompt", "save_every_minutes", "probe_steps", "tracker",
    }
)  # fmt: skip
# Settings that decide the shape of what is trained: a checkpoint with others cannot be resumed.
SHAPES = frozenset(
    {
        "base_model", "training_method", "lora_rank", "lora_target_modules", "lora_rslora", "lora_dora",
        "lora_text_encoder", "instance_token", "token_vectors",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChangedSetting:
    """One setting or input that is not as when the run was begun."""

    key: str
    before: str
    now: str

    def __str__(self) -> str:
        return f"{self.key} was {self.before}, now {self.now}"


def run_identity(config: TrainConfig, dataset: Dataset, base: BaseModel) -> str:
    """Return the digest of all that decides the trajectory: settings, photographs, base, and masks from files."""
    settings = {key: value for key, value in config.flat().items() if key not in FREE_TO_CHANGE}
    masks = {} if dataset.masks_digest is None else {"masks": dataset.masks_digest}
    return sha256_json({"config": settings, "data": dataset.photos.digest, "base": base.digest} | masks)


def find_differences(
    record: dict[str, Any], config: TrainConfig, dataset: Dataset, base: BaseModel
) -> list[ChangedSetting]:
    """List the settings, then the inputs, that decide the trajectory and differ from run.json."""
    old, new = record["config"], config.flat()
    changed = [
        ChangedSetting(key, repr(old.get(key)), repr(new[key]))
        for key in new
        if key not in FREE_TO_CHANGE and old.get(key) != new[key]
    ]
    digests = {
        "the photographs": (record["data"]["digest"], dataset.photos.digest),
        "the wound masks": (record["data"].get("masks") or "none", dataset.masks_digest or "none"),
        "the base model": (record["base"]["digest"], base.digest),
    }
    return changed + [
        ChangedSetting(key, f"digest {before[:12]}", f"digest {now[:12]}")
        for key, (before, now) in digests.items()
        if before != now
    ]


def list_differences(differences: Sequence[ChangedSetting]) -> str:
    """Return one indented line for each difference."""
    return "\n".join(f"  {difference}" for difference in differences)
