"""Training throughput of the embedded base, interleaved in one process.

    python benchmarks/train_throughput.py [--rounds 9] [--threads 2] [--batch 16]
    python benchmarks/train_throughput.py --terms --threads 1 --clock cpu --rounds 16

Four ways take turns, one step each a round:
  example   what diffusers' text-to-image LoRA example does: decodes and transforms the files, encodes images
            and prompts at every step, peft's own layers, default AdamW, accelerate
  ours      woundgen's loop: cached latents and prompts, merged adapter, flat fused AdamW, EMA; dropout 0
  ours 0.1  the same with LoRA dropout 0.1
  limit     the UNet's forward and backward to its input alone: no adapter, optimizer or data
Prints medians and the ratios that docs/results.md quotes.

--terms: what the perceptual term and the discriminator cost a step of ours. The perceptual term is taken on few samples
of few steps, so here it is taken on one sample of each step, and what that adds (median over rounds, with its 95 %
interval from order statistics) counts as often as the defaults take it: batch x share x the part of the timesteps that
are low enough in noise. "vgg" is a network of LPIPS-VGG's size with random weights: what it costs, not what it sees.
"""

from __future__ import annotations

import argparse
import io
import statistics
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from accelerate import Accelerator
from diffusers.training_utils import cast_training_params
from gpu_training import BenchmarkRun, Shape
from harness import describe_milliseconds, make_parser, median_with_interval, ratios, read_options, take_turns
from peft import LoraConfig
from PIL import Image
from torch import Tensor, nn

from woundgen.config.optimization_groups import AdversarialOptions
from woundgen.config.train import TrainConfig
from woundgen.diffusion.objective import add_noise, training_target
from woundgen.features.extractor import Extractor
from woundgen.features.load import load_extractor
from woundgen.features.lpips import CHANNELS, Trunk, lpips_extractor
from woundgen.models.base import EMBEDDED, BaseModel, load_base
from woundgen.phantoms import draw_phantoms
from woundgen.training.discriminator import Discriminator
from woundgen.training.perceptual_term import latent_distance
from woundgen.training.terms import ExtraTerm

PROMPT = "photograph of a wound"
TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
OURS = {"lora_rank": 16, "lora_alpha": 16, "mixed_precision": "no", "gradient_checkpointing": False}
ALWAYS = 1e-9  # a signal-to-noise ratio that every timestep has


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


Terms = Callable[[BaseModel], Sequence[ExtraTerm]]


def our_step(images: np.ndarray, batch: int, *, dropout: float, terms_of: Terms = lambda _: ()) -> Callable[[], None]:
    """One pass through woundgen's training loop."""
    shape = Shape("embedded", images.shape[1], batch, torch.device("cpu"))
    run = BenchmarkRun(shape, OURS | {"lora_dropout": dropout}, base=load_base(EMBEDDED), photographs=images)
    terms = terms_of(run.base)
    return lambda: run.run(run.state.step + 1, terms=terms)


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


def perceptual_term(base: BaseModel, features: Extractor, *, share: float) -> list[ExtraTerm]:
    """The perceptual term at every signal-to-noise ratio."""
    return [ExtraTerm("perceptual", 0.1, share, ALWAYS, latent_distance(base.vae, features, scale=base.latent_scale))]


def adversarial_term(base: BaseModel) -> list[ExtraTerm]:
    judge = Discriminator(base.unet.config.in_channels, AdversarialOptions(), seed=0, device=torch.device("cpu"))
    return [ExtraTerm("adversarial", 0.01, 1.0, 1.0, judge.term, judge)]


def vgg_extractor() -> Extractor:
    torch.manual_seed(0)
    weights = {number: torch.ones(count) for number, count in enumerate(CHANNELS["lpips-vgg"])}
    return lpips_extractor("lpips-vgg", Trunk("lpips-vgg"), weights, "")


def low_noise_part(alphas_cumprod: Tensor, least_snr: float) -> float:
    """Part of the timesteps whose signal-to-noise ratio is at least `least_snr`."""
    return (alphas_cumprod >= least_snr * (1 - alphas_cumprod)).float().mean().item()


def compare_ways(images: np.ndarray, options: argparse.Namespace) -> None:
    ways = {
        "example": example_step(load_base(EMBEDDED), images, options.batch),
        "ours": our_step(images, options.batch, dropout=0.0),
        "ours 0.1": our_step(images, options.batch, dropout=0.1),
        "limit": limit_step(options.batch),
    }
    seconds = take_turns(ways, rounds=options.rounds, clock=options.clock, warm=2)
    for name, values in seconds.items():
        print(f"{name:9s} {describe_milliseconds(values)} ms")
    asked = {
        ("example", "ours"): "1.9 or more",
        ("ours", "limit"): "1.15 or less",
        ("ours 0.1", "limit"): "1.3 or less",
    }
    for (first, second), bar in asked.items():
        median = statistics.median(ratios(seconds, first, second))
        print(f"{f'{first} / {second}':19s} {median:.2f}  (asked: {bar})")


def compare_terms(images: np.ndarray, options: argparse.Namespace) -> None:
    networks, defaults = {"embedded": load_extractor("embedded"), "vgg": vgg_extractor()}, TrainConfig()
    once = 1 / options.batch
    terms = {name: partial(perceptual_term, features=features, share=once) for name, features in networks.items()}
    terms |= {"plain": lambda base: [], "discriminator, all samples, SNR 1": adversarial_term}
    ways = {name: our_step(images, options.batch, dropout=0.0, terms_of=one) for name, one in terms.items()}
    seconds = take_turns(ways, rounds=options.rounds, clock=options.clock)
    plain = statistics.median(seconds["plain"])
    alphas = load_base(EMBEDDED).alphas_cumprod
    print(f"{'plain':40s} {1000 * plain:.0f} ms a step (median of {options.rounds})")
    for name in [name for name in terms if name != "plain"]:
        often = {"": 1.0}
        if name in networks:
            samples = options.batch * defaults.perceptual.share
            often = {f"share 1/{1 / defaults.perceptual.share:g}, SNR {snr:g}": samples * low_noise_part(alphas, snr)
                     for snr in (1.0, 4.0, 10.0)}  # fmt: skip
            often |= {"one sample a step": 1.0, "all samples (reckoned)": options.batch}
        added = [one - two for one, two in zip(seconds[name], seconds["plain"], strict=True)]
        for how, count in often.items():
            middle, low, high = (1 + count * more / plain for more in median_with_interval(added))
            samples_told = f", {count:.3f} samples a step" if how else ""
            print(f"{f'{name} {how}':40s} {middle:.3f} of plain ({low:.3f} to {high:.3f}){samples_told}")


def main() -> None:
    parser = make_parser(__doc__, clock=True, rounds=9, threads=2, batch=16)
    parser.add_argument("--terms", action="store_true", help="the terms of the loss in place of the four ways")
    options = read_options(parser)
    compare = compare_terms if options.terms else compare_ways
    compare(draw_phantoms(range(48), seed=5).images, options)


if __name__ == "__main__":
    main()
