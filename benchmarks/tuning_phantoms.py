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

import argparse
import json
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from woundgen.adapters.saved import apply_trained, find_adapter
from woundgen.cli import run
from woundgen.config.load import load_train_config
from woundgen.config.train import TrainConfig, prompts_for
from woundgen.generation.in_memory import draw_images
from woundgen.metrics.gap import gap_closed
from woundgen.models.base import load_base
from woundgen.runtime.console import Console
from woundgen.storage.checkpoint import newest_sound
from woundgen.storage.files import read_json, write_json
from woundgen.workflows.train.job import train_adapter
from woundgen.workflows.train.request import TrainRequest
from woundgen.workflows.train.session import TrainingJob
from woundgen.workflows.tune.confirm import CONFIRM_SEED, read_features
from woundgen.workflows.tune.division import CONFIRMATION
from woundgen.workflows.tune.reference import References
from woundgen.workflows.tune.study import open_study_references, read_study

SHARES = "0.15625,0.15625,0.6875"
PHANTOMS, SEEDS = 640, 3
PRESET = Path(str(files("woundgen") / "presets" / "demo.yaml"))
SAMPLER_STEPS = 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phase", choices=("I", "R"), default="I")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--budget", default="20-trials")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    photographs, tuned = options.out / "photographs", options.out / "tuned"
    if not (photographs / "metadata.csv").exists():
        words = ["phantoms", "--count", str(PHANTOMS), "--phases", options.phase, "--seed", "5"]
        require(run([*words, "--out", str(photographs)]))
    config = f"configs/phase_{options.phase}_config.yaml"
    words = ["tune", "--config", config, "--set", "base_model=embedded", "--data", str(photographs)]
    words += ["--budget", options.budget, "--shares", SHARES, "--images", "100", "--out", str(tuned)]
    require(run(words))
    print(json.dumps(compare_with_preset(options.out, tuned), indent=2))


def require(code: int) -> None:
    if code:
        sys.exit(code)


def compare_with_preset(out: Path, tuned: Path) -> dict[str, Any]:
    """Return gap closed of the chosen configuration, the start and the preset for each seed, and the difference."""
    study = read_study(tuned)
    chosen = read_json(tuned / "tuning.json")["chosen"]
    references = open_study_references(study.config, study.photographs)
    count = study.confirmation_images
    real = references.side_features(CONFIRMATION, count)
    groups = references.side(CONFIRMATION, count).groups
    base = features_of_base(references, study.config, count, out / "base.json")
    rows: dict[str, Any] = {"n": count, "chosen": chosen, "seeds": []}
    for number in range(SEEDS):
        sets = {
            "preset": features_of_preset(references, study.config, study.photographs, number, count, out),
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


def features_of_base(references: References, config: TrainConfig, count: int, path: Path) -> np.ndarray:
    """Return features of what the untuned base draws with the neutral prompt."""
    if not path.exists():
        base, preset = load_base("embedded"), load_train_config(PRESET)
        images = draw_images(
            base, count=count, prompt="photograph of a wound", negative_prompt="",
            guidance_scale=preset.sampling.guidance_scale, steps=SAMPLER_STEPS, seed=CONFIRM_SEED,
            size=config.model.resolution,
        )  # fmt: skip
        write_json(path, references.network.pooled(images).tolist())
    return np.array(json.loads(path.read_text()))


def features_of_preset(
    references: References, config: TrainConfig, photographs: Path, number: int, count: int, out: Path
) -> np.ndarray:
    """Return features of what the preset draws, trained on the study's training patients with a confirmation seed."""
    path, folder = out / f"preset_{number}.json", out / f"preset_{number}"
    if not path.exists():
        preset = load_train_config(PRESET)
        preset = preset.with_values(phases=config.photographs.phases, seed=config.seed + CONFIRM_SEED + number)
        require(train_adapter(TrainingJob(TrainRequest(preset, photographs, folder), Console())).exit_code)
        checkpoint = newest_sound(folder / "checkpoints").folder
        assert checkpoint is not None
        base = load_base("embedded")
        apply_trained(base, [(find_adapter(checkpoint, weights="auto").file, 1.0)])
        positive, negative = prompts_for(preset, preset.photographs.phases[0])
        images = draw_images(
            base, count=count, prompt=positive, negative_prompt=negative,
            guidance_scale=preset.sampling.guidance_scale, steps=SAMPLER_STEPS, seed=CONFIRM_SEED + number,
            size=config.model.resolution,
        )  # fmt: skip
        write_json(path, references.network.pooled(images).tolist())
    return np.array(json.loads(path.read_text()))


if __name__ == "__main__":
    main()
