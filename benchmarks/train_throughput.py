"""Training throughput of the embedded base, interleaved in one process.

    python benchmarks/train_throughput.py [--rounds 9] [--threads 2] [--batch 16]

Four ways take turns, one step each a round:
  example   what diffusers' text-to-image LoRA example does: decodes and transforms the files, encodes images
            and prompts at every step, peft's own layers, default AdamW, accelerate
  ours      woundgen's loop: cached latents and prompts, merged adapter, flat fused AdamW, EMA; dropout 0
  ours 0.1  the same with LoRA dropout 0.1
  limit     the UNet's forward and backward to its input alone: no adapter, optimizer or data
Prints medians and the ratios that docs/results.md quotes.
"""

from __future__ import annotations

import io
import statistics
from collections.abc import Callable, Sequence

import numpy as np
import torch
from accelerate import Accelerator
from diffusers.training_utils import cast_training_params
from harness import make_parser, ratio, read_options, take_turns
from peft import LoraConfig
from PIL import Image
from torch import nn

from woundgen.adapters.lora import add_lora
from woundgen.adapters.lora_forward import run_by_position
from woundgen.config.method_groups import LoraOptions
from woundgen.config.optimization_groups import AveragingOptions, LossOptions
from woundgen.diffusion.objective import add_noise, training_target
from woundgen.models.base import EMBEDDED, BaseModel, load_base
from woundgen.models.flat_parameters import flatten
from woundgen.models.prompts import PromptEncoder
from woundgen.phantoms import draw_phantoms
from woundgen.training.loop import train
from woundgen.training.loop_state import LoopSettings, LoopState
from woundgen.training.state import new_optimizer
from woundgen.training.terms import ExtraTerm
from woundgen.workflows.train.dataset import encode_variations

PROMPT = "photograph of a wound"
TARGETS = ("to_q", "to_k", "to_v", "to_out.0")


def png_bytes(image: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return content.getvalue()


def transformed(content: bytes) -> torch.Tensor:
    """The example's transforms without torchvision: decode, resize, crop (nothing to cut), flip, normalise."""
    image = Image.open(io.BytesIO(content)).convert("RGB").resize((128, 128), Image.Resampling.BILINEAR)
    if torch.rand(()) < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float().div(255).sub(0.5).div(0.5)


def example_step(
    base: BaseModel, images: np.ndarray, batch: int, *, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> Callable[[], None]:
    """What diffusers' text-to-image LoRA example does between two optimizer steps.

    dtype: float32, or bfloat16 for its mixed precision.
    """
    for module in base.modules:
        nn.Module.to(module, device, dtype)
    base.unet.add_adapter(LoraConfig(r=16, lora_alpha=16, init_lora_weights="gaussian", target_modules=list(TARGETS)))
    cast_training_params(base.unet, dtype=torch.float32)
    parameters = [p for p in base.unet.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4)
    rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    files = [png_bytes(image) for image in images]
    alphas = base.alphas_cumprod.to(device)
    base.unet.train()
    accelerator = Accelerator(
        cpu=device == "cpu", mixed_precision="no" if dtype == torch.float32 else "bf16", gradient_accumulation_steps=1
    )
    unet, optimizer, rates = accelerator.prepare(base.unet, optimizer, rates)

    def step() -> None:
        with accelerator.accumulate(unet):
            update()

    def update() -> None:
        chosen = torch.stack([transformed(files[row]) for row in torch.randint(len(files), (batch,)).tolist()])
        tokens = base.tokenizer(
            [PROMPT] * batch, padding="max_length", max_length=77, truncation=True, return_tensors="pt"
        )
        with torch.no_grad():
            clean = base.vae.encode(chosen.to(device, dtype)).latent_dist.sample() * base.latent_scale
            states = base.text_encoder(tokens.input_ids.to(device))[0]
        noise = torch.randn_like(clean)
        timesteps = torch.randint(0, len(alphas), (batch,), device=device)
        noisy = add_noise(clean, noise, timesteps, alphas)
        target = training_target(clean, noise, timesteps, alphas, base.prediction)
        output = unet(noisy.to(dtype), timesteps, states).sample
        loss = torch.nn.functional.mse_loss(output.float(), target.float())
        accelerator.gather(loss.repeat(batch)).mean().item()
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        rates.step()
        optimizer.zero_grad()
        loss.detach().item()

    return step


def our_step(
    images: np.ndarray,
    batch: int,
    *,
    dropout: float,
    terms_of: Callable[[BaseModel], Sequence[ExtraTerm]] = lambda base: (),
) -> Callable[[], None]:
    """One pass through woundgen's training loop."""
    base = load_base(EMBEDDED)
    settings = LoraOptions(rank=16, alpha=16, dropout=dropout, target_modules=TARGETS)
    trainable = flatten(add_lora(base.unet, settings, seed=0))
    masks = run_by_position(base.unet, dropout=dropout)
    optimizer = new_optimizer(trainable, betas=(0.9, 0.999), weight_decay=0.01)
    state = LoopState(step=0, average=trainable.values.detach().clone())
    latents = encode_variations(base, images, count=2, seed=0)
    prompt_embeds = PromptEncoder(base, [PROMPT] * len(images))
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    terms = terms_of(base)

    def step() -> None:
        train(
            unet=base.unet,
            trainable=trainable,
            optimizer=optimizer,
            scaler=scaler,
            learning_rate=lambda number: 1e-4,
            latents=latents,
            prompt_embeds=prompt_embeds,
            alphas_cumprod=base.alphas_cumprod,
            prediction=base.prediction,
            dropout=masks,
            settings=LoopSettings(
                seed=0,
                steps=state.step + 1,
                global_batch=batch,
                micro_batch=batch,
                max_gradient_norm=1.0,
                loss=LossOptions(prompt_dropout=0.1),
                averaging=AveragingOptions(decay=0.999),
                precision="fp32",
            ),
            state=state,
            after_step=lambda report: False,
            terms=terms,
        )

    return step


def limit_step(batch: int) -> Callable[[], None]:
    base = load_base(EMBEDDED)
    base.unet.train()
    size = base.unet.config.sample_size
    noisy = torch.randn(batch, base.unet.config.in_channels, size, size, requires_grad=True)
    states = torch.randn(batch, 77, base.unet.config.cross_attention_dim)
    timesteps = torch.randint(0, 1000, (batch,))

    def step() -> None:
        base.unet(noisy, timesteps, states).sample.square().mean().backward()
        noisy.grad = None

    return step


def main() -> None:
    options = read_options(make_parser(__doc__, clock=True, rounds=9, threads=2, batch=16))
    images = draw_phantoms(range(48), seed=5).images
    ways = {
        "example": example_step(load_base(EMBEDDED), images, options.batch),
        "ours": our_step(images, options.batch, dropout=0.0),
        "ours 0.1": our_step(images, options.batch, dropout=0.1),
        "limit": limit_step(options.batch),
    }
    seconds = take_turns(ways, rounds=options.rounds, clock=options.clock, warm=2)
    for name, values in seconds.items():
        milliseconds = [1000 * value for value in values]
        print(
            f"{name:9s} {statistics.median(milliseconds):7.0f} ms  ({min(milliseconds):.0f} to {max(milliseconds):.0f})"
        )
    for first, second, asked in (
        ("example", "ours", "1.9 or more"), ("ours", "limit", "1.15 or less"), ("ours 0.1", "limit", "1.3 or less"),
    ):  # fmt: skip
        print(f"{f'{first} / {second}':19s} {ratio(seconds, first, second):.2f}  (asked: {asked})")


if __name__ == "__main__":
    main()
