"""Write the trained base as a folder of diffusers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch

from woundgen.shipped.architecture import build_scheduler
from woundgen.workflows.rebuild.stages import AUTOENCODER_FOLDER

BASE_FOLDER = "base"


def export_base(folder: Path, unet: torch.nn.Module, text_encoder: torch.nn.Module, tokenizer: object) -> Path:
    """Write the diffusers folder that a stock StableDiffusionPipeline loads in fp32; the files hold fp16."""
    target = folder / BASE_FOLDER
    unet.half().save_pretrained(target / "unet")  # type: ignore[operator]
    text_encoder.half().save_pretrained(target / "text_encoder")  # type: ignore[operator]
    tokenizer.backend_tokenizer.no_padding()  # type: ignore[attr-defined]  # set by the last call, saved otherwise
    tokenizer.backend_tokenizer.no_truncation()  # type: ignore[attr-defined]
    tokenizer.save_pretrained(target / "tokenizer")  # type: ignore[attr-defined]
    build_scheduler().save_pretrained(target / "scheduler")
    shutil.copytree(folder / AUTOENCODER_FOLDER, target / "vae", dirs_exist_ok=True)
    index = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.42.1",
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "DDPMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (target / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    for path in target.glob("*/config.json"):  # what ships names no folder of this machine
        content = {key: value for key, value in json.loads(path.read_text()).items() if key != "_name_or_path"}
        if "dtype" in content:  # transformers loads in it, diffusers in fp32: a pipeline of both must agree
            content["dtype"] = "float32"
        path.write_text(json.dumps(content, indent=2) + "\n")
    return target
