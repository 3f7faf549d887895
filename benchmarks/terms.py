"""What the perceptual term and the discriminator cost a step of the embedded base, interleaved in one process.

    python benchmarks/terms.py --threads 1 --clock cpu [--rounds 32]

Ways take turns, one step each a round. The perceptual term is taken on few samples of few steps, so that a run of some
steps says little of its mean cost: here it is taken on one sample of each step, as it is where it is taken at all, and
what that adds (median over rounds, with its 95 % interval from order statistics) counts as often as the defaults take
it: batch x share x the part of the timesteps that are low enough in noise. "vgg" is a network of LPIPS-VGG's size with
random weights: what it costs, not what it sees.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import torch
from harness import make_parser, median_with_interval, read_options, take_turns
from torch import Tensor
from train_throughput import our_step

from woundgen.config.optimization_groups import AdversarialOptions
from woundgen.config.train import TrainConfig
from woundgen.features.extractor import Extractor
from woundgen.features.load import load_extractor
from woundgen.features.lpips import CHANNELS, Trunk, lpips_extractor
from woundgen.models.base import EMBEDDED, BaseModel, load_base
from woundgen.phantoms import draw_phantoms
from woundgen.training.discriminator import Discriminator
from woundgen.training.perceptual_term import latent_distance
from woundgen.training.terms import ExtraTerm

Terms = Callable[[BaseModel], list[ExtraTerm]]
ALWAYS = 1e-9  # a signal-to-noise ratio that every timestep has
SHOWN_SNR = (1.0, 4.0, 10.0)


def vgg() -> Extractor:
    torch.manual_seed(0)
    weights = {number: torch.ones(count) for number, count in enumerate(CHANNELS["lpips-vgg"])}
    return lpips_extractor("lpips-vgg", Trunk("lpips-vgg"), weights, "")


def perceptual(features: Extractor, share: float) -> Terms:
    def terms(base: BaseModel) -> list[ExtraTerm]:
        distance = latent_distance(base.vae, features, scale=base.latent_scale)
        return [ExtraTerm("perceptual", 0.1, share, ALWAYS, distance)]

    return terms


def adversarial(base: BaseModel) -> list[ExtraTerm]:
    judge = Discriminator(base.unet.config.in_channels, AdversarialOptions(), seed=0, device=torch.device("cpu"))
    return [ExtraTerm("adversarial", 0.01, 1.0, 1.0, judge.term, judge)]


def low_noise_part(alphas_cumprod: Tensor, least_snr: float) -> float:
    """Part of the timesteps whose signal-to-noise ratio is at least `least_snr`."""
    return (alphas_cumprod >= least_snr * (1 - alphas_cumprod)).float().mean().item()


def main() -> None:
    options = read_options(make_parser(__doc__, clock=True, rounds=32, threads=2, batch=16))
    images, defaults = draw_phantoms(range(48), seed=5).images, TrainConfig()
    taking = {
        "embedded": perceptual(load_extractor("embedded"), 1 / options.batch),
        "vgg": perceptual(vgg(), 1 / options.batch),
    }
    terms: dict[str, Terms] = {"plain": lambda base: [], **taking, "discriminator, all samples, SNR 1": adversarial}
    ways = {name: our_step(images, options.batch, dropout=0.0, terms_of=one) for name, one in terms.items()}
    spent = take_turns(ways, rounds=options.rounds, clock=options.clock)
    plain = statistics.median(spent["plain"])
    print(f"{'plain':34s} {1000 * plain:6.0f} ms a step (median of {options.rounds})")
    abar = load_base(EMBEDDED).alphas_cumprod
    for name in [name for name in terms if name != "plain"]:
        more = median_with_interval([one - two for one, two in zip(spent[name], spent["plain"], strict=True)])
        if name not in taking:
            print(f"{name:34s} {_of_plain(more, plain, 1.0)}")
            continue
        print(f"{name + ', a sample that it is taken on':34s} {', '.join(f'{1000 * x:.0f}' for x in more)} ms")
        for snr in SHOWN_SNR:
            often = options.batch * defaults.perceptual_share * low_noise_part(abar, snr)
            told = f"{name}, share 1/{1 / defaults.perceptual_share:g}, SNR {snr:g}"
            default = " (the default)" * (snr == defaults.estimate_min_snr)
            print(f"{told:34s} {_of_plain(more, plain, often)}, {often:.3f} samples a step{default}")
        print(f"{name + ', one sample a step':34s} {_of_plain(more, plain, 1.0)}")
        print(f"{name + ', all samples (reckoned)':34s} {_of_plain(more, plain, options.batch)}")


def _of_plain(more: tuple[float, float, float], plain: float, often: float) -> str:
    middle, low, high = (1 + often * one / plain for one in more)
    return f"{middle:.3f} of plain ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()
