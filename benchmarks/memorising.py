"""Is a model that has memorised photographs found out, and is a healthy one left alone?

    python benchmarks/memorising.py --work OUT               # about an hour on one core
    python benchmarks/memorising.py --work OUT --rounds 1 --images 32 --pool 64

Two models from the embedded base, both asked for the prompt they were trained with:
    memorising   every weight of the UNet, on 8 phantoms of phase I, each as it is, for --rounds times --steps steps
    healthy      an adapter as `woundgen demo` trains it, on 85 phantoms of phase I, the 8 among them
Their images are held against the 85, as `woundgen generate` would (policy `calibrated`). The membership test of
`woundgen audit` is asked of each, with phantoms that neither saw as the sealed side; and --draws times of two sides
that nobody was trained on, where it should answer yes in 5 of 100. Every phantom is another patient's. What is done is
kept in OUT, so a stopped run goes on. Intervals are exact (Clopper & Pearson 1934).
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from woundgen.adapters.lora import add_lora
from woundgen.adapters.lora_forward import run_by_position
from woundgen.config.method_groups import LoraOptions
from woundgen.config.optimization_groups import AveragingOptions, LossOptions
from woundgen.generation.in_memory import draw_images
from woundgen.metrics.intervals import binomial_bounds
from woundgen.models.base import EMBEDDED, BaseModel, load_base
from woundgen.models.flat_parameters import FlatParameters, flatten
from woundgen.models.prompts import PromptEncoder
from woundgen.phantoms import draw_phantoms
from woundgen.privacy.membership import membership_test
from woundgen.screening.calibration import calibrate
from woundgen.screening.reference_statistics import measure, measure_references, prepare_references
from woundgen.screening.rules import Rule, judge
from woundgen.training.learning_rate import schedule
from woundgen.training.loop import StepReport, train
from woundgen.training.loop_state import LoopSettings, LoopState
from woundgen.training.state import new_optimizer
from woundgen.verdicts import Verdict
from woundgen.workflows.audit.membership_loss import fixed_losses
from woundgen.workflows.screen.networks import describe, shipped_networks
from woundgen.workflows.train.dataset import encode_variations

NETWORKS = shipped_networks()

PROMPT = "photograph of a wound"
MEMORISED, REFERENCES = 8, 85
LORA = LoraOptions(rank=16, alpha=16, dropout=0.0, target_modules=("to_q", "to_k", "to_v", "to_out.0"))  # as the demo's
SEALED_OF_A_DRAW = 24
BLOCK = 25


def main() -> None:
    options = parse()
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    trained_on = draw_phantoms(range(REFERENCES), seed=6_001, phases=("I",)).images
    sealed = draw_phantoms(range(options.pool), seed=6_002, phases=("I",)).images
    models = {
        "memorising": memorising(options.work, trained_on[:MEMORISED], rounds=options.rounds, steps=options.steps),
        "healthy": kept(options.work, "healthy", lambda: healthy(trained_on)),
    }
    verdict_of = screen(trained_on)
    for name, unet in models.items():
        stored = f"memorising_{options.rounds}" if name == "memorising" else name
        images = drawn(options.work, stored, unet, count=options.images)
        show_screening(name, images, verdict_of)
    show_membership(options.work, models, trained_on, sealed, rounds=options.rounds, draws=options.draws)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=2, help="of training the memorising model, each kept in OUT")
    parser.add_argument("--steps", type=int, default=800, help="of a round")
    parser.add_argument("--images", type=int, default=64, help="of each model")
    parser.add_argument("--pool", type=int, default=120, help="phantoms that no model saw")
    parser.add_argument("--draws", type=int, default=200, help="of two sides that nobody was trained on")
    return parser.parse_args()


def kept(work: Path, name: str, make: Callable[[], nn.Module]) -> nn.Module:
    """The UNet of that name, made if OUT has it not."""
    path = work / f"{name}.safetensors"
    if not path.exists():
        save_file({key: value.contiguous() for key, value in make().state_dict().items()}, path)
    unet = load_base(EMBEDDED).unet
    unet.load_state_dict(load_file(path))
    return unet


def memorising(work: Path, images: np.ndarray, *, rounds: int, steps: int) -> nn.Module:
    """Each round goes on from the weights of the one before, with its own noise and warm-up."""
    unet = load_base(EMBEDDED).unet
    for number in range(1, rounds + 1):
        unet = kept(work, f"memorising_{number}", partial(_round, unet, images, steps=steps, seed=number - 1))
    return unet


def _round(unet: nn.Module, images: np.ndarray, *, steps: int, seed: int) -> nn.Module:
    base = load_base(EMBEDDED)
    base.unet.load_state_dict(unet.state_dict())
    trainable = flatten(dict(base.unet.requires_grad_(True).named_parameters()))
    fit(base, trainable, images, variations=1, batch=8, steps=steps, rate=1e-3, seed=seed)
    return base.unet


def healthy(images: np.ndarray) -> nn.Module:
    base = load_base(EMBEDDED)
    trainable = flatten(add_lora(base.unet, LORA, seed=0))
    run_by_position(base.unet, dropout=0.0)
    fit(base, trainable, images, variations=4, batch=16, steps=250, rate=1e-3)
    base.unet.fuse_lora()
    base.unet.unload_lora()
    return base.unet


def fit(
    base: BaseModel,
    trainable: FlatParameters,
    images: np.ndarray,
    *,
    variations: int,
    batch: int,
    steps: int,
    rate: float,
    seed: int = 0,
) -> None:
    train(
        unet=base.unet,
        trainable=trainable,
        optimizer=new_optimizer(trainable, betas=(0.9, 0.999), weight_decay=0.0),
        scaler=torch.amp.GradScaler("cpu", enabled=False),
        learning_rate=schedule("cosine", peak=rate, steps=steps, warmup=20, floor=0.02),
        latents=encode_variations(base, images, count=variations, seed=0),
        prompt_embeds=PromptEncoder(base, [PROMPT] * len(images)),
        alphas_cumprod=base.alphas_cumprod,
        prediction=base.prediction,
        dropout=None,
        settings=LoopSettings(
            seed=seed,
            steps=steps,
            global_batch=batch,
            micro_batch=batch,
            max_gradient_norm=1.0,
            loss=LossOptions(prompt_dropout=0.0),
            averaging=AveragingOptions(),
            precision="fp32",
        ),
        state=LoopState(step=0, average=None),
        after_step=tell,
    )
    base.unet.eval()


def tell(report: StepReport) -> bool:
    if report.step % 50 == 0:
        print(f"step {report.step}  loss {report.loss:.4f}", flush=True)
    return False


def drawn(work: Path, name: str, unet: nn.Module, *, count: int) -> np.ndarray:
    path = work / f"{name}_{count}.safetensors"
    if not path.exists():
        base = load_base(EMBEDDED)
        base.unet.load_state_dict(unet.state_dict())
        images = draw_images(
            base, count=count, prompt=PROMPT, negative_prompt="", guidance_scale=1.0, steps=25, seed=7, size=128
        )
        save_file({"images": torch.from_numpy(images)}, path)
    return load_file(path)["images"].numpy()


def screen(photographs: np.ndarray) -> Callable[[np.ndarray], list[Verdict]]:
    references = prepare_references(describe(photographs, NETWORKS))
    calibration = calibrate(measure_references(references))
    print(f"{len(references)} references ({references.duplicates} near duplicates left out)")
    return lambda images: judge(measure(describe(images, NETWORKS), references), calibration, Rule())


def show_screening(name: str, images: np.ndarray, verdict_of: Callable[[np.ndarray], list[Verdict]]) -> None:
    verdicts = [one for first in range(0, len(images), BLOCK) for one in verdict_of(images[first : first + BLOCK])]
    copies = sum(one.copy for one in verdicts)
    of_memorised = sum(one.copy and one.nearest is not None and one.nearest < MEMORISED for one in verdicts)
    reasons = Counter(one.reason.split(" (")[0] or "accepted" for one in verdicts)
    print(f"{name}: {share(copies, len(verdicts))} images called copies, {of_memorised} of them of the {MEMORISED}")
    print(f"    {dict(reasons.most_common())}", flush=True)


def show_membership(
    work: Path, models: dict[str, nn.Module], trained_on: np.ndarray, sealed: np.ndarray, *, rounds: int, draws: int
) -> None:
    """AUC of each model, and how often the test says yes of two sides that nobody was trained on."""
    base = load_base(EMBEDDED)
    images = np.concatenate([trained_on, sealed])
    path = work / f"losses_{rounds}_{len(images)}.safetensors"
    if not path.exists():
        losses = fixed_losses(base, images, [PROMPT] * len(images))
        found: dict[str, Tensor] = {name: torch.from_numpy(losses(unet)) for name, unet in models.items()}
        save_file({"base": torch.from_numpy(losses(base.unet)), **found}, path)
    stored = {name: values.numpy() for name, values in load_file(path).items()}
    for name, known in (("memorising", MEMORISED), ("healthy", REFERENCES)):
        difference = stored[name] - stored["base"]
        rows = np.r_[:known, len(trained_on) : len(images)]
        found = membership_test(difference[rows], rows < known, None)
        print(
            f"{name}: membership AUC {found.auc:.3f} of {found.trained} trained on and {found.held_out} sealed, "
            f"p = {found.p:.4f}; {found.smallest:.3f} is the least that could be shown"
        )
        unseen = difference[len(trained_on) :]
        said = sum(shown_by_chance(unseen, draw) for draw in range(draws))
        print(
            f"{name}: held out against held out, {MEMORISED} and {SEALED_OF_A_DRAW}: {share(said, draws)} called known"
        )


def shown_by_chance(difference: np.ndarray, draw: int) -> bool:
    some = np.random.default_rng([6, draw]).choice(len(difference), MEMORISED + SEALED_OF_A_DRAW, replace=False)
    return membership_test(difference[some], np.arange(len(some)) < MEMORISED, None, seed=draw).shown


def share(hits: int, n: int) -> str:
    low, high = binomial_bounds(hits, n)
    return f"{hits} of {n} ({hits / n:.1%}; {low:.1%} to {high:.1%})"


if __name__ == "__main__":
    main()
