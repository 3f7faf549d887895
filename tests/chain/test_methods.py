"""Each training method through `train`, a stop, `--resume` and `generate`: what it leaves is what it was asked for."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file

from woundgen.adapters.saved import apply_trained
from woundgen.cli import run
from woundgen.errors import UserError
from woundgen.models.base import BaseModel, encode_prompts
from woundgen.models.learned_tokens import load_embedding
from woundgen.storage.checkpoint import newest_sound
from woundgen.storage.files import read_json
from woundgen.storage.names import ADAPTER_FILE, EMBEDDING_FILE, TRAINED_FILES, WHOLE_FILE
from woundgen.training.loop import StepReport
from woundgen.workflows.train.observer import Observer

from ..tiny_base import pipeline_of
from .conftest import METHODS, Workshop, contents

QUIET = ("max_steps=4", "sample_images=0", "evaluate_every_n_epochs=2", "save_every_minutes=null")
DRAW = ["generate", "--count", "2", "--block", "2", "--steps", "2", "--size", "32"]
TOKEN = "<wound-I>"


def settings(*more: str) -> list[str]:
    return [word for setting in (*QUIET, *more) for word in ("--set", setting)]


def newest(out: Path) -> Path:
    newest = newest_sound(out / "checkpoints")
    assert not newest.faults
    found = newest.folder
    assert found is not None
    return found


@pytest.fixture(scope="module")
def trained_by(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The run of a method, trained once."""
    runs: dict[tuple[str, ...], Path] = {}

    def trained(*more: str) -> Path:
        if more not in runs:
            runs[more] = tmp_path_factory.mktemp("methods") / "run"
            assert run(workshop.train(runs[more], *settings(*more))) == 0
        return runs[more]

    return trained


def drawn(place: Path | str, out: Path, *more: str) -> np.ndarray:
    assert run([*DRAW, "--adapter", str(place), "--out", str(out), *more]) == 0
    return np.stack([np.asarray(Image.open(path)) for path in sorted((out / "images").iterdir())])


