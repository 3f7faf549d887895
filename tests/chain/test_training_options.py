"""Options of `woundgen train`: each run would fail its test if the option were ignored."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from woundgen.adapters.noise_schedule import as_trained
from woundgen.adapters.saved import find_adapter
from woundgen.cli import run
from woundgen.storage.checkpoint import newest_sound
from woundgen.storage.files import read_json, read_jsonl
from woundgen.training import noising

from .conftest import Workshop

QUIET = {
    "max_steps": 2, "evaluate_every_n_epochs": 9, "save_every_n_epochs": 9, "sample_images": 0, "probe_steps": 0,
    "post_hoc_ema": "false", "lora_dropout": 0, "validation_timesteps": 1,
}  # fmt: skip

Train = Callable[..., Path]


@pytest.fixture(scope="module")
def plain(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two steps with nothing added: what the others are held against."""
    out = tmp_path_factory.mktemp("plain") / "run"
    words = [word for key, value in QUIET.items() for word in ("--set", f"{key}={value}")]
    assert run(workshop.train(out, *words)) == 0
    return out


@pytest.fixture
def train(workshop: Workshop, tmp_path: Path) -> Iterator[Train]:
    """Train with these settings; the run's folder."""
    made: list[Path] = []

    def call(*, data: Path | None = None, out: Path | None = None, code: int = 0, **settings: object) -> Path:
        folder = out or tmp_path / f"run_{len(made)}"
        made.append(folder)
        pairs = {**QUIET, **settings}
        words = [word for key, value in pairs.items() for word in ("--set", f"{key}={value}")]
        assert run(workshop.train(folder, *words, data=data)) == code
        return folder

    return call  # type: ignore[return-value]


def rows(folder: Path) -> list[dict[str, Any]]:
    return list(read_jsonl(folder / "train.jsonl"))


def losses(folder: Path) -> list[float]:
    return [row["loss"] for row in rows(folder)]


def newest(folder: Path) -> Path:
    newest = newest_sound(folder / "checkpoints")
    assert not newest.faults
    found = newest.folder
    assert found is not None
    return found


def values(folder: Path) -> torch.Tensor:
    return load_file(newest(folder) / "state.safetensors")["values"]


@pytest.fixture(scope="module")
def both_phases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine photographs of phase I and three of R."""
    folder = tmp_path_factory.mktemp("both") / "photographs"
    assert run(["phantoms", "--count", "18", "--phases", "IR", "--size", "48", "--out", str(folder)]) == 0
    table = folder / "metadata.csv"
    with table.open() as file:
        reader = csv.DictReader(file)
        names, found = list(reader.fieldnames or ()), list(reader)
    kept = [row for row in found if row["phase"] == "I"][:9] + [row for row in found if row["phase"] == "R"][:3]
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(kept)
    return folder


def test_perceptual_term(train: Train, plain: Path) -> None:
    """Its own column and its share of the gradient; the weights go elsewhere, the diffusion loss starts the same."""
    on = train(perceptual_weight=0.1, perceptual_share=1, estimate_min_snr=0.01)
    assert losses(on)[0] == losses(plain)[0]
    assert all(row["perceptual"] > 0 and 0 < row["perceptual_gradient_share"] < 1 for row in rows(on))
    assert "perceptual" not in rows(plain)[0]
    assert read_json(on / "run.json")["config"]["perceptual_network"] == "embedded", "settled, not auto"
    assert not torch.equal(values(on), values(plain))


@pytest.mark.slow
def test_discriminator(train: Train) -> None:
    """The generator's term and what the discriminator tells right are logged and move; its state is saved."""
    on = train(adversarial_weight=0.1, estimate_min_snr=0.01, discriminator_rate=1e-2, max_steps=4)
    found = rows(on)
    assert len({row["adversarial"] for row in found}) == 4
    assert len({row["discriminator_real"] + row["discriminator_fake"] for row in found}) > 1
    saved = load_file(newest(on) / "state.safetensors")
    assert "discriminator.values" in saved
    assert saved["discriminator.optimizer.0.step"].item() == 4


