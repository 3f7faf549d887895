"""Breaks one option after the other in a copy of the sources, and runs the tests that claim it: each has to fail.

    python scripts/break_options.py [--only WORD ...]

A break is one text that is replaced by another, so that the option is read and ignored. Takes some seconds each; the
working tree is not touched. Exit code 1 where a break goes unnoticed, or its text is no longer in the file.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
ARRIVE = "tests/chain/test_settings_arrive.py"
OPTIONS = "tests/chain/test_training_options.py"
METHODS = "tests/chain/test_methods.py"
ADAPTER = "tests/unit/adapters/test_lora.py"


@dataclass(frozen=True, slots=True)
class Break:
    """In src/woundgen/`file`, `text` becomes `instead`; the tests of `test` (a file, and -k words) claim `option`."""

    option: str
    file: str
    text: str
    instead: str
    test: str
    words: str = ""


BREAKS = (
    Break("lora_rank", "adapters/lora.py", "r=settings.rank,", "r=2,", ADAPTER, "foretold"),
    Break("lora_alpha", "adapters/methods.py", "alpha=config.lora_alpha", "alpha=config.lora_rank", ARRIVE),
    Break("lora_dropout", "workflows/train/job.py", "dropout=config.lora_dropout)", "dropout=0.1)", ARRIVE),
    Break("lora_rslora", "adapters/lora.py", "use_rslora=settings.stabilised", "use_rslora=False", METHODS, "rslora"),
    Break("lora_dora", "adapters/lora.py", "use_dora=settings.decomposed", "use_dora=False", METHODS, "dora"),
    Break("lora_text_encoder", "adapters/methods.py", "if config.lora_text_encoder else", "if False else", METHODS,
          "text_encoder"),
    Break("training_method", "adapters/methods.py", '"full": _whole', '"full": _lora',
          "tests/unit/adapters/test_methods.py", "what_moves"),
    Break("token_vectors", "adapters/methods.py", "token_of(config), config.token_vectors", "token_of(config), 1",
          METHODS, "three_rows"),
    Break("prior_weight", "workflows/train/job.py", "weight=config.prior_weight", "weight=1.0", METHODS, "dreambooth"),
    Break("negative_prompt", "workflows/generate/model.py", "[recipe.negative_prompt]", '[""]',
          "tests/chain/test_prompts.py", "negative"),
    Break("min_snr_gamma", "training/loop.py", "if s.snr_gamma is not None:", "if False:",
          "tests/unit/training/test_loop.py", "each_setting"),
    Break("min_snr_gamma, from the config", "workflows/train/settings.py", "snr_gamma=config.min_snr_gamma",
          "snr_gamma=None",
          ARRIVE),
    Break("noise_offset", "training/loop.py", "if s.noise_offset > 0:", "if False:",
          "tests/unit/training/test_loop.py", "noise_offset"),
    Break("prompt_dropout", "training/loop.py", "slot) < s.prompt_dropout", "slot) < 0.0",
          "tests/unit/training/test_loop.py", "each_setting"),
    Break("gradient_checkpointing", "workflows/train/job.py", "if config.gradient_checkpointing:", "if False:", ARRIVE),
    Break("cuda_graphs", "workflows/train/job.py", "if config.cuda_graphs and", "if",
          "tests/unit/models/test_cuda_graphs.py"),
    Break("mixed_precision", "runtime/devices.py", "    return mixed\n", "    return 'fp32'\n", OPTIONS, "bf16"),
    Break("perceptual_weight", "workflows/train/loss_terms.py", "weight=config.perceptual_weight", "weight=0.1",
          ARRIVE),
    Break("perceptual term", "training/terms.py", "gradient = gradient + own", "gradient = gradient", OPTIONS,
          "perceptual"),
    Break("perceptual_share", "training/terms.py", "term.picks(position)]", "True]",
          "tests/unit/training/test_terms.py", "expectation"),
    Break("estimate_min_snr", "training/terms.py", "abar >= term.least_snr * (1 - abar)", "abar >= 0",
          "tests/unit/training/test_terms.py", "low_noise"),
    Break("discriminator", "training/terms.py", "term.judge.learn(estimate.detach(), clean)", "pass", OPTIONS,
          "discriminator"),
    Break("discriminator, over processes", "training/discriminator.py", "ranks.add_up(self.flat.gradient)", "pass",
          "tests/chain/test_two_processes.py"),
    Break("region_weight", "workflows/train/loss_regions.py", "weight=config.region_weight, side",
          "weight=1.5, side", ARRIVE),
    Break("region_masks", "workflows/train/loss_regions.py", "folder=folder,", "folder=None,", OPTIONS, "region_masks"),
    Break("zero_terminal_snr", "workflows/train/job.py", "if config.zero_terminal_snr:", "if False:", OPTIONS,
          "terminal"),
    Break("balance_phases", "workflows/train/job.py", "if config.balance_phases else None", "if True else None",
          OPTIONS,
          "both_phases"),
    Break("augmentation_variations", "workflows/train/job.py", "count=config.augmentation_variations if", "count=2 if",
          ARRIVE),
    Break("ema_warmup", "adapters/ema.py", "if warmup else decay", "if False else decay",
          "tests/unit/adapters/test_ema.py"),
    Break("post_hoc_ema", "training/loop.py", "update_power(average", "update_power(average.clone()",
          "tests/chain/test_post_hoc_ema.py", "length"),
    Break("train_resolution", "config/train.py", "return self.train_resolution or self.resolution",
          "return self.resolution",
          OPTIONS, "train_resolution"),
    Break("early_stopping_metric", "workflows/train/observer.py", "metric = self.config.early_stopping_metric",
          'metric = "val_loss"', "tests/unit/workflows/train/test_observer.py"),
    Break("compile", "workflows/train/job.py", "if config.compile:", "if False:", OPTIONS, "compile"),
    Break("optimizer", "workflows/train/job.py", "kind=config.optimizer", 'kind="adamw"', OPTIONS, "eight_bit"),
    Break("weight_decay", "workflows/train/job.py", "weight_decay=config.weight_decay", "weight_decay=0.01", ARRIVE),
    Break("lr_scheduler", "workflows/train/job.py", "config.lr_scheduler, peak", '"cosine", peak', ARRIVE),
)  # fmt: skip


def noticed(one: Break, copy: Path) -> str:
    """What came of it, in a word."""
    path = copy / "src" / "woundgen" / one.file
    whole = path.read_text()
    if whole.count(one.text) != 1:
        return f"its text is there {whole.count(one.text)} times"
    path.write_text(whole.replace(one.text, one.instead))
    try:
        words = ["-k", one.words] if one.words else []
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", one.test, *words],
            cwd=copy, env={**os.environ, "PYTHONPATH": str(copy / "src")}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        path.write_text(whole)
    return {0: "NOT NOTICED", 1: "noticed"}.get(done.returncode, f"pytest ended with {done.returncode}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], help="options that hold one of these words")
    options = parser.parse_args()
    chosen = [one for one in BREAKS if not options.only or any(word in one.option for word in options.only)]
    unnoticed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", "__pycache__", "docs", ".*_cache"))
        for one in chosen:
            result = noticed(one, copy)
            unnoticed += result != "noticed"
            print(f"| {one.option} | `{one.test}` | {result} |", flush=True)
    print(f"{len(chosen)} breaks, {unnoticed} not noticed")
    return int(unnoticed > 0)


if __name__ == "__main__":
    sys.exit(main())
