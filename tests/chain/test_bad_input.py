"""A user's mistake costs one line that names it, exit code 2, and nothing else: no file, no traceback."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from woundgen.cli import run
from woundgen.storage.names import ADAPTER_FILE

from .conftest import Workshop, contents

Spoil = Callable[[Path], None]


def refusal(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr, of a command that ends with exit code 2."""
    capsys.readouterr()
    assert run(words) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A class folder with three photographs of phase I."""
    rng = np.random.default_rng(1)
    (tmp_path / "photographs" / "I").mkdir(parents=True)
    for index in range(3):
        pixels = rng.integers(0, 256, (6, 6, 3)).astype(np.uint8)
        picture = Image.fromarray(pixels).resize((48, 48), Image.Resampling.BICUBIC)
        picture.save(tmp_path / "photographs" / "I" / f"{index}.png")
    return tmp_path / "photographs"


def _missing(folder: Path) -> None:
    shutil.rmtree(folder)


def _other_phase(folder: Path) -> None:
    (folder / "I").rename(folder / "R")


def _no_images(folder: Path) -> None:
    for path in (folder / "I").iterdir():
        path.unlink()


def _one_image(folder: Path) -> None:
    (folder / "I" / "1.png").unlink()
    (folder / "I" / "2.png").unlink()


def _text_named_png(folder: Path) -> None:
    (folder / "I" / "notes.png").write_text("not a picture")


def _truncated_jpeg(folder: Path) -> None:
    path = folder / "I" / "cut.jpg"
    Image.open(folder / "I" / "0.png").resize((200, 200)).save(path)
    path.write_bytes(path.read_bytes()[:-500])


def _one_pixel(folder: Path) -> None:
    Image.new("RGB", (1, 1)).save(folder / "I" / "dot.png")


def _animated_gif(folder: Path) -> None:
    frames = [Image.new("P", (48, 48), colour) for colour in (1, 2)]
    frames[0].save(folder / "I" / "film.gif", save_all=True, append_images=frames[1:])


def _animated_png(folder: Path) -> None:
    frames = [Image.new("RGB", (48, 48), colour) for colour in ("red", "green")]
    frames[0].save(folder / "I" / "film.png", save_all=True, append_images=frames[1:])


def _unknown_phase(folder: Path) -> None:
    (folder / "metadata.csv").write_text("file_name,phase\nI/0.png,I\nI/1.png,Q\nI/2.png,I\n")


def _missing_column(folder: Path) -> None:
    (folder / "metadata.csv").write_text("file,phase\nI/0.png,I\n")


def _row_without_a_file(folder: Path) -> None:
    (folder / "metadata.csv").write_text("file_name,phase\nI/0.png,I\nI/9.png,I\n")


@pytest.mark.parametrize(
    ("spoil", "names"),
    [
        (_missing, "photographs"),
        (_other_phase, "no photograph of phase I"),
        (_no_images, "phase I"),
        (_one_image, "one photograph of phase I"),
        (_text_named_png, "notes.png"),
        (_truncated_jpeg, "cut.jpg"),
        (_one_pixel, "dot.png"),
        (_animated_gif, "film.gif"),
        (_animated_png, "film.png"),
        (_unknown_phase, "'Q'"),
        (_missing_column, "file_name"),
        (_row_without_a_file, "I/9.png"),
    ],
)
def test_photographs_that_cannot_be_used(
    spoil: Spoil,
    names: str,
    photographs: Path,
    workshop: Workshop,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(photographs)
    before = contents(tmp_path)
    said = refusal(workshop.train(tmp_path / "out", data=photographs), capsys)
    assert names in said
    assert str(photographs) in said
    assert contents(tmp_path) == before
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "names"),
    [
        (["--set", "lora_rnak=8"], "unknown key 'lora_rnak', did you mean 'lora_rank'?"),
        (["--set", "learning_rate=fast"], "learning_rate = 'fast'"),
        (["--set", "lora_target_modules=[to_q, to_x]"], "lora_target_modules: to_x"),
        (["--set", "lora_target_modules=[to_q"], "--set 'lora_target_modules=[to_q'"),
        (["--set", "resolution=36"], "resolution = 36"),
        (["--set", "lora_rank=64"], "lora_rank = 64"),
        (["--set", "lora_rank=17"], "lora_rank = 17 is larger than layer"),
        (["--set", "lora_alpha=0"], "lora_alpha = 0"),
        (["--set", "resolution=130"], "resolution = 130"),
        (["--set", "prompts=custom", "--set", "prompt={R: pale}"], "prompt: phase I has none"),
        (["--set", "training_method=sdft"], "training_method = 'sdft'"),
        (["--set", "training_method=full", "--set", "lora_rslora=true"], "lora_rslora is of training_method: lora"),
        (["--set", "training_method=textual_inversion", "--set", "instance_token=wound"], "a word of this base model"),
        (["--set", "base_model=sd99"], "base_model: 'sd99'"),
        (["--set", "metric_images=8"], "metric_images = 8"),
        (["--set", "phases=[I, R]"], "prompts: short gives the phases I, R the same text"),
        (["--resume", "best"], "--resume best"),
        (["--resume", "latest"], "--resume latest"),
        (["--resume", "epoch_50.pt"], "--resume epoch_50.pt"),
        (["--no-such-option"], "--no-such-option"),
    ],
)
def test_settings_that_cannot_work(
    more: list[str], names: str, workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert names in refusal(workshop.train(tmp_path / "out", *more), capsys)
    assert not (tmp_path / "out").exists()


def test_a_missing_config(workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "phase_X_config.yaml"
    assert str(config) in refusal(workshop.train(tmp_path / "out", config=config), capsys)
    assert not (tmp_path / "out").exists()


def test_no_photographs_named(workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(["train", "--config", str(workshop.config), "--out", str(tmp_path / "out")], capsys)
    assert "--data" in said
    assert not (tmp_path / "out").exists()


def test_settings_beside_a_resume_without_config(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(trained)
    assert "--set" in refusal(["train", "--resume", "latest", "--out", str(trained), "--set", "max_steps=13"], capsys)
    assert contents(trained) == before


def test_out_holds_another_run(workshop: Workshop, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The setting that differs is named, then and now."""
    before = contents(trained)
    said = refusal(workshop.train(trained, "--set", "learning_rate=2e-3"), capsys)
    assert "learning_rate was 0.001, now 0.002" in said
    assert contents(trained) == before


