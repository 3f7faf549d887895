"""Stored results of a run, as the training and evaluation write them, small and made up."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from woundgen.records import MetricValue
from woundgen.storage.files import append_jsonl, write_json
from woundgen.verdicts import DrawnImage

DIGEST = "3f2a9c41d07be6f5"
SPREAD = "5-95 % of draws of n = 100 (20 deals into 2 disjoint blocks)"


def value(
    metric: str, x: float, *, half: float | None = 0.5, n: int = 100, label: str = "", **rest: Any
) -> MetricValue:
    low, high = (None, None) if half is None else (x - half, x + half)
    rest = {"interval": SPREAD, "network": "embedded", "digest": DIGEST} | rest
    return MetricValue(metric=metric, value=x, low=low, high=high, n=(n, n), label=label, **rest)


def measured(label: str = "tuned, guidance 2", *, fd: float = 6.12) -> dict[str, Any]:
    """A metrics.json."""
    jackknife = {"interval": "95 % delete-group jackknife"}
    rows = [
        value("fd", fd, half=0.71),
        value("fd", 2.04, half=0.22, label="floor"),
        value("fd", 3.31, half=0.3, label="ceiling"),
        value("kid", 0.0213, half=0.0061, n=200, interval="95 % delete-one jackknife; permutation p = 0.001"),
        value("kid", 0.0002, half=0.0031, label="floor"),
        value("ssim", 0.2412, half=0.011, network=None, digest=None, **jackknife),
        value("ssim", 0.2194, half=0.013, network=None, digest=None, label="floor", **jackknife),
        value("perceptual", 0.412, half=0.012, **jackknife),
        value("perceptual", 0.438, half=0.014, label="floor", **jackknife),
        value("recall", 0.71, half=0.08),
        value("recall", 0.83, half=0.06, label="floor"),
        value("gap_closed", 0.74, half=0.17, n=95, interval="95 % delete-fold jackknife"),
    ]
    return {
        "generated": "/home/maria/generated/phase_I",
        "real": "/data/clinic/Jansen_1951",
        "network": {"name": "embedded", "digest": DIGEST},
        "label": label,
        "rows": [row.to_json() for row in rows],
    }


def write_run(folder: Path, *, name: str = "phase_I_r16", phase: str = "I", steps: int = 600) -> Path:
    rng = np.random.default_rng(1)
    (folder / "samples").mkdir(parents=True)
    run = run_json(name, phase, steps)
    write_json(folder / "run.json", run)
    append_jsonl(folder / "train.jsonl", (train_row(step, steps, rng) for step in range(1, steps + 1, 2)))
    evaluated = range(0, steps + 1, steps // 6)
    append_jsonl(folder / "eval.jsonl", (eval_row(s, steps, w, rng) for s in evaluated for w in ("raw", "ema")))
    for step in evaluated:
        grid = rng.integers(0, 255, (64, 128, 3), dtype=np.uint8)
        Image.fromarray(grid).save(folder / "samples" / f"step_{step:06d}_ema.png")
    return folder


def run_json(name: str, phase: str, steps: int) -> dict[str, Any]:
    return {
        "name": name,
        "phases": [phase],
        "created": "2026-03-14T09:26:53+01:00",
        "command": "/home/maria/venv/bin/woundgen train --config /home/maria/phase_I.yaml "
        "--set lora_rank=16 --set data_root=/data/clinic",
        "config": {
            "base_model": "stabilityai/stable-diffusion-2-1-base",
            "data_root": "/data/clinic/Jansen_1951",
            "metadata_csv": "patients.csv",
            "group_column": "patient_name",
            "resolution": 128,
            "training_method": "lora",
            "lora_rank": 16,
            "lora_alpha": 32,
            "lora_dropout": 0.1,
            "lora_target_modules": ["to_q", "to_k", "to_v", "to_out.0"],
            "learning_rate": 1e-4,
            "lr_scheduler": "cosine",
            "train_val_split": 0.85,
            "data_augmentation": True,
            "prompt": "Medical photograph of diabetic foot ulcer, showing redness/swelling, high detail",
            "mixed_precision": "fp32",
        },
        "versions": {"python": "3.11.9", "torch": "2.13.0", "diffusers": "0.42.0", "woundgen": "0.1.0"},
        "git": {"commit": "d28f7e4a51c9be77", "dirty": True},
        "data": {
            "digest": "9b1c77e0aa34cd21",
            "counts": {phase: {"train": 119, "validation": 21, "holdout": 60}},
        },
        "base": {"name": "embedded", "digest": "77aa01bc9912"},
        "plan": {
            "steps": steps,
            "steps_per_epoch": 4,
            "global_batch": 32,
            "warmup_share": 0.17,
            "ema_follows": 0.93,
            "warnings": ["warm-up is 17 % of the run; /data/clinic/Jansen_1951/p1.jpg is smaller than 128 pixels"],
        },
        "parameters": {"trainable": 221_184, "total": 12_600_000},
        "status": "finished",
        "seconds": {"training": 214.3, "evaluation": 61.0},
        "best": {"metric": "fd", "value": 6.1, "step": steps * 5 // 6, "weights": "ema"},
    }


def train_row(step: int, steps: int, rng: np.random.Generator) -> dict[str, Any]:
    rate = 1e-4 * min(1, step / 100) * 0.5 * (1 + math.cos(math.pi * step / steps))
    loss = 0.16 + 0.1 * math.exp(-step / 120) + float(rng.gamma(2, 0.02))
    return {"step": step, "epoch": step / 4, "loss": loss, "gradient_norm": 0.4, "learning_rate": rate}


def eval_row(step: int, steps: int, weights: str, rng: np.random.Generator) -> dict[str, Any]:
    done = step / steps * (1.0 if weights == "raw" else 0.9)
    jitter = float(rng.normal(0, 0.35 if weights == "raw" else 0.1))
    plain = {"network": None, "digest": None}
    rows = [
        value(
            "val_loss",
            0.181 - 0.02 * done + 0.004 * jitter,
            half=0.006,
            n=21,
            interval="95 % delete-group jackknife",
            **plain,
        ),
        value("fd", 16.6 - 10.5 * done**0.5 + jitter, half=0.9, n=70),
        value("fd", 2.6, half=0.3, n=70, label="floor"),
        value("fd", 3.9, half=0.4, n=70, label="ceiling"),
        value("kid", 0.08 - 0.06 * done**0.5 + 0.003 * jitter, half=0.008, n=70),
        value("kid", 0.0, half=0.004, n=70, label="floor"),
        value("ssim", 0.28 - 0.04 * done, half=0.01, n=70, **plain),
        value("ssim", 0.22, half=0.012, n=70, label="floor", **plain),
        value("perceptual", 0.38 + 0.04 * done, half=0.012, n=70),
    ]
    return {"step": step, "epoch": step / 4, "weights": weights, "metrics": [row.to_json() for row in rows]}


def write_set(
    folder: Path, *, label: str = "I", images: Sequence[np.ndarray] | None = None, screened: bool = True
) -> Path:
    """Every fourth image is rejected where it is screened; the last two passed but were not needed."""
    rng = np.random.default_rng(2)
    images = list(rng.integers(0, 255, (24, 32, 32, 3), dtype=np.uint8)) if images is None else images
    (folder / "images").mkdir(parents=True)
    reasons = (
        "copy by matched places (row 17)",
        "unlike real photographs (joint rule)",
        "blurred",
    )
    with (folder / "manifest.jsonl").open("w") as manifest:
        for i, image in enumerate(images):
            rejected = screened and i % 4 == 3
            surplus = not rejected and i >= len(images) - 2
            reason = reasons[(i // 4) % 3] if rejected else "surplus" if surplus else ""
            row = drawn(i, label, reason, rng if screened else None)
            if row.file_name:
                Image.fromarray(image).save(folder / row.file_name)
            stored = {key: value for key, value in asdict(row).items() if key not in ("kind", "category")}
            manifest.write(json.dumps(stored) + "\n")  # as version 0.1.0 wrote it
    write_json(folder / "set.json", {"label": label, "screening": {"rule": "joint"} if screened else {}})
    return folder


def drawn(i: int, label: str, reason: str, rng: np.random.Generator | None) -> DrawnImage:
    scores = (
        {}
        if rng is None
        else {
            "ssim": 0.24 + 0.03 * float(rng.normal()),
            "nearest distance": 0.3 + 0.05 * float(rng.normal()),
        }
    )
    return DrawnImage(
        index=i,
        file_name=None if reason else f"images/{i:06d}.png",
        label=label,
        seed=1000 + i,
        prompt="Medical photograph of diabetic foot ulcer in inflammatory phase, showing redness, swelling",
        negative_prompt="blurry, low quality, cartoon",
        guidance_scale=2.0,
        steps=25,
        sampler="dpm",
        adapter=f"{DIGEST}*1",
        base="77aa01bc9912ffee",
        sha256="0" * 64,
        accepted=not reason,
        reason=reason,
        scores=scores,
    )
