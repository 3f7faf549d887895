"""The embedded base from scratch: UNet and text encoder trained together on captioned phantoms.

It uses the loop that trains adapters; only what is trained differs.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from woundgen.config.optimization_groups import AveragingOptions, LossOptions
from woundgen.errors import UserError
from woundgen.models.base import load_base
from woundgen.models.cuda_graphs import ReplayedUNet
from woundgen.models.flat_parameters import flatten
from woundgen.models.images import encode_images
from woundgen.runtime.ranks import ALONE, Ranks, first_rank_first, unheard
from woundgen.shipped.architecture import build_scheduler, build_text_encoder, build_unet
from woundgen.shipped.fit import cosine
from woundgen.shipped.move_vocabulary import move_vocabulary
from woundgen.shipped.tokenizer import build_tokenizer
from woundgen.storage.checkpoint import Checkpoint, newest_sound, read_checkpoint, save_and_keep
from woundgen.training.latents import Latents
from woundgen.training.loop import StepReport, train
from woundgen.training.loop_state import LoopSettings, LoopState
from woundgen.training.state import counters, new_optimizer, pack, unpack
from woundgen.workflows.rebuild.phantom_pool import Pool
from woundgen.workflows.rebuild.stages import AUTOENCODER_FOLDER, ENCODER_FOLDER, RebuildSettings, pool_of

Say = Callable[[str], None]
BASE_FOLDER = "base"
BEGUN_FROM = "begun_from"  # in a checkpoint's state: digest of the base that training began from

# Words of the consultation's prompts that no caption of a phantom uses; they get tokens all the same.
PROMPT_WORDS = (
    "medical photograph of diabetic foot ulcer in inflammatory phase, showing redness, swelling, acute "
    "inflammation, wound edges, clinical documentation, high detail",
    "medical photograph of diabetic foot ulcer in remodeling phase, showing wound contraction, "
    "epithelialization, scar tissue, mature healing, clinical documentation, high detail",
    "proliferative granulation tissue",
    "blurry, low quality, healthy skin, cartoon, artificial, watermark, text, smooth texture, unrealistic colors",
    "a photo of sks wound",
)


def rebuild_base(settings: RebuildSettings, say: Say, ranks: Ranks = ALONE) -> Path:
    """Train to settings.steps (resuming what is there) and write the diffusers folder `base` with EMA weights.

    ranks: the processes that share each step; the first of them writes and speaks.
    """
    if not ranks.first:
        say = unheard
    if not (settings.folder / AUTOENCODER_FOLDER).is_dir():
        raise UserError(
            f"{settings.folder / AUTOENCODER_FOLDER} does not exist.",
            "Run `woundgen rebuild decoder` with the same --work first.",
        )
    with first_rank_first(ranks):  # the first renders and encodes, the others read
        pool = pool_of(settings, say)
        latents = pool_latents(pool, settings.folder, settings.device, say)
    tokenizer, unet, text_encoder, begun_from = beginning(
        settings.start, captions=pool.captions, seed=settings.seed, say=say
    )
    for module in (unet, text_encoder):
        torch.nn.Module.to(module, settings.device).train()
    parameters = {f"unet.{name}": p for name, p in unet.named_parameters()}
    parameters |= {f"text_encoder.{name}": p for name, p in text_encoder.named_parameters()}
    trainable = flatten(parameters)
    optimizer = new_optimizer(trainable, betas=(0.9, 0.99), weight_decay=0.01)
    checkpoints = settings.folder / "base_training"
    state = LoopState(step=0, average=trainable.values.detach().clone())
    newest = newest_sound(checkpoints, warn=say)
    if newest is not None:
        saved = read_checkpoint(newest)
        _check_beginning(saved, begun_from, settings.start)
        state = unpack(saved.tensors, saved.state, trainable=trainable, optimizer=optimizer)
        say(f"going on from {newest}")
    ranks.assert_same(state.step, "checkpoint")

    tokens = _tokens(tokenizer, pool.captions).to(settings.device)
    empty = _tokens(tokenizer, [""])[0].to(settings.device)

    def prompt_embeds(rows: Sequence[int], dropped: Sequence[bool]) -> Tensor:
        ids = torch.stack([empty if drop else tokens[row] for row, drop in zip(rows, dropped, strict=True)])
        return text_encoder(ids)[0]

    train(
        unet=ReplayedUNet(unet, trainable) if settings.device == "cuda" else unet,
        trainable=trainable,
        optimizer=optimizer,
        scaler=torch.amp.GradScaler(settings.device, enabled=False),
        learning_rate=lambda step: settings.learning_rate * cosine(step, steps=settings.steps, warmup=300),
        latents=latents,
        prompt_embeds=prompt_embeds,
        alphas_cumprod=build_scheduler().alphas_cumprod,
        prediction="v_prediction",
        dropout=None,
        settings=LoopSettings(
            seed=settings.seed,
            steps=settings.steps,
            global_batch=settings.batch,
            micro_batch=math.ceil(settings.batch / ranks.size),
            max_gradient_norm=1.0,
            loss=LossOptions(prompt_dropout=0.1),
            averaging=AveragingOptions(decay=0.9995),
            precision="fp32",
        ),
        state=state,
        after_step=_progress(checkpoints, trainable, optimizer, state, settings.steps, begun_from, say)
        if ranks.first
        else _nothing_more,
        ranks=ranks,
    )
    if not ranks.first:
        return settings.folder / BASE_FOLDER
    assert state.average is not None
    weights = trainable.split(state.average)
    unet.load_state_dict({k.removeprefix("unet."): v for k, v in weights.items() if k.startswith("unet.")})
    text_encoder.load_state_dict(
        {k.removeprefix("text_encoder."): v for k, v in weights.items() if k.startswith("text_encoder.")}, strict=False
    )
    return export_base(settings.folder, unet, text_encoder, tokenizer)


def beginning(
    start: Path | None, *, captions: list[str], seed: int, say: Say
) -> tuple[CLIPTokenizer, UNet2DConditionModel, CLIPTextModel, str]:
    """What training begins from: random weights, or those of the base in `start`, and a tokenizer of the captions.

    Words that the base in `start` does not know get rows of their own. And the digest of that base, "" for none.
    """
    tokenizer = build_tokenizer([*captions, *PROMPT_WORDS])
    if start is not None:
        base = load_base(str(start), notice=say)
        text_encoder = base.text_encoder
        if base.tokenizer.get_vocab() != tokenizer.get_vocab():
            text_encoder = move_vocabulary(text_encoder, base.tokenizer, tokenizer, seed=seed)
        return tokenizer, base.unet.requires_grad_(True), text_encoder.requires_grad_(True), base.digest
    torch.manual_seed(seed)
    unet = build_unet()
    text_encoder = build_text_encoder(len(tokenizer), start=tokenizer.bos_token_id, end=tokenizer.eos_token_id)
    return tokenizer, unet, text_encoder, ""


def _check_beginning(saved: Checkpoint, begun_from: str, start: Path | None) -> None:
    """UserError where the training that is there began from something else than it is asked to begin from."""
    if saved.state.get(BEGUN_FROM, begun_from) != begun_from:
        raise UserError(
            f"{saved.folder} began from {'another base' if saved.state[BEGUN_FROM] else 'random weights'}, "
            f"not from {start or 'random weights'}.",
            "Choose another --work, or give --start as it was given then.",
        )


def pool_latents(pool: Pool, folder: Path, device: str, say: Say) -> Latents:
    """Posterior means and deviations of the whole pool, encoded once for each size of the pool and kept on disk."""
    cache = folder / f"latents_{len(pool.images)}.safetensors"
    if not cache.exists():
        source = folder / ENCODER_FOLDER
        if not source.is_dir():
            raise UserError(f"{source} does not exist.", "Run `woundgen rebuild encoder` with the same --work first.")
        vae = AutoencoderKL.from_pretrained(source, torch_dtype=torch.float32).eval()
        vae.to(device, memory_format=torch.channels_last)
        say(f"encoding {len(pool.images)} phantoms")
        mean, deviation = encode_images(vae, pool.images)
        save_file({"mean": mean.contiguous(), "deviation": deviation.contiguous()}, cache)
    tensors = load_file(cache)
    return Latents(mean=tensors["mean"][:, None], deviation=tensors["deviation"][:, None], scale=1.0)


def _tokens(tokenizer: Callable, texts: list[str]) -> Tensor:
    return tokenizer(texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids


def _nothing_more(report: StepReport) -> bool:
    """After a step of every process but the first, which logs and saves."""
    return False


def _progress(
    checkpoints: Path,
    trainable: object,
    optimizer: torch.optim.Optimizer,
    state: LoopState,
    steps: int,
    begun_from: str,
    say: Say,
) -> Callable[[StepReport], bool]:
    losses: list[float] = []
    clock = [time.monotonic()]

    def after_step(report: StepReport) -> bool:
        if not report.skipped:
            losses.append(report.loss)
        if report.step % 100 == 0:
            pace = (time.monotonic() - clock[0]) / max(1, len(losses))
            say(f"step {report.step}/{steps}  loss {sum(losses) / max(1, len(losses)):.4f}  {pace:.3f} s/step")
            losses.clear()
            clock[0] = time.monotonic()
        if report.step % 500 == 0 or report.step == steps:
            save_and_keep(
                checkpoints,
                report.step,
                state=counters(state) | {BEGUN_FROM: begun_from},
                tensors=pack(trainable, optimizer, state),  # type: ignore[arg-type]
            )
        return False

    return after_step


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
