"""What the perceptual term and the discriminator cost a step of the embedded base, interleaved in one process.

    python benchmarks/terms.py --threads 1 --clock cpu [--rounds 32]

Ways take turns, one step each a round. The terms act on some steps only, so sums over the rounds are compared, not
medians. "vgg" is a network of LPIPS-VGG's size with random weights: what it costs, not what it sees.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from train_throughput import our_step

from woundgen.data.phantoms import draw_phantoms
from woundgen.features.extractor import Extractor
from woundgen.features.load import load_extractor
from woundgen.features.lpips import CHANNELS, Trunk, lpips_extractor
from woundgen.models.base import BaseModel
from woundgen.training.discriminator import Discriminator
from woundgen.training.perceptual import latent_distance
from woundgen.training.terms import ExtraTerm

Terms = Callable[[BaseModel], list[ExtraTerm]]


def vgg() -> Extractor:
    torch.manual_seed(0)
    weights = {number: torch.ones(count) for number, count in enumerate(CHANNELS["lpips-vgg"])}
    return lpips_extractor("lpips-vgg", Trunk("lpips-vgg"), weights, "")


def perceptual(features: Extractor, share: float, least_snr: float) -> Terms:
    def terms(base: BaseModel) -> list[ExtraTerm]:
        distance = latent_distance(base.vae, features, scale=base.latent_scale)
        return [ExtraTerm("perceptual", 0.1, share, least_snr, distance)]

    return terms


def adversarial(base: BaseModel) -> list[ExtraTerm]:
    judge = Discriminator(base.unet.config.in_channels, seed=0, rate=1e-4, r1=0.1, device=torch.device("cpu"))
    return [ExtraTerm("adversarial", 0.01, 1.0, 1.0, judge.term, judge)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--full", action="store_true", help="also the term on all samples of every step")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = time.perf_counter if options.clock == "wall" else time.process_time
    images, shipped, large = draw_phantoms(range(48), seed=5).images, load_extractor("embedded"), vgg()
    ways: dict[str, Terms] = {
        "plain": lambda base: [],
        "embedded, share 1/32, SNR 1": perceptual(shipped, 1 / 32, 1.0),
        "embedded, share 1/32, SNR 4": perceptual(shipped, 1 / 32, 4.0),
        "vgg, share 1/32, SNR 1": perceptual(large, 1 / 32, 1.0),
        "vgg, share 1/32, SNR 4": perceptual(large, 1 / 32, 4.0),
        "discriminator, all samples": adversarial,
    }
    if options.full:
        ways |= {
            "embedded, all samples, SNR 1": perceptual(shipped, 1.0, 1.0),
            "vgg, all": perceptual(large, 1.0, 1e-9),
        }
    steps = {name: our_step(images, options.batch, dropout=0.0, terms_of=way) for name, way in ways.items()}
    for step in steps.values():
        step()
    spent = dict.fromkeys(steps, 0.0)
    for _ in range(options.rounds):
        for name, step in steps.items():
            started = clock()
            step()
            spent[name] += clock() - started
    for name, seconds in spent.items():
        share = seconds / spent["plain"]
        print(f"{name:32s} {1000 * seconds / options.rounds:7.0f} ms a step, {share:.2f} of plain")
    print(f"{options.rounds} steps each")


if __name__ == "__main__":
    main()