def test_the_photographs_have_changed(
    workshop: Workshop, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Path(shutil.copytree(workshop.photographs, tmp_path / "photographs"))
    rows = (data / "metadata.csv").read_text().splitlines(keepends=True)
    (data / "metadata.csv").write_text("".join(rows[:-1]))
    before = contents(trained)
    said = refusal(workshop.train(trained, data=data), capsys)
    assert re.search("the photographs was digest [0-9a-f]{12}, now digest [0-9a-f]{12}", said)
    assert contents(trained) == before


def test_out_holds_other_files(workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.docx").write_text("x")
    assert f"{tmp_path} exists and holds other files" in refusal(workshop.train(tmp_path), capsys)
    assert contents(tmp_path) == {"thesis.docx": b"x"}


@pytest.mark.parametrize("resume", ["epoch_0099_step_000001", "epoch_99.pt"])
def test_a_checkpoint_that_is_not_there(
    resume: str, workshop: Workshop, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(trained)
    said = refusal(workshop.train(trained, "--resume", resume), capsys)
    assert resume in said
    assert "epoch_0005_step_000012" in said, "what is there is listed"
    assert contents(trained) == before


def test_a_checkpoint_that_was_trimmed(workshop: Workshop, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(trained)
    said = refusal(workshop.train(trained, "--resume", "epoch_0001_step_000002"), capsys)
    assert "holds an adapter only" in said
    assert contents(trained) == before


def draw(out: Path, *more: str) -> list[str]:
    return ["generate", "--count", "4", "--block", "4", "--steps", "2", "--size", "32", "--out", str(out), *more]


def _garbage(folder: Path) -> None:
    (folder / ADAPTER_FILE).write_text("not tensors")


def _without_notes(folder: Path) -> None:
    (folder / "woundgen_adapter.json").unlink()


def _no_file(folder: Path) -> None:
    (folder / ADAPTER_FILE).unlink()


@pytest.mark.parametrize(
    ("spoil", "names"),
    [
        (_garbage, "is not a safetensors adapter"),
        (_without_notes, "does not say which base model"),
        (_no_file, "holds no ema or raw adapter"),
        (_missing, "does not exist"),
    ],
)
def test_adapters_that_cannot_be_used(
    spoil: Spoil, names: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Path(shutil.copytree(next(trained.glob("checkpoints/*_000012")) / "ema", tmp_path / "adapter"))
    spoil(place)
    said = refusal(draw(tmp_path / "out", "--adapter", str(place)), capsys)
    assert names in said
    assert str(place) in said
    assert not (tmp_path / "out").exists()


def test_a_base_that_changed_since_the_training(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its name is the same and its weights are others; --base, which would allow that, is not given."""
    place = Path(shutil.copytree(next(trained.glob("checkpoints/*_000012")) / "ema", tmp_path / "adapter"))
    notes = json.loads((place / "woundgen_adapter.json").read_text())
    (place / "woundgen_adapter.json").write_text(json.dumps(notes | {"base_digest": "0" * 64}))
    said = refusal(draw(tmp_path / "out", "--adapter", str(place)), capsys)
    assert "was trained on base" in said
    assert "000000000000" in said
    assert not (tmp_path / "out").exists()


def test_a_base_of_another_architecture(
    trained: Path, sdxl_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(draw(tmp_path / "out", "--adapter", str(trained), "--base", str(sdxl_folder)), capsys)
    assert "does not fit this base model" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "names"),
    [
        (["--sampler", "heun"], "--sampler 'heun'"),
        (["--size", "34"], "34x34"),
        (["--count", "0"], "--count"),
        (["--weights", "best"], "--weights 'best'"),
    ],
)
def test_drawing_that_cannot_work(
    more: list[str], names: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert names in refusal(draw(tmp_path / "out", "--adapter", str(trained), *more), capsys)
    assert not (tmp_path / "out").exists()


def test_nothing_to_draw_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--adapter" in refusal(draw(tmp_path / "out"), capsys)
    assert not (tmp_path / "out").exists()


def test_a_run_is_no_place_for_images(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(trained)
    assert str(trained) in refusal(draw(trained, "--adapter", str(trained)), capsys)
    assert contents(trained) == before


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--real", "{photographs}", "--phase", "X"], "--phase 'X'"),
        (["--phase", "I"], "--real"),
        (["--real", "{photographs}", "--run", "{run}", "--phase", "I"], "--run"),
        (["--real", "{photographs}", "--phase", "R"], "phase R"),
        (["--real", "{generated}", "--phase", "I"], "same folder"),
        (["--real", "{photographs}", "--phase", "I"], "The generated set has 3 images"),
        (["--run", "{run}", "--phase", "I"], "48x48 pixels and the photographs were prepared as 32x32"),
    ],
)
def test_comparisons_that_mean_nothing(
    words: list[str],
    names: str,
    trained: Path,
    workshop: Workshop,
    photographs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A set against itself, an unknown phase, too few images, another size than the run's."""
    places = {"photographs": workshop.photographs, "run": trained, "generated": workshop.photographs}
    generated = places["generated"] if "{generated}" in words or "{run}" in words else photographs
    filled = [word.format(**places) for word in words]
    said = refusal(["evaluate", "--generated", str(generated), *filled, "--out", str(tmp_path / "m.json")], capsys)
    assert names in said
    assert not (tmp_path / "m.json").exists()
