"""A pipeline folder of the base with what was trained added to it: opens wherever a base model opens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors.torch import load_file
from torch import nn

from woundgen.adapters.noise_schedule import as_trained
from woundgen.adapters.saved import Adapter, apply_trained
from woundgen.models.base import BaseModel
from woundgen.models.learned_tokens import LongerTable
from woundgen.models.original_layout import single_file
from woundgen.storage.files import write_json
from woundgen.storage.tensors import save_tensors, tensor_errors_as_os_errors

CLIP = "text_model."
ENCODER_FILE = "model.safetensors"


def write_merged(base: BaseModel, adapter: Adapter, out: Path, metadata: Mapping[str, str]) -> Path:
    """Write the folder that from_pretrained opens, fp32; returns it. metadata goes into modelspec.json."""
    base = as_trained(base, [adapter.file])
    apply_trained(base, [(adapter.file, 1.0)])
    _join_learned_rows(base.text_encoder)
    parts = {
        "vae": base.vae, "text_encoder": base.text_encoder, "tokenizer": base.tokenizer, "unet": base.unet,
        "scheduler": base.scheduler,
    }  # fmt: skip
    if base.second is None:
        pipeline = StableDiffusionPipeline(
            **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
        )
    else:
        pipeline = StableDiffusionXLPipeline(
            **parts, text_encoder_2=base.second.encoder, tokenizer_2=base.second.tokenizer
        )
    with tensor_errors_as_os_errors(out):
        pipeline.save_pretrained(out, safe_serialization=True)
    for name in base.text_encoders:
        _prefix_encoder_keys(out / name / ENCODER_FILE)
    write_json(out / "modelspec.json", dict(metadata))
    return out


def write_merged_file(base: BaseModel, adapter: Adapter, path: Path, metadata: Mapping[str, str]) -> Path:
    """Write the same into a file of Stability's layout, fp32; returns it."""
    base = as_trained(base, [adapter.file])
    apply_trained(base, [(adapter.file, 1.0)])
    save_tensors(single_file(base), path, metadata=metadata)
    return path


def _join_learned_rows(text_encoder: nn.Module) -> None:
    """Make one table of the encoder's own and the learned rows, of which transformers knows nothing."""
    table = text_encoder.get_input_embeddings()  # type: ignore[operator]
    rows: list[torch.Tensor] = []
    while isinstance(table, LongerTable):
        rows.insert(0, table.rows.detach())
        table = table.table
    if rows:
        whole = torch.cat([table.weight.detach(), *rows])
        text_encoder.set_input_embeddings(nn.Embedding.from_pretrained(whole))  # type: ignore[operator]
        text_encoder.config.vocab_size = len(whole)  # type: ignore[union-attr]


def _prefix_encoder_keys(path: Path) -> None:
    """`text_model.` before the encoder's keys: transformers 4 needs it and 5 reads it."""
    tensors = load_file(path)
    named = {
        key if key.startswith((CLIP, "text_projection")) else f"{CLIP}{key}": value for key, value in tensors.items()
    }
    save_tensors(named, path, metadata={"format": "pt"})
