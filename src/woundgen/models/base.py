"""Base models, loaded the way diffusers lays them out, named by digest. Where they are: models/sources.py."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer
from transformers.utils.logging import disable_progress_bar

from woundgen.errors import UserError
from woundgen.models.learned_tokens import spelled_out
from woundgen.models.single_file import (
    folder_of_configs,
    kind_of,
    read_single_file,
    second_text_of,
    text_of,
    unet_of,
    vae_of,
)
from woundgen.models.sources import (
    ALIASES,
    EMBEDDED,
    EMBEDDED_FOLDER,
    PINNED,
    describe_source,
    find_base,
    weight_digests,
)
from woundgen.models.text_encoding import FIRST, SECOND, TextTower, states_of, take_off_pooled
from woundgen.records import PredictionType
from woundgen.storage.files import sha256_file, sha256_json

__all__ = ["ALIASES", "EMBEDDED", "EMBEDDED_FOLDER", "PINNED", "BaseModel", "find_base", "load_base"]

PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
SECOND_PARTS = (SECOND, "tokenizer_2")  # SDXL's


@dataclass(frozen=True, slots=True)
class BaseModel:
    """The parts of a Stable-Diffusion-shaped model, frozen and in evaluation mode.

    alphas_cumprod: fp32 [T]. latent_scale: the VAE's scaling_factor. digest: over all its weight files.
    note: on where the files lie, for the user; "" for none.
    """

    name: str
    folder: Path
    digest: str
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    scheduler: DDPMScheduler
    alphas_cumprod: Tensor
    prediction: PredictionType
    latent_scale: float
    second: TextTower | None = None  # SDXL's second text encoder
    note: str = ""

    @property
    def text_encoders(self) -> dict[str, nn.Module]:
        """By the name of their folder."""
        found: dict[str, nn.Module] = {FIRST: self.text_encoder}
        return found if self.second is None else found | {SECOND: self.second.encoder}

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """Everything that has weights."""
        return (self.unet, self.vae, *self.text_encoders.values())


def load_base(name: str) -> BaseModel:
    """Load every part in fp32. Safetensors only; a missing part is a UserError naming it."""
    disable_progress_bar()  # transformers' own; ours says what happens
    place = find_base(name)
    if place.is_file():
        return _from_single_file(name, place)
    parts = _parts(place)
    missing = [part for part in parts if not (place / part).is_dir()]
    if missing:
        raise UserError(
            f"{place} is not a whole diffusers model: {', '.join(missing)} missing.",
            f"Give a folder with {', '.join(parts[:-1])} and {parts[-1]}.",
        )
    try:
        whole = {"torch_dtype": torch.float32, "use_safetensors": True, "local_files_only": True}
        unet = UNet2DConditionModel.from_pretrained(place / "unet", **whole)
        vae = AutoencoderKL.from_pretrained(place / "vae", **whole)
        text_encoder = CLIPTextModel.from_pretrained(
            place / "text_encoder", dtype=torch.float32, use_safetensors=True, local_files_only=True
        )
        second = _second_encoder(place) if SECOND in parts else None
        return _assembled(
            name, place, base_digest(place), unet=unet, vae=vae, text_encoder=text_encoder, second=second, words=place,
            note=describe_source(name, place),
        )  # fmt: skip
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"{place} could not be loaded ({_first_line(error)}).", "Restore or fetch it again.") from None


def _from_single_file(name: str, path: Path) -> BaseModel:
    """Weights of the file; configurations and words of its kind's base."""
    weights = read_single_file(path)
    kind = kind_of(path, weights)
    configs = folder_of_configs(path, kind)
    second = second_text_of(weights, configs) if kind == "sdxl" else None
    return _assembled(
        name, path, sha256_json({"single file": sha256_file(path)}), unet=unet_of(weights, configs),
        vae=vae_of(weights, configs), text_encoder=text_of(weights, configs), second=second, words=configs,
        note=f"base_model {path.name}: read as {kind}, configurations of {configs}",
    )  # fmt: skip


def _assembled(
    name: str,
    place: Path,
    digest: str,
    *,
    unet: UNet2DConditionModel,
    vae: AutoencoderKL,
    text_encoder: CLIPTextModel,
    second: CLIPTextModelWithProjection | None,
    words: Path,
    note: str,
) -> BaseModel:
    """The parts as one base, frozen. words: the folder with tokenizers and scheduler."""
    scheduler = DDPMScheduler.from_pretrained(words / "scheduler", local_files_only=True)
    tower = None
    if second is not None:
        tower = TextTower(second, CLIPTokenizer.from_pretrained(words / "tokenizer_2", local_files_only=True))
        pixels = 2 ** (len(vae.config.block_out_channels) - 1)
        take_off_pooled(unet, pooled=second.text_projection.out_features, pixels=pixels)
    base = BaseModel(
        name=name,
        folder=place,
        digest=digest,
        unet=unet,
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=CLIPTokenizer.from_pretrained(words / "tokenizer", local_files_only=True),
        scheduler=scheduler,
        alphas_cumprod=scheduler.alphas_cumprod.float(),
        prediction=scheduler.config.prediction_type,
        latent_scale=float(vae.config.scaling_factor),
        second=tower,
        note=note,
    )
    for module in base.modules:
        module.requires_grad_(False).eval()
    return base


def _parts(folder: Path) -> tuple[str, ...]:
    """Return the parts of a base; those of SDXL where the UNet takes a pooled text and a size."""
    try:
        wants = json.loads((folder / "unet" / "config.json").read_text()).get("addition_embed_type")
    except (OSError, ValueError):
        wants = None  # said when the UNet is loaded
    return PARTS if wants != "text_time" else (*PARTS, *SECOND_PARTS)


def _second_encoder(folder: Path) -> CLIPTextModelWithProjection:
    return CLIPTextModelWithProjection.from_pretrained(
        folder / SECOND, dtype=torch.float32, use_safetensors=True, local_files_only=True
    )


def base_digest(folder: Path) -> str:
    """SHA-256 over the digests of all weight files, by relative name. UserError where a fetched one has changed."""
    return sha256_json(weight_digests(folder, _parts(folder)))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


@torch.no_grad()
def encode_prompts(base: BaseModel, prompts: list[str]) -> Tensor:
    """[len(prompts), 77, D] states of the text encoder, as StableDiffusionPipeline computes them (SDXL: states_of)."""
    return text_states(base, prompts)


def text_states(base: BaseModel, prompts: list[str]) -> Tensor:
    """As `encode_prompts`, with gradients: for methods that train what reads the text."""
    return states_of(base.text_encoder, base.tokenizer, base.second, prompts)


def prompt_length(base: BaseModel, prompt: str) -> int:
    """Tokens of a prompt, start and end included; more than 77 are cut off."""
    return len(base.tokenizer(spelled_out(prompt, base.tokenizer)).input_ids)


def free_unused_modules(base: BaseModel, *, decodes: bool) -> int:
    """Free the modules that are not needed after caching, and return the number of their parameters.

    These are the text encoders unless they are trained, and the VAE's encoder, or the whole VAE unless `decodes`. Freed
    modules are on the meta device and must not be called.
    """
    encoders = list(base.text_encoders.values())
    parts: list[nn.Module] = []
    if not any(parameter.requires_grad for encoder in encoders for parameter in encoder.parameters()):
        parts += encoders
    parts += [base.vae.encoder] if decodes else [base.vae]
    gone = sum(parameter.numel() for part in parts for parameter in part.parameters())
    for part in parts:
        nn.Module.to(part, "meta")
    return gone
