"""Names of the files and folders of runs, sets and reports: the only place that knows them."""

from __future__ import annotations

import os
from pathlib import Path

RUN_JSON = "run.json"
TRAIN_LOG = "train.jsonl"
EVAL_LOG = "eval.jsonl"
CHECKPOINTS = "checkpoints"
AVERAGES = "averages"  # post-hoc EMA, built from the checkpoints' snapshots
SAMPLES = "samples"
CACHE = "cache"
TENSORBOARD = "tensorboard"
REPORT_HTML = "report.html"
REPORT_RECORD = ".woundgen_report.json"  # which runs and sets a folder's pages are of
PRIVATE_REPORT_HTML = "report_private.html"
QUALITY_COMPARISON = "QUALITY_COMPARISON.md"
LATEST, BEST = "latest", "best"
STATE_JSON, STATE_TENSORS, MANIFEST = "state.json", "state.safetensors", "manifest.json"
ADAPTER_FILE = "pytorch_lora_weights.safetensors"  # the name diffusers looks for
WHOLE_FILE = "diffusion_pytorch_model.safetensors"  # likewise, of a whole UNet
EMBEDDING_FILE = "learned_embeds.safetensors"  # likewise, of a textual inversion
TRAINED_FILES = (ADAPTER_FILE, WHOLE_FILE, EMBEDDING_FILE)  # what a run can leave: one of them
ADAPTER_NOTES = "woundgen_adapter.json"
IMAGES = "images"
METADATA_CSV, MANIFEST_JSONL = "metadata.csv", "manifest.jsonl"
IMPORT_CSV, IMPORT_JSON, LEFT_OUT_CSV = "manifest.csv", "import.json", "left_out.csv"
CHECK_HTML, CHECK_TXT = "check.html", "check.txt"
SET_JSON, COUNTS_JSON = "set.json", "counts.json"
QUARANTINE = "quarantine"
CALIBRATION_JSON, CALIBRATION_MD, CALIBRATION_SVG = "calibration.json", "CALIBRATION.md", "calibration.svg"
AUDIT_JSON, AUDIT_MD, AUDIT_HTML = "privacy.json", "PRIVACY.md", "privacy.html"
NEAREST_PAIRS = "nearest_pairs.png"
DIFFUSERS_SCRIPT = "draw_with_diffusers.py"
CROISSANT_JSON = "croissant.json"
DATASET_CARD = "README.md"  # where people and dataset hubs look for it
LOCK = ".woundgen.lock"
MARKER = ".woundgen.json"  # whose folder it is
METRICS_JSON = "metrics.json"
HOLDOUT_METRICS_JSON = "metrics_holdout.json"
OPENED_JSONL = "opened_holdout.jsonl"  # each look at the sealed side
SUMMARY_JSON = "summary.json"
STAGES_JSON = "stages.json"  # of `woundgen run`: which stages are done
EXPOSURE_JSON = "exposure.json"
OLD_EXPOSURE_JSON = "training_groups.json"  # of older sets; readers of image folders take it for a split "train"
PREPARATION_JSON = "preparation.json"
GENERATED_PATCHES, PHOTOGRAPH_PATCHES = "telltale_patches/generated", "telltale_patches/photographs"
STUDY_JSON, TRUTH_JSON, LINKS_JSON = "study.json", "truth.json", "links.json"
REVIEW_JSONL = "review.jsonl"
TUNE_JSON, TUNED_YAML, TUNED_CONFIG_YAML = "tune.json", "tuned.yaml", "config.yaml"
TUNING_JSON, TUNING_MD, TUNING_HTML, OPTUNA_JOURNAL = "tuning.json", "TUNING.md", "tuning.html", "optuna.journal"
UTILITY_JSON, UTILITY_HTML, UTILITY_MD = "utility.json", "utility.html", "UTILITY.md"


def prepared_folder() -> Path:
    """Return the private folder of prepared photographs: $WOUNDGEN_PREPARED, else ~/.cache/woundgen/prepared."""
    return Path(os.environ.get("WOUNDGEN_PREPARED", "~/.cache/woundgen/prepared")).expanduser()


def patient_key_file() -> Path:
    """The user's key for patient ids of DICOM files: $WOUNDGEN_PATIENT_KEY, else next to prepared photographs."""
    named = os.environ.get("WOUNDGEN_PATIENT_KEY")
    return Path(named).expanduser() if named else prepared_folder().with_name("patient_key")


def private_folder(out: Path) -> Path:
    """Beside what may be shared, so that the folder to share can be passed on whole."""
    return out.with_name(f"{out.name}.private")


def fold_folder(out: Path, fold: int) -> Path:
    """The run of one fold, beside what --out names, where `utility --runs` looks for it."""
    return out.with_name(f"{out.name}_fold_{fold}")


def training_report(phase: str) -> str:
    return f"TRAINING_REPORT_phase_{phase}.md"


def checkpoint_name(epoch: int, step: int) -> str:
    return f"epoch_{epoch:04d}_step_{step:06d}"