@pytest.mark.slow
def test_region_weighting(
    train: Train, plain: Path, workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert losses(train(region_weight=8))[0] != losses(plain)[0]
    boxless = tmp_path / "boxless" / "I"
    boxless.mkdir(parents=True)
    for picture in sorted(workshop.photographs.rglob("*.png"))[:6]:
        shutil.copy(picture, boxless)
    capsys.readouterr()
    train(region_weight=8, data=boxless.parent, out=tmp_path / "refused", code=2)
    assert "x_min" in capsys.readouterr().err
    assert not (tmp_path / "refused").exists()


@pytest.mark.slow
def test_region_masks(train: Train, workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The masks count and not the boxes; a run is not gone on with when they have changed, nor without one of them."""
    masks = tmp_path / "masks"
    pictures = sorted(workshop.photographs.rglob("*.png"))
    for picture in pictures:
        path = masks / picture.relative_to(workshop.photographs)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.uint8(255 * (np.arange(48) < 12))[None].repeat(48, 0)).save(path)
    marked = {"region_weight": 8, "region_masks": masks, "max_steps": 1}
    on, boxed = train(**marked), train(region_weight=8, max_steps=1)
    assert losses(on) != losses(boxed)
    for picture in pictures:
        Image.new("L", (48, 48), 255).save(masks / picture.relative_to(workshop.photographs))
    capsys.readouterr()
    train(**marked, out=on, code=2)
    assert "the wound masks was digest" in capsys.readouterr().err
    shutil.rmtree(masks / "images" if (masks / "images").exists() else masks)
    train(**marked, out=tmp_path / "refused", code=2)
    assert "masks" in capsys.readouterr().err
    assert not (tmp_path / "refused").exists()


def test_zero_terminal_snr(
    train: Train,
    plain: Path,
    base_folders: dict[str, Path],
    make_base: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Trained on and drawn from a schedule that ends in pure noise; with epsilon refused before data are looked at."""
    on = train(zero_terminal_snr="true")
    assert losses(on)[0] != losses(plain)[0]
    base = make_base()
    drawn = as_trained(base, [find_adapter(on, weights="ema").file])
    assert drawn.alphas_cumprod[-1].item() == 0 < base.alphas_cumprod[-1].item()
    assert drawn.scheduler.config.timestep_spacing == "trailing"
    words = ["generate", "--adapter", str(on), "--count", "2", "--size", "32", "--steps", "3", "--block", "2"]
    assert run([*words, "--out", str(tmp_path / "set")]) == 0
    capsys.readouterr()
    train(zero_terminal_snr="true", base_model=base_folders["epsilon"], data=tmp_path / "nowhere", code=2)
    assert "zero_terminal_snr" in capsys.readouterr().err


def test_a_step_that_is_not_finite_is_logged_as_none(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loss null and `skipped`, never 0; the weights that are saved are finite."""
    spoil(monkeypatch, bad={1})
    on = train(max_steps=3, batch_size_per_gpu=8, gradient_accumulation=1)
    found = rows(on)
    assert [row["loss"] is None for row in found] == [False, True, False]
    assert [row.get("skipped", False) for row in found] == [False, True, False]
    assert read_json(newest(on) / "state.json")["skipped"] == 1
    assert values(on).isfinite().all()


def spoil(monkeypatch: pytest.MonkeyPatch, *, bad: set[int]) -> None:
    """Targets that are not numbers in these calls, as many as there are micro-batches."""
    calls, target = [0], noising.training_target

    def spoilt(*inputs: Any, **named: Any) -> torch.Tensor:
        calls[0] += 1
        found = target(*inputs, **named)
        return found * torch.nan if calls[0] - 1 in bad else found

    monkeypatch.setattr(noising, "training_target", spoilt)


def test_back_to_the_last_checkpoint_at_half_the_rate(
    train: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Saved after every second step; steps 4 to 8 fail: back to 2, on at half the rate, and it is recorded."""
    spoil(monkeypatch, bad=set(range(3, 8)))
    whole = {"batch_size_per_gpu": 8, "gradient_accumulation": 1, "max_steps": 9, "save_every_n_epochs": 1}
    on = train(**whole, lr_scheduler="constant", lr_warmup_steps=0)
    found = rows(on)
    assert [row["step"] for row in found] == list(range(1, 10))
    record = read_json(on / "run.json")["rollbacks"]
    assert len(record) == 1
    back = record[0]["back_to"]
    assert back == 2
    assert [row["learning_rate"] for row in found] == [1e-3] * back + [5e-4] * (9 - back)
    assert read_json(newest(on) / "state.json")["rollbacks"] == 1
    assert "at half the learning rate" in capsys.readouterr().out


def test_a_run_that_cannot_be_mended_stops_and_says_what_to_change(
    train: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(monkeypatch, bad=set(range(1, 99)))
    on = train(max_steps=20, batch_size_per_gpu=8, gradient_accumulation=1, code=2)
    said = capsys.readouterr().err
    assert "not finite for 5 steps in a row" in said
    assert "learning_rate" in said
    assert newest_sound(on / "checkpoints").folder is None, "nothing that is not finite was saved"


@pytest.mark.slow
def test_both_phases_in_turn(
    train: Train, both_phases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One adapter told apart by prompt: each phase fills half of a batch though one has three times the photographs,
    and `generate` draws the phase that is asked for."""
    joint = {"phases": "[I,R]", "prompts": "medical", "data": both_phases}
    on, off = train(**joint), train(**joint, balance_phases="false")
    assert losses(on) != losses(off)
    words = ["generate", "--adapter", str(on), "--count", "2", "--size", "32", "--steps", "2", "--block", "2"]
    capsys.readouterr()
    assert run([*words, "--out", str(tmp_path / "neither")]) == 2
    assert "--label I | R" in capsys.readouterr().err
    prompts = []
    for phase in ("I", "R"):
        assert run([*words, "--label", phase, "--out", str(tmp_path / phase)]) == 0
        (prompt,) = {row["prompt"] for row in read_jsonl(tmp_path / phase / "manifest.jsonl")}
        prompts.append(prompt)
    assert "inflammatory" in prompts[0]
    assert "remodeling" in prompts[1]


@pytest.mark.slow
def test_train_resolution(
    train: Train, plain: Path, workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trained and drawn at 64 pixels, reduced to 32: grids, sets, and the latents' size."""
    on = train(train_resolution=64, sample_images=1, evaluate_every_n_epochs=1)
    assert losses(on)[0] != losses(plain)[0]
    grid = next((on / "samples").glob("*.png"))
    assert Image.open(grid).size == (32, 32)
    words = ["generate", "--adapter", str(on), "--count", "2", "--size", "32", "--steps", "2", "--block", "2"]
    assert run([*words, "--out", str(tmp_path / "set")]) == 0
    assert read_json(tmp_path / "set" / "set.json")["sampler"]["height"] == 64
    drawn = np.asarray(Image.open(next((tmp_path / "set" / "images").glob("*.png"))))
    assert drawn.shape == (32, 32, 3)
    capsys.readouterr()
    photograph = next(path for path in workshop.photographs.rglob("*.png"))
    begun = ["--from", str(photograph), "--strength", "0.5", "--real", str(workshop.photographs)]
    assert run([*words, *begun, "--out", str(tmp_path / "begun")]) == 2
    assert "--from: the adapter draws at 64 pixels" in capsys.readouterr().err
    assert not (tmp_path / "begun").exists()


def test_bf16_on_a_cpu(train: Train, plain: Path) -> None:
    """Autocast is on: losses are near those of fp32 and not equal to them; the adapter stays in single precision."""
    half, single = train(mixed_precision="bf16"), plain
    assert losses(half)[0] != losses(single)[0]
    assert losses(half)[0] == pytest.approx(losses(single)[0], rel=0.03)
    assert values(half).dtype == torch.float32


def test_an_eight_bit_optimizer(
    train: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Without bitsandbytes a line that says so; with it (a stand-in here), it is what takes the steps."""
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    train(optimizer="adamw-8bit", out=tmp_path / "refused", code=2)
    assert "pip install bitsandbytes" in capsys.readouterr().err
    assert not (tmp_path / "refused").exists()
    asked: list[dict[str, Any]] = []

    def stand_in(parameters: Any, **settings: Any) -> torch.optim.Optimizer:
        asked.append(settings)
        return torch.optim.AdamW(parameters, **settings)

    monkeypatch.setitem(sys.modules, "bitsandbytes", SimpleNamespace(optim=SimpleNamespace(AdamW8bit=stand_in)))
    train(optimizer="adamw-8bit", max_steps=1)
    assert len(asked) == 1


def test_compile(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for, the loop runs what torch.compile gave; here a stand-in that counts."""
    compiled: list[Any] = []
    monkeypatch.setattr(torch, "compile", lambda module: compiled.append(module) or module)
    train(compile="true", max_steps=1)
    assert len(compiled) == 1


def can_compile(folder: Path) -> bool:
    """Whether the compiler that torch.compile takes makes a shared object with OpenMP here."""
    made = str(folder / "made.so")
    command = [os.environ.get("CXX", "g++"), "-x", "c++", "-shared", "-fPIC", "-fopenmp", "-o", made, "-"]
    try:
        return subprocess.run(command, input=b"#include <omp.h>\n#include <cmath>\n", check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.slow
def test_compiled_for_real(train: Train, plain: Path, tmp_path: Path) -> None:
    """What the compiler makes of the UNet and its adapter takes the steps that the UNet itself takes, to rounding."""
    if not can_compile(tmp_path):
        pytest.skip("no C++ compiler works here")
    compiled = train(compile="true")
    assert losses(compiled) == pytest.approx(losses(plain), rel=1e-4)


def test_the_plan_before_a_run(train: Train, plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Time, memory and disk from a probe that leaves no trace in the run."""
    probed = train(probe_steps=2)
    assert values(probed).equal(values(plain))
    said = capsys.readouterr().out
    for word in ("photographs", "steps", "images a step", "warm-up", "rate", "time", "memory", "disk"):
        assert word in said, word
    found = read_json(probed / "run.json")["estimate"]
    assert found["seconds_a_step"] > 0
    assert found["peak_bytes"] > 1e7
    size = sum(path.stat().st_size for path in (probed / "checkpoints").rglob("*.safetensors"))
    assert found["disk_bytes"] == pytest.approx(size, rel=0.35)
    assert read_json(plain / "run.json")["estimate"] is None


def test_all_of_it_resumes_exactly(train: Train, both_phases: Path, tmp_path: Path) -> None:
    """Perceptual term, discriminator, regions, balanced phases, snapshots: what a kill leaves goes on to the same."""
    settings = {
        "data": both_phases, "phases": "[I,R]", "prompts": "medical", "max_steps": 4, "save_every_n_epochs": 1,
        "perceptual_weight": 0.1, "perceptual_share": 0.5, "perceptual_network": "embedded", "adversarial_weight": 0.1,
        "region_weight": 3, "estimate_min_snr": 0.01, "post_hoc_ema": "true", "lora_dropout": 0.1,
    }  # fmt: skip
    whole = train(**settings)
    end = load_file(newest(whole) / "state.safetensors")
    again = _resumed(train, settings, whole, tmp_path)
    found = load_file(newest(again) / "state.safetensors")
    assert newest(again).name == newest(whole).name
    assert {key for key in found if key.startswith(("discriminator.", "power."))} >= {"discriminator.values"}
    for key, tensor in end.items():
        if not key.startswith("generator."):
            assert torch.equal(tensor, found[key]), key
    assert rows(again) == rows(whole)


def _resumed(train: Train, settings: dict[str, Any], whole: Path, tmp_path: Path) -> Path:
    """The run as a kill after its first checkpoint left it, gone on with."""
    again = tmp_path / "again" / "run_0"
    shutil.copytree(whole, again)
    folders = sorted(path for path in (again / "checkpoints").glob("epoch_*") if path.is_dir())
    assert len(folders) > 2
    for folder in folders[1:]:
        shutil.rmtree(folder)
    (again / "checkpoints" / "latest").write_text(folders[0].name + "\n")
    (again / "checkpoints" / "best").unlink(missing_ok=True)
    return train(**settings, out=again)


@pytest.mark.slow
def test_prodigy_resumes_exactly(train: Train, tmp_path: Path) -> None:
    """Its estimate of the rate, which lies beside the moments, goes on where it was; the rate has grown by then."""
    settings = {"optimizer": "prodigy", "learning_rate": 1, "lr_scheduler": "constant", "lora_dropout": 0.1}
    settings |= {"max_steps": 22, "save_every_n_epochs": 1, "keep_last_n_checkpoints": 22}
    whole = train(**settings)
    again = _resumed(train, settings, whole, tmp_path)
    end, found = (load_file(newest(folder) / "state.safetensors") for folder in (whole, again))
    for key, tensor in end.items():
        if not key.startswith("generator."):
            assert torch.equal(tensor, found[key]), key
    assert rows(again) == rows(whole)
    assert end["optimizer.group.0.d"] > 1.1e-6, "it begins at 1e-6, and grows from step 16 on here"


def test_prodigy_without_its_library(
    train: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "prodigyopt", None)
    train(optimizer="prodigy", out=tmp_path / "refused", code=2)
    assert "woundgen[prodigy]" in capsys.readouterr().err
    assert not (tmp_path / "refused").exists()
