"""Is a model that has memorised photographs found out, and is a healthy one left alone?

    python benchmarks/memorising.py --work OUT               # about an hour on one core
    python benchmarks/memorising.py --work OUT --steps 400 --images 32 --pool 64

Two models of the embedded base, trained by `woundgen train` and asked for the prompt they were trained with:
    memorising   every weight of the UNet, on 8 phantoms of phase I, each as it is, for --steps steps
    healthy      an adapter as `woundgen demo` trains it, on 85 phantoms of phase I, the 8 among them
Their images are held against the 85, as `woundgen generate` would (policy `calibrated`). An independent judge says
which of them show one of the 8: Carlini et al. 2023 ("Extracting training data from diffusion models", section 4.2)
call an image extracted where it is nearer in pixels than half of the mean distance to its 50 nearest.
OUT/NAME_sheet.png shows the images, the phantom nearest in pixels beneath each, for the eye. The membership test of
`woundgen audit` is asked of each model, with phantoms that neither saw as the sealed side; and --draws times of two
sides that nobody was trained on, where it should answer yes in 5 of 100. Every phantom is another patient's. What is
done is kept in OUT, so a stopped run goes on. Intervals are exact (Clopper & Pearson 1934).
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from harness import calibrated, draw, load_tuned, make_parser, read_options, render_once, share, train_run
from PIL import Image
from sklearn.metrics.pairwise import euclidean_distances

from woundgen.config.load import load_train_config
from woundgen.config.prompts import SHORT_PROMPT
from woundgen.models.base import EMBEDDED, BaseModel, load_base
from woundgen.privacy.membership import membership_test
from woundgen.reporting.pictures import image_grid
from woundgen.screening.rules import Rule
from woundgen.storage.arrays import keep_array
from woundgen.storage.names import METADATA_CSV
from woundgen.verdicts import Verdict
from woundgen.workflows.audit.membership_loss import fixed_losses
from woundgen.workflows.dataset.phantoms import draw_held_out
from woundgen.workflows.demo.job import PRESET
from woundgen.workflows.screen.job import verdicts_of
from woundgen.workflows.screen.networks import shipped_networks

NETWORKS = shipped_networks()
MEMORISED, REFERENCES, TRAINED_SEED, SEALED_SEED = 8, 85, 6_001, 6_002
SEALED_OF_A_DRAW, BLOCK = 24, 25
NEAREST, NEAR = 50, 0.5  # Carlini et al. 2023, section 4.2
COMMON = ["phases=[I]", "evaluate_every_n_epochs=1000", "sample_images=0"]
BY_HEART = [
    "training_method=full", "learning_rate=1e-3", "lr_warmup_steps=20", "batch_size_per_gpu=8", "prompt_dropout=0",
    "data_augmentation=false", "augmentation_variations=1", "save_every_n_epochs=200",
]  # fmt: skip


def main() -> None:
    parser = make_parser(__doc__, work=Path, images=64)
    parser.add_argument("--steps", type=int, default=800, help="of the memorising model")
    parser.add_argument("--pool", type=int, default=120, help="phantoms that no model saw")
    parser.add_argument("--draws", type=int, default=200, help="of two sides that nobody was trained on")
    options = read_options(parser)
    settings = {"memorising": [*BY_HEART, f"max_steps={options.steps}"], "healthy": []}
    margin = load_train_config(PRESET, []).photographs.box_margin
    trained_on, sealed = (
        draw_held_out(range(count), seed=seed, phases=("I",), margin=margin).images
        for count, seed in ((REFERENCES, TRAINED_SEED), (options.pool, SEALED_SEED))
    )
    models = {
        name: trained(options.work, name, count, changes)
        for (name, changes), count in zip(settings.items(), (MEMORISED, REFERENCES), strict=True)
    }
    verdict_of = screen(trained_on)
    for name, base in models.items():
        path = options.work / f"{name}_{options.images}.npy"
        images = keep_array(path, lambda base=base: draw(base, count=options.images, guidance=1.0, seed=7, steps=25))
        show_screening(name, images, trained_on, verdict_of)
        write_sheet(options.work / f"{name}_sheet.png", images, trained_on)
    show_membership(options, models, trained_on, sealed)


def trained(work: Path, name: str, count: int, changes: list[str]) -> BaseModel:
    """The embedded base after a run on the first `count` of the phantoms; one more is its validation side."""
    photographs = render_once(work / f"photographs_{count}", count=count + 1, phase="I", seed=TRAINED_SEED)
    table = photographs / METADATA_CSV
    heading, *rows = table.read_text().splitlines()
    if "split" not in heading.split(","):
        sides = ["train"] * count + ["validation"]
        lines = [f"{heading},split", *(f"{row},{side}" for row, side in zip(rows, sides, strict=True))]
        table.write_text("\n".join(lines) + "\n")
    run = train_run(load_train_config(PRESET, [*COMMON, *changes]), photographs, work / name)
    base, _ = load_tuned(run, weights="raw")
    base.unet.eval()
    return base


def screen(photographs: np.ndarray) -> Callable[[np.ndarray], list[Verdict]]:
    references, calibration = calibrated(photographs, NETWORKS)
    print(f"{len(references)} references ({references.duplicates} near duplicates left out)")
    return lambda images: verdicts_of(images, references, calibration, Rule(), NETWORKS)


def show_screening(
    name: str, images: np.ndarray, trained_on: np.ndarray, verdict_of: Callable[[np.ndarray], list[Verdict]]
) -> None:
    verdicts = [one for first in range(0, len(images), BLOCK) for one in verdict_of(images[first : first + BLOCK])]
    copies = sum(one.copy for one in verdicts)
    of_memorised = sum(one.copy and one.nearest is not None and one.nearest < MEMORISED for one in verdicts)
    extracted, nearest = is_extracted(images, trained_on)
    extracted &= nearest < MEMORISED
    held = int((extracted & np.array([one.copy for one in verdicts])).sum())
    reasons = Counter(one.reason.split(" (")[0] or "accepted" for one in verdicts)
    print(f"{name}: {share(copies, len(verdicts))} images called copies, {of_memorised} of them of the {MEMORISED}")
    print(f"    the independent judge takes {share(int(extracted.sum()), len(images))} for one of the {MEMORISED}")
    if extracted.any():
        print(f"    of these called copies: {share(held, int(extracted.sum()))}")
    print(f"    {dict(reasons.most_common())}", flush=True)


def is_extracted(images: np.ndarray, trained_on: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Carlini et al.'s verdict on each image, and the row nearest in pixels."""
    far = euclidean_distances(images.reshape(len(images), -1) / 255, trained_on.reshape(len(trained_on), -1) / 255)
    usual = np.sort(far, axis=1)[:, :NEAREST].mean(axis=1)
    return far.min(axis=1) < NEAR * usual, far.argmin(axis=1)


