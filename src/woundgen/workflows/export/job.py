"""The job of `woundgen export`: what a run trained, in the layout of other programs.

diffusers            the adapter's file as diffusers, peft and Hugging Face's scripts read it
kohya                LoRA in kohya's names, with alpha
webui, comfyui       the same file. A learned word as an embedding named by its token
merged               a whole pipeline folder with the adapter added to the base
single-file          the same in a single file, as A1111 and ComfyUI read checkpoints
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from woundgen.adapters.kohya import kohya_tensors
from woundgen.adapters.lora_file import LoraLayer, read_lora
from woundgen.adapters.lora_metadata import saved_metadata
from woundgen.adapters.post_hoc_ema import adapter_of
from woundgen.adapters.saved import Adapter, adapter_metadata
from woundgen.errors import UserError
from woundgen.events import Info, Work
from woundgen.models.base import ALIASES, EMBEDDED, PINNED, base_digest, load_base
from woundgen.models.original_layout import check_layout
from woundgen.models.sources import EMBEDDED_FOLDER
from woundgen.privacy.private_names import names_of_run, refuse_names
from woundgen.storage.files import read_json, sha256_json, write_text
from woundgen.storage.names import ADAPTER_FILE, EMBEDDING_FILE, RUN_JSON, WHOLE_FILE
from woundgen.storage.ownership import claim_output, run_of
from woundgen.storage.tensors import save_tensors
from woundgen.workflows.export.merged import write_merged, write_merged_file
from woundgen.workflows.export.modelspec import ModelFacts, modelspec

METADATA_KEY = "lora_adapter_metadata"  # where diffusers looks
FORMATS = ("diffusers", "kohya", "webui", "comfyui", "merged", "single-file")
WHOLE = ("merged", "single-file")


@dataclass(frozen=True, slots=True)
class Exported:
    """path: file or folder that the other program opens. form: one of FORMATS."""

    path: Path
    form: str

    def to_json(self) -> dict[str, Any]:
        """Return path and format."""
        return {"path": str(self.path), "format": self.form}


@dataclass(frozen=True, slots=True)
class _Export:
    """unet_config: of the base. facts: what the file will say of itself."""

    adapter: Adapter
    unet_config: Mapping[str, Any]
    facts: ModelFacts

    @property
    def xl(self) -> bool:
        return self.unet_config.get("addition_embed_type") == "text_time"


def export_adapter(
    place: Path, *, form: str, out: Path, weights: str, base_name: str | None, title: str | None
) -> Work[Path]:
    """Write into the new folder `out`; returns the file (or folder) that the other program opens.

    form: one of FORMATS. Raises UserError, with nothing written, where the format has no place for what was trained.
    """
    adapter = adapter_of(place, weights=weights)
    name = base_name or adapter.base
    if name is None:
        raise UserError(f"{adapter.file} does not say which base model it belongs to.", "Give --base.")
    _check(adapter, form, name)
    base = load_base(name)
    if base.note:
        yield Info(base.note)
    if base_name is None and adapter.base_digest not in (None, base.digest):
        raise UserError(f"{adapter.file} was trained on another {name}.", "Name the base with --base.")
    notes = adapter_metadata(adapter.file)
    width = base.unet.config.cross_attention_dim
    kinds = {"lora": "lora", "unet": "", "embedding": "textual-inversion"}
    known = ALIASES.get(name, name)
    facts = ModelFacts(
        title=title or f"woundgen {notes.get('phase', adapter.file.stem)}",
        base=known if known in (EMBEDDED, *PINNED) else "a base model of the user's",
        base_digest=base.digest,
        width=width if isinstance(width, int) else width[0],
        kind="" if form in WHOLE else kinds[adapter.kind],
        side=notes.get("train_resolution"),
        trigger=adapter.prompt or "",
        prediction=base.prediction,
    )
    if form == "single-file":
        check_layout(base)
    _refuse_private_text(adapter, facts, out)
    claim_output(out, identity=sha256_json([adapter.digest, form, base.digest, title]), what="export")
    if form == "merged":
        return write_merged(base, adapter, out, modelspec(facts))
    if form == "single-file":
        return write_merged_file(base, adapter, out / f"{_file_name(facts.title)}.safetensors", modelspec(facts))
    return (yield from _write(_Export(adapter, base.unet.config, facts), form, out))


def _refuse_private_text(adapter: Adapter, facts: ModelFacts, out: Path) -> None:
    """Raise UserError where title, prompt or folder names a patient of the run that the adapter lies in."""
    if (run := run_of(adapter.file)) is not None:
        refuse_names(
            {"the file's title": facts.title, "the file's prompt": facts.trigger, f"the folder {out.name}": out.name},
            [names_of_run(read_json(run / RUN_JSON))],
        )


def _check(adapter: Adapter, form: str, base: str) -> None:
    """UserError where the format has no place for the adapter."""
    if form in ("diffusers", "merged"):
        return
    if base == EMBEDDED or adapter.base_digest == base_digest(EMBEDDED_FOLDER):
        raise UserError(
            f"--format {form}: the embedded base is woundgen's own and opens in diffusers alone.",
            "Use --format diffusers or merged, or train on Stable Diffusion.",
        )
    if form == "single-file":
        if adapter.kind == "embedding":
            raise UserError("A single file has no place for a learned word.", "Use --format webui, a file apart.")
        return
    if adapter.kind == "unet":
        raise UserError(f"--format {form} holds adapters, and this run trained a whole UNet.", "Use --format merged.")
    if adapter.kind == "embedding" and form == "kohya":
        raise UserError("--format kohya holds LoRA, and this run trained a word.", "Use --format webui or comfyui.")
    if adapter.kind == "lora" and any(layer.magnitude is not None for layer in read_lora(adapter.file)):
        # A1111 (Lora/network.py) divides by the lengths of columns, ComfyUI (weight_adapter/base.py) by those of the
        # base's rows: either would draw other images, without a word.
        raise UserError(
            f"--format {form} has no place for DoRA (lora_dora: true): its readers scale by other lengths than DoRA's.",
            "Use --format merged or single-file, which hold it exactly.",
        )


def _write(export: _Export, form: str, out: Path) -> Work[Path]:
    adapter, facts = export.adapter, export.facts
    if adapter.kind == "unet":
        shutil.copyfile(adapter.file.parent / "config.json", out / "config.json")
        shutil.copyfile(adapter.file, out / WHOLE_FILE)
        return out
    if adapter.kind == "embedding":
        return (yield from _write_embedding(export, form, out))
    layers = read_lora(adapter.file)
    if form == "diffusers":
        return _write_diffusers(layers, facts, out)
    try:
        tensors = kohya_tensors(
            layers, xl=export.xl, layers_per_block=int(export.unet_config["layers_per_block"])
        )  # fmt: skip
    except ValueError as error:
        raise UserError(f"--format {form} has no name for layer {error}.", "Use --format diffusers.") from None
    ranks = sorted({layer.rank for layer in layers})
    told = modelspec(facts) | {"ss_network_module": "networks.lora", "ss_network_dim": "/".join(map(str, ranks))}
    path = out / f"{_file_name(facts.title)}.safetensors"
    save_tensors(tensors, path, metadata=told)
    return path


def _write_diffusers(layers: list[LoraLayer], facts: ModelFacts, out: Path) -> Path:
    """peft's keys with the scale in B, also of files that were saved with another alpha or in another layout."""
    underscored = [layer.name for layer in layers if layer.underscored]
    if underscored:
        raise UserError(
            f"--format diffusers: {underscored[0]} is spelled as kohya spells it.",
            "diffusers reads such files as they are.",
        )
    tensors: dict[str, Tensor] = {}
    for layer in layers:
        key = f"{layer.part}.{layer.name}"
        tensors[f"{key}.lora_A.weight"] = layer.down.contiguous()
        tensors[f"{key}.lora_B.weight"] = (layer.up * layer.scale).contiguous()
        if layer.magnitude is not None:
            tensors[f"{key}.lora_magnitude_vector"] = layer.magnitude.contiguous()
    told: dict[str, object] = {}
    for part in sorted({layer.part for layer in layers}):
        of_part = [layer for layer in layers if layer.part == part]
        ranks = {layer.rank for layer in of_part}
        if len(ranks) == 1:  # else diffusers takes each rank from its tensors, and alpha as the rank
            said = saved_metadata(
                rank=ranks.pop(),
                targets=tuple({layer.name for layer in of_part}),
                decomposed=any(layer.magnitude is not None for layer in of_part),
            )
            told |= {f"{part}.{key}": value for key, value in said.items()}
    path = out / ADAPTER_FILE
    save_tensors(tensors, path, metadata=modelspec(facts) | ({METADATA_KEY: json.dumps(told)} if told else {}))
    return path


def _write_embedding(export: _Export, form: str, out: Path) -> Work[Path]:
    tensors = load_file(export.adapter.file)
    token = next(iter(tensors))
    name = EMBEDDING_FILE if form == "diffusers" else f"{_file_name(token)}.safetensors"
    save_tensors(tensors, out / name, metadata=modelspec(export.facts))
    if form != "diffusers":
        word = f"embedding:{_file_name(token)}" if form == "comfyui" else _file_name(token)
        yield Info(f"the word in a prompt of {form}: {word} (it goes by the file's name)")
        write_text(out / "HOW_TO_USE.txt", f"Put {name} into the folder of embeddings. In a prompt: {word}\n")
    return out / name


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("_") or "woundgen"
