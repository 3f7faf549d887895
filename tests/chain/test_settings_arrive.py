"""From the config to the loop: every setting of training at an unusual value, and what the loop is given."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from woundgen.config.load import load_train_config
from woundgen.config.optimization_groups import AveragingOptions, LossOptions
from woundgen.runtime.console import silent_console
from woundgen.training.loop_state import LoopSettings
from woundgen.workflows.train import job as workflow
from woundgen.workflows.train import steps
from woundgen.workflows.train.request import TrainOptions, TrainRequest
from woundgen.workflows.train.session import TrainingJob

from .conftest import Workshop

UNUSUAL = {
    "seed": 5, "max_steps": 7, "batch_size_per_gpu": 3, "gradient_accumulation": 2, "learning_rate": 3e-3,
    "lr_scheduler": "linear", "lr_warmup_steps": 2, "weight_decay": 0.07, "max_gradient_norm": 0.4,
    "prompt_dropout": 0.3, "min_snr_gamma": 3, "noise_offset": 0.02, "ema_decay": 0.9, "ema_warmup": "false",
    "post_hoc_ema": "true", "lora_rank": 2, "lora_alpha": 6, "lora_dropout": 0.25, "lora_target_modules": "[to_q]",
    "augmentation_variations": 3, "region_weight": 4, "mixed_precision": "bf16",
    "perceptual_weight": 0.2, "perceptual_share": 0.5, "perceptual_network": "embedded", "estimate_min_snr": 2,
    "adversarial_weight": 0.03, "adversarial_share": 0.25, "discriminator_rate": 2e-3, "discriminator_r1": 0.6,
    "gradient_checkpointing": "true", "probe_steps": 0, "sample_images": 0,
}  # fmt: skip


class Reached(Exception):
    """The loop was called."""


@pytest.fixture
def given(workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the loop would be called with."""
    found: dict[str, Any] = {}

    def loop(**named: Any) -> None:
        found.update(named)
        raise Reached

    monkeypatch.setattr(steps, "train", loop)
    config = load_train_config(workshop.config, [f"{key}={value}" for key, value in UNUSUAL.items()])
    request = TrainRequest(config, workshop.photographs, tmp_path / "run", TrainOptions(command=("test",)))
    with pytest.raises(Reached):
        workflow.train_adapter(TrainingJob(request, silent_console()))
    return found


def test_every_setting_arrives(given: dict[str, Any]) -> None:
    assert given["settings"] == LoopSettings(
        seed=5, steps=7, global_batch=6, micro_batch=3, max_gradient_norm=0.4, precision="bf16",
        loss=LossOptions(
            prompt_dropout=0.3, min_snr_gamma=3.0, noise_offset=0.02, region_weight=4, estimate_min_snr=2
        ),
        averaging=AveragingOptions(decay=0.9, warmup=False, post_hoc=True),
    )  # fmt: skip
    # Linear after two steps of warm-up, to zero at the end.
    assert [given["learning_rate"](step) for step in (0, 1, 4, 7)] == pytest.approx([1.5e-3, 3e-3, 1.8e-3, 0.0])
    (group,) = given["optimizer"].param_groups
    assert group["weight_decay"] == 0.07
    assert given["dropout"].keep == 0.75
    assert given["trainable"].values.numel() == sum(
        2 * (layer.in_features + layer.out_features)
        for name, layer in given["unet"].named_modules()
        if name.endswith("to_q.base_layer")
    )
    scales = {layer.scaling["default"] for layer in given["unet"].modules() if hasattr(layer, "scaling")}
    assert scales == {3.0}, "alpha / rank"

    assert given["unet"].is_gradient_checkpointing

    latents = given["latents"]
    assert latents.mean.shape[1] == 3, "variations"
    assert not torch.equal(latents.mean[:, 0], latents.mean[:, 2])
    region = latents.region[:, 0].flatten(1)
    assert (region.amax(1) / region.amin(1)).max() == pytest.approx(4, rel=1e-3)
    assert set(given["state"].powers)
    assert given["state"].average is not None

    perceptual, adversarial = given["terms"]
    assert (perceptual.weight, perceptual.share, perceptual.least_snr) == (0.2, 0.5, 2)
    assert (adversarial.weight, adversarial.share, adversarial.least_snr) == (0.03, 0.25, 2)
    assert adversarial.discriminator.r1 == 0.6
    assert adversarial.discriminator.optimizer.param_groups[0]["lr"] == 2e-3
    assert math.isclose(given["alphas_cumprod"].max().item(), 0.99915, rel_tol=1e-4), "the base's own schedule"
