"""Does `woundgen tune` find, from the consultation's values, what the shipped preset reaches on the embedded base?

    python benchmarks/tuning_phantoms.py --phase I --out /tmp/tuning_I

On 640 phantoms of a phase: 100 to train on, 100 to select, 440 that confirm (`--shares`). The study starts from
configs/phase_X_config.yaml on the embedded base, `--budget 20-trials`. Then the shipped preset (presets/demo.yaml) is
trained on the same training phantoms with the confirmation's three seeds, and both are drawn with the same noise, in
the sampler steps of the study (15; docs/results.md, "Steps spaced by noise level"): gap closed of each on the
confirmation phantoms, and the difference of the chosen configuration from the preset with its interval (jackknife over
phantoms and images; mean over seeds of the ends). Finished parts are not done again; it may be killed and started anew.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from harness import compute_once, load_tuned, make_parser, read_options, render_once, train_run

from woundgen.cli import run
from woundgen.config.load import load_train_config
from woundgen.config.prompts import SHORT_PROMPT
from woundgen.config.train import TrainConfig, prompts_for
from woundgen.generation.in_memory import draw_images
from woundgen.metrics.gap import gap_closed
from woundgen.models.base import EMBEDDED, BaseModel, load_base
from woundgen.storage.checkpoint import newest_sound
from woundgen.storage.files import read_json, write_json
from woundgen.workflows.demo.job import PRESET
from woundgen.workflows.tune.confirm import CONFIRM_SEED, read_features
from woundgen.workflows.tune.division import CONFIRMATION
from woundgen.workflows.tune.reference import StudyReferences
from woundgen.workflows.tune.study import TuningStudy, open_study_references, read_study

SHARES = "0.15625,0.15625,0.6875"
PHANTOMS, SEEDS = 640, 3
SAMPLER_STEPS = 15


def main() -> None:
    parser = make_parser(__doc__, out=Path, budget="20-trials")
    parser.add_argument("--phase", choices=("I", "R"), default="I")
    options = read_options(parser)
    photographs = render_once(options.out / "photographs", count=PHANTOMS, phase=options.phase, seed=5)
    tuned, config = options.out / "tuned", f"configs/phase_{options.phase}_config.yaml"
    words = ["tune", "--config", config, "--set", "base_model=embedded", "--data", str(photographs)]
    words += ["--budget", options.budget, "--shares", SHARES, "--images", "100", "--out", str(tuned)]
    if code := run(words):
        sys.exit(code)
    print(json.dumps(compare_with_preset(options.out, tuned), indent=2))


def compare_with_preset(out: Path, tuned: Path) -> dict[str, Any]:
    """Return gap closed of the chosen configuration, the start and the preset for each seed, and the difference."""
    study = read_study(tuned)
    chosen = read_json(tuned / "tuning.json")["chosen"]
    references = open_study_references(study.config, study.photographs)
    count = study.confirmation_images
    real = references.side_features(CONFIRMATION, count)
    groups = references.side(CONFIRMATION, count).groups
    draw_features = partial(features_of, references, study.config, count)
    base = np.array(compute_once(out / "base.json", lambda: draw_features(load_base(EMBEDDED), SHORT_PROMPT, "", 0)))
    rows: dict[str, Any] = {"n": count, "chosen": chosen, "seeds": []}
    for number in range(SEEDS):

        def draw_preset(number: int = number) -> list[list[float]]:
            config, tuned_base = train_preset(study, out / f"preset_{number}", number)
            return draw_features(tuned_base, *prompts_for(config, config.photographs.phases[0]), number)

        sets = {
            "preset": np.array(compute_once(out / f"preset_{number}.json", draw_preset)),
            "start": read_features(study, f"confirm_start_seed_{number + 1}"),
            "tuned": read_features(study, f"confirm_{chosen}_seed_{number + 1}"),
        }
        gaps = {name: gap_closed(base, features, real, real_groups=groups) for name, features in sets.items()}
        apart = gap_closed(sets["preset"], sets["tuned"], real, real_groups=groups)
        # (preset - tuned) / (preset - floor), in the unit of the others: over (base - floor).
        scale = (gaps["preset"].tuned - gaps["preset"].floor) / (gaps["preset"].base - gaps["preset"].floor)
        difference = [scale * value for value in (apart.share.value, apart.share.low, apart.share.high)]
        rows["seeds"].append(
            {"gap_closed": {name: gap.share.value for name, gap in gaps.items()}, "tuned_less_preset": difference}
        )
        write_json(out / "gap.json", rows)
    rows["mean_difference"] = np.mean([row["tuned_less_preset"] for row in rows["seeds"]], axis=0).tolist()
    write_json(out / "gap.json", rows)
    return rows


def features_of(
    references: StudyReferences,
    config: TrainConfig,
    count: int,
    base: BaseModel,
    prompt: str,
    negative: str,
    number: int,
) -> list[list[float]]:
    """Return features of what `base` draws as the preset samples, with the noise of a confirmation seed."""
    images = draw_images(
        base, count=count, prompt=prompt, negative_prompt=negative,
        guidance_scale=load_train_config(PRESET).sampling.guidance_scale, steps=SAMPLER_STEPS,
        seed=CONFIRM_SEED + number, size=config.model.resolution,
    )  # fmt: skip
    features: list[list[float]] = references.network.pooled(images).tolist()
    return features


def train_preset(study: TuningStudy, folder: Path, number: int) -> tuple[TrainConfig, BaseModel]:
    """Train the preset on the study's training patients with a confirmation seed; return it with the tuned base."""
    phases, seed = study.config.photographs.phases, study.config.seed + CONFIRM_SEED + number
    preset = load_train_config(PRESET).with_values(phases=phases, seed=seed)
    train_run(preset, study.photographs, folder)
    checkpoint = newest_sound(folder / "checkpoints").folder
    assert checkpoint is not None
    base, _ = load_tuned(checkpoint)
    return preset, base


if __name__ == "__main__":
    main()