def write_sheet(path: Path, images: np.ndarray, trained_on: np.ndarray) -> None:
    """Write the first 32 images in rows of 16, the nearest phantom beneath each."""
    _, nearest = is_extracted(images[:32], trained_on)
    rows = [
        (images[first : first + 16], trained_on[nearest[first : first + 16]])
        for first in range(0, min(32, len(images)), 16)
    ]
    sheet = [image_grid(some, columns=16, gap=2) for pair in rows for some in pair]
    Image.fromarray(np.concatenate(sheet)).save(path)


def show_membership(
    options: argparse.Namespace, models: dict[str, BaseModel], trained_on: np.ndarray, sealed: np.ndarray
) -> None:
    """AUC of each model, and how often the test says yes of two sides that nobody was trained on."""
    base = load_base(EMBEDDED)
    images = np.concatenate([trained_on, sealed])
    losses_of = fixed_losses(base, images, [SHORT_PROMPT] * len(images))
    losses = {
        name: keep_array(options.work / f"losses_{name}_{len(images)}.npy", lambda unet=model.unet: losses_of(unet))
        for name, model in {"base": base, **models}.items()
    }
    for name, known in (("memorising", MEMORISED), ("healthy", REFERENCES)):
        difference = losses[name] - losses["base"]
        rows = np.r_[:known, len(trained_on) : len(images)]
        found = membership_test(difference[rows], rows < known, None)
        print(
            f"{name}: membership AUC {found.auc:.3f} of {found.trained} trained on and {found.held_out} sealed, "
            f"p = {found.p:.4f}; {found.smallest:.3f} is the least that could be shown"
        )
        unseen = difference[len(trained_on) :]
        said = sum(shown_by_chance(unseen, draw) for draw in range(options.draws))
        sides = f"{MEMORISED} and {SEALED_OF_A_DRAW}"
        print(f"{name}: held out against held out, {sides}: {share(said, options.draws)} called known")


def shown_by_chance(difference: np.ndarray, draw: int) -> bool:
    some = np.random.default_rng([6, draw]).choice(len(difference), MEMORISED + SEALED_OF_A_DRAW, replace=False)
    return membership_test(difference[some], np.arange(len(some)) < MEMORISED, None, seed=draw).shown


if __name__ == "__main__":
    main()
