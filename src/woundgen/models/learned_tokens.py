"""Textual inversion (Gal et al. 2023): a new word for the text encoder, whose embedding rows alone are learned.

The encoder's own table stays as it is and frozen; the new rows are a parameter beside it, so that nothing else can
move (diffusers' example trains the whole table and puts the other rows back after every step).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from woundgen.errors import UserError
from woundgen.storage.names import ADAPTER_NOTES, EMBEDDING_FILE

ROWS = "token_rows"
A1111_ROWS = "emb_params"


@dataclass(frozen=True, slots=True)
class InversionSettings:
    """token: the new word. vectors: rows that it stands for. initializer: words whose mean row it starts at."""

    token: str
    vectors: int
    initializer: str


class LongerTable(nn.Module):
    """An embedding table [V, D] with rows [K, D] after it; ids V..V+K-1 read those."""

    def __init__(self, table: nn.Module, rows: Tensor) -> None:
        super().__init__()
        self.table = table
        self.rows = nn.Parameter(rows)

    @property
    def num_embeddings(self) -> int:
        return int(self.table.num_embeddings) + len(self.rows)  # type: ignore[arg-type]

    def forward(self, ids: Tensor) -> Tensor:
        first = int(self.table.num_embeddings)  # type: ignore[arg-type]
        known = self.table(ids.clamp(max=first - 1))
        new = F.embedding((ids - first).clamp(min=0), self.rows)
        return torch.where((ids >= first)[..., None], new.to(known.dtype), known)


def words_of(token: str, vectors: int) -> list[str]:
    """The words that `token` becomes in a prompt, named as diffusers' load_textual_inversion names them."""
    return [token, *(f"{token}_{number}" for number in range(1, vectors))]


def spelled_out(prompt: str, tokenizer: CLIPTokenizer) -> str:
    """The prompt with each learned token of several rows followed by its further words, as diffusers does."""
    added = tokenizer.added_tokens_encoder
    for token in added:
        if f"{token}_1" in added and token in prompt:
            further = [word for number in range(1, len(added)) if (word := f"{token}_{number}") in added]
            prompt = prompt.replace(token, " ".join([token, *further]))
    return prompt


def add_token(
    tokenizer: CLIPTokenizer, text_encoder: CLIPTextModel, settings: InversionSettings
) -> dict[str, nn.Parameter]:
    """Make room for the token and return its rows, a parameter [vectors, D]; everything else is frozen.

    Raises UserError where the tokenizer knows the token already, or none of the initializer's words.
    """
    text_encoder.requires_grad_(False)
    ids = tokenizer(settings.initializer, add_special_tokens=False).input_ids
    if not ids:
        raise UserError(
            f"token_initializer: {settings.initializer!r} holds no word.", "Give a word such as wound, or several."
        )
    table = text_encoder.get_input_embeddings()
    with torch.no_grad():
        start = table(torch.tensor(ids, device=text_encoder.device)).mean(0)
    longer = _lengthen(tokenizer, text_encoder, settings.token, start.float().repeat(settings.vectors, 1))
    return {ROWS: longer.rows}


def _lengthen(tokenizer: CLIPTokenizer, text_encoder: CLIPTextModel, token: str, rows: Tensor) -> LongerTable:
    words = words_of(token, len(rows))
    vocabulary = tokenizer.get_vocab()
    known = [word for word in words if word in vocabulary or f"{word.lower()}</w>" in vocabulary]
    if known or any(symbol.isspace() for symbol in token):
        raise UserError(
            f"The token {token!r} cannot be learned: "
            + (f"{known[0]} is a word of this base model already." if known else "it has a space in it."),
            "Give instance_token another name, such as <wound-I>.",
        )
    table = text_encoder.get_input_embeddings()
    first = int(table.num_embeddings)  # type: ignore[arg-type]
    tokenizer.add_tokens(words)
    if tokenizer.convert_tokens_to_ids(words) != list(range(first, first + len(words))):
        raise UserError(
            f"The tokenizer of this base model has {len(tokenizer) - len(words)} words and its text encoder {first}.",
            "Textual inversion needs a base model where they agree.",
        )
    longer = LongerTable(table, rows.to(text_encoder.device))
    text_encoder.set_input_embeddings(longer)
    return longer


def save_embedding(folder: Path, rows: Tensor, settings: InversionSettings, notes: Mapping[str, object]) -> None:
    """learned_embeds.safetensors, {token: [vectors, D]} or {token: [D]}: diffusers' load_textual_inversion opens it."""
    values = rows.detach().float().cpu().clone().contiguous()
    save_file({settings.token: values if len(values) > 1 else values[0].clone()}, folder / EMBEDDING_FILE)
    told = {"token": settings.token, "vectors": settings.vectors, "initializer": settings.initializer}
    (folder / ADAPTER_NOTES).write_text(json.dumps({"textual_inversion": told, **notes}, indent=1))


def unnamed_token(path: Path) -> str:
    """Return the word of an A1111 embedding, which is its file's name; "" for a file that names its words itself."""
    try:
        with safe_open(path, "pt") as file:
            return path.stem if A1111_ROWS in file.keys() else ""  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} is not a safetensors adapter ({error}).", "Give the file a run saved.") from None


def load_embedding(tokenizer: CLIPTokenizer, text_encoder: CLIPTextModel, path: Path) -> None:
    """Teach tokenizer and text encoder what the file holds. Raises UserError where it does not fit.

    diffusers: {token: rows}. A1111: {"emb_params": rows}, and the token is the file's name.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} is not a safetensors embedding ({error}).", "Give the file a run saved.") from None
    if A1111_ROWS in tensors:
        tensors = {path.stem if key == A1111_ROWS else key: value for key, value in tensors.items()}
    if {"clip_l", "clip_g"} & set(tensors):
        raise UserError(f"{path} has rows for SDXL's two text encoders, which is not read.", "Use a LoRA for SDXL.")
    width = text_encoder.config.hidden_size
    for token, value in tensors.items():
        rows = value[None] if value.ndim == 1 else value
        if rows.ndim != 2 or rows.shape[1] != width:
            raise UserError(
                f"{path}: {token} has rows of {rows.shape[-1]} and this base model's have {width}.",
                "Use the base it was trained on.",
            )
        if not rows.isfinite().all():
            raise UserError(f"{path}: {token} holds numbers that are not finite.", "Give the file a run saved.")
        _lengthen(tokenizer, text_encoder, token, rows.float()).requires_grad_(False)