def test_a_whole_unet(
    trained_by: Callable[..., Path], loaded_base: BaseModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of its parameters are trained, diffusers opens it, and what is drawn is what its weights draw."""
    out = trained_by(*METHODS["full"])
    total = sum(p.numel() for p in loaded_base.unet.parameters())
    assert read_json(out / "run.json")["parameters"]["trainable"] == total
    unet = UNet2DConditionModel.from_pretrained(newest(out) / "raw", use_safetensors=True)
    moved = [not torch.equal(a, b) for a, b in zip(unet.parameters(), loaded_base.unet.parameters(), strict=True)]
    assert all(moved)
    assert str(loaded_base.folder) not in (newest(out) / "raw" / "config.json").read_text()
    assert {path.name for path in (newest(out) / "ema").iterdir()} == {
        WHOLE_FILE, "config.json", "woundgen_adapter.json",
    }  # fmt: skip
    ours = drawn(newest(out) / "raw", tmp_path / "whole")
    base = drawn(f"{newest(out) / 'raw'}*0", tmp_path / "none")
    assert np.abs(ours.astype(int) - base.astype(int)).mean() > 0.1


@pytest.mark.slow
def test_old_whole_checkpoints_are_trimmed(workshop: Workshop, tmp_path: Path) -> None:
    """Each is as large as the base: only the last and the best keep their weights."""
    out = tmp_path / "run"
    more = ("keep_last_n_checkpoints=1", "save_every_n_epochs=1", "monitor=val_loss", *METHODS["full"])
    assert run(workshop.train(out, *settings(*more), "--set", "max_steps=8")) == 0
    folders = sorted(path for path in (out / "checkpoints").glob("epoch_*"))
    best = (out / "checkpoints" / "best").read_text().strip()
    assert len(folders) > 2
    kept = {folder.name for folder in folders if (folder / "raw" / WHOLE_FILE).exists()}
    assert kept == {folders[-1].name, best}


def test_a_learned_word(trained_by: Callable[..., Path], make_base: Any, tmp_path: Path) -> None:
    """One row [16], moved from where it started; diffusers reads the prompt with it as we do, and it draws."""
    out = trained_by(*METHODS["textual_inversion"])
    base = make_base()
    width = base.text_encoder.config.hidden_size
    assert read_json(out / "run.json")["parameters"]["trainable"] == width
    (token, row), *others = load_file(newest(out) / "raw" / EMBEDDING_FILE).items()
    assert (token, row.shape, others) == (TOKEN, (width,), [])
    start = base.text_encoder.get_input_embeddings().weight[base.tokenizer.convert_tokens_to_ids("wound</w>")]
    assert 1e-3 < (row - start).abs().max() < 0.2, "the wound's row, and some steps of 1e-2 on"
    notes = read_json(newest(out) / "raw" / "woundgen_adapter.json")
    assert notes["prompt"] == f"photograph of a {TOKEN} wound"
    ours = drawn(newest(out) / "raw", tmp_path / "learned")
    other = drawn(newest(out) / "raw", tmp_path / "plain", "--prompt", "photograph of a wound")
    assert (ours != other).any()


def test_a_word_of_three_rows(trained_by: Callable[..., Path], fresh_base: BaseModel) -> None:
    out = trained_by(*METHODS["textual_inversion"], "token_vectors=3", "instance_token=zyx")
    rows = load_file(newest(out) / "raw" / EMBEDDING_FILE)["zyx"]
    assert rows.shape == (3, fresh_base.text_encoder.config.hidden_size)
    assert len({tuple(row.tolist()) for row in rows}) == 3, "each has learned for itself"


@pytest.mark.slow
@pytest.mark.parametrize("method", [name for name in METHODS if name != "lora"])
def test_a_stop_costs_nothing(
    method: str,
    trained_by: Callable[..., Path],
    workshop: Workshop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SIGTERM after the second step; the same command then ends with the bytes of the run that nobody stopped."""
    out = tmp_path / "run"
    words, after_step = workshop.train(out, *settings(*METHODS[method])), Observer.after_step

    def signalled(self: Observer, report: StepReport) -> bool:
        if report.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return after_step(self, report)

    monkeypatch.setattr(Observer, "after_step", signalled)
    assert run(words) == 143
    assert read_json(newest(out) / "state.json")["step"] == 2
    monkeypatch.undo()
    assert run([*words, "--resume", "latest"]) == 0
    whole = newest(trained_by(*METHODS[method]))
    mine = contents(newest(out))
    for name, content in contents(whole).items():
        if name.endswith((".safetensors", ".jsonl")) or name == "state.json":
            assert mine[name] == content, name


@pytest.mark.slow
def test_dreambooth_with_class_images(
    trained_by: Callable[..., Path], workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Drawn once into the run folder; without them, or with another weight, another model is trained."""
    dreambooth = ("training_method=dreambooth", "learning_rate=1e-4", "class_images=5")
    out = tmp_path / "run"
    capsys.readouterr()
    assert run(workshop.train(out, *settings(*dreambooth))) == 0
    assert "drawing 5 class images, once: photograph of a wound" in capsys.readouterr().out
    (kept,) = (out / "cache").glob("class_images_*.npy")
    images = np.load(kept)
    assert images.shape == (5, 32, 32, 3)
    assert len({image.tobytes() for image in images}) == 5
    assert run(workshop.train(out, *settings(*dreambooth))) == 0
    assert "class images" not in capsys.readouterr().out
    notes = read_json(newest(out) / "raw" / "woundgen_adapter.json")
    assert notes["prompt"] == "photograph of a sks wound"
    runs = {
        "1": out,
        "0": trained_by(*dreambooth, "prior_weight=0"),
        "9": trained_by(*dreambooth, "prior_weight=9"),
        "full": trained_by(*METHODS["full"]),
    }
    weights = {name: (newest(folder) / "raw" / WHOLE_FILE).read_bytes() for name, folder in runs.items()}
    assert len(set(weights.values())) == len(weights)
    assert not (runs["0"] / "cache").exists() or not list((runs["0"] / "cache").glob("class_images_*"))


@pytest.mark.parametrize(
    "more", [pytest.param("lora_rslora=true", marks=pytest.mark.slow), "lora_dora=true", "lora_text_encoder=true"]
)
def test_kinds_of_lora(
    more: str, trained_by: Callable[..., Path], loaded_base: BaseModel, fresh_base: BaseModel, tmp_path: Path
) -> None:
    """Each leaves another adapter than plain LoRA; it draws; and diffusers computes with it what we do."""
    plain, out = trained_by(), trained_by(more)
    file, other = (newest(folder) / "raw" / ADAPTER_FILE for folder in (out, plain))
    assert file.read_bytes() != other.read_bytes()
    drawn(newest(out) / "raw", tmp_path / "drawn")
    ours = replace(fresh_base, text_encoder=deepcopy(fresh_base.text_encoder))
    apply_trained(ours, [(file, 1.0)])
    theirs = pipeline_of(
        replace(loaded_base, text_encoder=deepcopy(loaded_base.text_encoder)), unet=deepcopy(loaded_base.unet)
    )
    theirs.load_lora_weights(file.parent)
    prompt = ["photograph of a wound"]
    expected, _ = theirs.encode_prompt(prompt, "cpu", 1, False)
    states = encode_prompts(ours, prompt)
    torch.testing.assert_close(states, expected, rtol=1e-5, atol=1e-5)
    assert ("text" in more) == (not torch.equal(states, encode_prompts(loaded_base, prompt)))
    noisy = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    results = [unet(noisy, torch.tensor([500]), states).sample for unet in (ours.unet, theirs.unet, loaded_base.unet)]
    torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-5)
    assert (results[0] - results[2]).abs().max() > 10 * (results[0] - results[1]).abs().max()


def test_adapters_add_up(trained_by: Callable[..., Path], loaded_base: BaseModel, make_base: Any) -> None:
    """At halves twice what one gives whole, of each kind; a learned word has no strength."""
    for more in ((), ("lora_dora=true",), METHODS["full"]):
        folder = newest(trained_by(*more)) / "raw"
        file = next(folder / name for name in TRAINED_FILES if (folder / name).exists())
        once, twice = make_base(), make_base()
        apply_trained(once, [(file, 1.0)])
        apply_trained(twice, [(file, 0.5), (file, 0.5)])
        for name, weight in once.unet.named_parameters():
            torch.testing.assert_close(twice.unet.get_parameter(name), weight, rtol=1e-5, atol=1e-6)
    word = newest(trained_by(*METHODS["textual_inversion"])) / "raw" / EMBEDDING_FILE
    with pytest.raises(UserError, match="has no strength"):
        apply_trained(loaded_base, [(word, 0.5)])


@pytest.mark.slow
def test_sdxl_is_trained_and_draws(
    sdxl_folder: Path, workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both of its encoders adapted too; a learned word, which needs one encoder, is refused in a line."""
    out = tmp_path / "run"
    more = settings(f"base_model={sdxl_folder}", "lora_text_encoder=true")
    assert run(workshop.train(out, *more)) == 0
    tensors = load_file(newest(out) / "raw" / ADAPTER_FILE)
    for part in ("unet.", "text_encoder.", "text_encoder_2."):
        lows = [value for key, value in tensors.items() if key.startswith(part) and "lora_B" in key]
        assert lows, part
        assert any(value.abs().max() > 0 for value in lows), part  # nothing reads the first encoder's last layer
    ours, base = drawn(newest(out) / "raw", tmp_path / "a"), drawn(f"{newest(out) / 'raw'}*0", tmp_path / "b")
    assert (ours != base).any()
    capsys.readouterr()
    words = settings(f"base_model={sdxl_folder}", *METHODS["textual_inversion"])
    assert run(workshop.train(tmp_path / "word", *words)) == 2
    assert "needs one text encoder" in capsys.readouterr().err
    assert not (tmp_path / "word").exists()


def test_a_run_keeps_its_method(
    trained_by: Callable[..., Path], workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    out = trained_by(*METHODS["full"])
    before = contents(out)
    capsys.readouterr()
    assert run(workshop.train(out, *settings("learning_rate=1e-4"), "--allow-changes")) == 2
    assert "training_method cannot change within a run" in capsys.readouterr().err
    assert contents(out) == before


def test_diffusers_reads_the_word_as_we_do(trained_by: Callable[..., Path], make_base: Any) -> None:
    """load_textual_inversion, one row and three."""
    for more in ((), ("token_vectors=3", "instance_token=zyx")):
        file = newest(trained_by(*METHODS["textual_inversion"], *more)) / "raw" / EMBEDDING_FILE
        bases = [make_base() for _ in range(2)]
        ours, theirs = (
            replace(base, text_encoder=deepcopy(base.text_encoder), tokenizer=deepcopy(base.tokenizer))
            for base in bases
        )
        prompt = f"photograph of a {'zyx' if more else TOKEN} wound"
        plain = encode_prompts(ours, [prompt])
        load_embedding(ours.tokenizer, ours.text_encoder, file)
        pipeline = pipeline_of(theirs)
        pipeline.load_textual_inversion(file)
        expected, _ = pipeline.encode_prompt([prompt], "cpu", 1, False)
        assert torch.equal(encode_prompts(ours, [prompt]), expected)
        assert not torch.equal(plain, expected)
