"""Which kind of trained weights a file holds, by its tensors: a LoRA, a whole UNet, or a learned word."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from safetensors import SafetensorError, safe_open

from woundgen.errors import UserError
from woundgen.models.sources import EMBEDDED

Kind: TypeAlias = Literal["lora", "unet", "embedding"]

# Width of what cross-attention reads of the prompt, by base. Two Stable Diffusions of one width are told apart by
# nothing in an adapter: the first is named, and the user may name another.
_WIDTHS = {64: EMBEDDED, 768: "sd15", 1024: "sd21-base", 2048: "sdxl"}
_PROMPT_READERS = ("attn2.to_k", "attn2.to_v", "attn2_to_k", "attn2_to_v")
_PICKLES = (".pt", ".bin", ".ckpt", ".pth")


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of a safetensors file, by key; UserError for anything else."""
    if path.suffix in _PICKLES:
        raise UserError(f"{path} is a pickle, which can run code and is not read.", "Save it as .safetensors.")
    try:
        with safe_open(path, "pt") as file:
            return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"{path} is not a safetensors adapter ({error}).", "Give the file a run saved.") from None


def kind_of(shapes: Mapping[str, tuple[int, ...]]) -> Kind:
    """A file of few vectors without dots in their names is a learned word, one with the UNet's own layers a UNet."""
    if "conv_in.weight" in shapes:
        return "unet"
    if shapes and all("." not in key and len(shape) <= 2 for key, shape in shapes.items()):
        return "embedding"
    return "lora"


def base_by_shape(shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """The known base whose prompts are as wide as those that the file's layers read; None where it does not say."""
    if kind_of(shapes) == "embedding":
        return _WIDTHS.get(next(iter(shapes.values()))[-1])
    for key, shape in shapes.items():
        low = key.endswith((".lora_A.weight", ".lora_A.default.weight", ".down.weight", ".lora_down.weight"))
        whole = key.endswith(".weight") and "lora" not in key
        if (low or whole) and any(reader in key for reader in _PROMPT_READERS):
            return _WIDTHS.get(shape[1])
    return None
