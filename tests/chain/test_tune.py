"""`woundgen tune` on tiny models: the same trials whoever runs them and however often they are killed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import woundgen
from woundgen.cli import run
from woundgen.config.load import load_train_config
from woundgen.config.names import setting_names
from woundgen.config.train import TrainConfig
from woundgen.storage.files import read_json, write_json
from woundgen.tuning import budget
from woundgen.workflows.tune import confirm

from ..forks import fork
from .conftest import SETTINGS

STUDY = {
    "post_hoc_ema": False,
    "max_steps": 6,
    "evaluate_every_n_epochs": 9,
    "inference_steps_production": 2,
    "learning_rate": 1e-4,
}
FIXED = (
    "max_steps",
    "train_resolution",
    "lora_alpha",
    "data_augmentation",
    "min_snr_gamma",
    "prompts",
    "inference_steps_production=2",
)
SWEPT = ("guidance_scale=[2, 1.5, 4]", "weights=[ema, raw]", "guidance_interval=[[0, 1]]", "lora_rank=[2, 4]")


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    """One thread, as in forks and in each of two processes: others round differently. Four trainings confirm."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(confirm, "SEEDS", 2)
        patch.setattr(confirm, "CONFIRMED", 1)
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tuning_data(tmp_path_factory: pytest.TempPathFactory, base_folders: dict[str, Path]) -> tuple[Path, Path]:
    """(config, photographs): 48 phantoms of phase I, of which six are sealed."""
    folder = tmp_path_factory.mktemp("tuning")
    photographs = folder / "photographs"
    assert run(["phantoms", "--count", "48", "--phases", "I", "--size", "48", "--out", str(photographs)]) == 0
    table = photographs / "metadata.csv"
    head, *rows = table.read_text().splitlines()
    sealed = [f"{row},{'holdout' if number < 6 else ''}" for number, row in enumerate(rows)]
    table.write_text("\n".join([f"{head},split", *sealed]) + "\n")
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump({**SETTINGS, **STUDY, "base_model": str(base_folders["v_prediction"])}))
    return config, photographs


def words(tuning_data: tuple[Path, Path], out: Path, *more: str, trials: int = 4) -> list[str]:
    config, photographs = tuning_data
    fixed = [word for key in FIXED for word in ("--fix", key)]
    swept = [word for text in SWEPT for word in ("--search", text)]
    shares = ["--shares", "0.4,0.3,0.3", "--images", "12", "--generation", "2"]
    start = [
        "tune",
        "--config",
        str(config),
        "--data",
        str(photographs),
        "--budget",
        f"{trials}-trials",
        "--out",
        str(out),
    ]
    return [*start, *fixed, *swept, *shares, *more]


def results(out: Path) -> dict[str, Any]:
    """Every result, its times apart; proposals; and what was found."""
    found: dict[str, Any] = {}
    for path in sorted((out / "results").glob("*.json")) + sorted((out / "generations").glob("*.json")):
        found[path.name] = read_json(path)
        found[path.name].pop("seconds", None)
    record = read_json(out / "tuning.json")
    for trial in record["trials"]:
        del trial["seconds"]
    return found | {"found": record} | {name: (out / name).read_text() for name in ("TUNING.md", "tuned.yaml")}


@pytest.fixture(scope="module")
def study(tuning_data: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that nobody disturbed."""
    out = tmp_path_factory.mktemp("tuned") / "study"
    assert run(words(tuning_data, out)) == 0
    return out


@pytest.mark.slow
def test_the_sealed_side_and_the_confirmation_patients_choose_nothing(study: Path) -> None:
    """Sealed photographs are in no side; selection and confirmation units measure on their own side alone."""
    record = read_json(study / "tune.json")
    assert record["division"]["sealed"] == 6
    assert sum(photos for photos, _ in record["division"]["sides"].values()) == 42
    table = (study / "photographs" / "manifest.csv").read_text()
    assert len(table.splitlines()) == 1 + 42
    for path in (study / "results").glob("*.json"):
        side = read_json(path)["unit"]["side"]
        assert side == ("holdout" if path.name.startswith("confirm") else "validation")
    seen = read_json(study / "runs" / "trial_000" / "run.json")["data"]["counts"]
    assert seen["I"]["holdout"] == record["division"]["sides"]["confirmation"][0]


@pytest.mark.slow
def test_the_better_half_goes_on_and_the_start_in_any_case(study: Path) -> None:
    names = {path.stem for path in (study / "results").glob("trial_*.json")}
    assert {f"trial_{number:03d}_rung_1" for number in range(4)} <= names
    assert "trial_000_rung_2" in names
    later = [read_json(study / "results" / f"trial_{number:03d}_rung_1.json") for number in (2, 3)]
    values = [one["points"][one["best"]]["value"] for one in later]
    better = 2 + values.index(min(values))
    assert f"trial_{better:03d}_rung_2" in names
    assert f"trial_{5 - better:03d}_rung_2" not in names
    steps = {read_json(study / "results" / f"trial_000_rung_{rung}.json")["steps"] for rung in (1, 2)}
    assert steps == {2, 6}


@pytest.mark.slow
def test_draw_time_settings_are_swept_on_one_training(study: Path) -> None:
    """Guidance from 2 up, or else down, then raw weights; the lowest is what the trial is measured by."""
    result = read_json(study / "results" / "trial_000_rung_2.json")
    *swept, last = result["points"]
    scales = [entry["drawing"]["guidance_scale"] for entry in swept if entry["drawing"]["weights"] == "ema"]
    values = [entry["value"] for entry in swept]
    assert scales == ([2.0, 4.0] if values[1] < values[0] else [2.0, 4.0, 1.5])
    assert [entry["drawing"]["weights"] for entry in swept[len(scales) :]] == ["raw"]
    assert len(set(values)) == len(values)
    assert result["best"] == len(swept)
    assert last == swept[values.index(min(values))]
    pruned = read_json(study / "results" / "trial_000_rung_1.json")
    assert [entry["drawing"] for entry in pruned["points"]] == [swept[0]["drawing"]]


@pytest.mark.slow
def test_photographs_are_encoded_once_for_all_trials(study: Path) -> None:
    """Those of training for the seed of the search and for two that confirm, and those of selection."""
    assert len(list((study / "encodings").glob("*.safetensors"))) == 4


@pytest.mark.slow
def test_fresh_seeds_of_each_on_the_same_noise(study: Path) -> None:
    found = [read_json(path)["unit"] for path in (study / "results").glob("confirm_*.json")]
    by_arm: dict[str, list[tuple[int, int]]] = {}
    for unit in found:
        by_arm.setdefault(unit["name"].rpartition("_seed_")[0], []).append((unit["seed"], unit["draw_seed"]))
    assert (budget.SEEDS, budget.CONFIRMED) == (3, 3), "of a study that no test has made smaller"
    assert "confirm_start" in by_arm
    assert len(by_arm) == 2
    assert {tuple(sorted(seeds)) for seeds in by_arm.values()} == {((101, 101), (102, 102))}


@pytest.mark.slow
def test_what_is_written_can_be_used(study: Path, tuning_data: tuple[Path, Path], tmp_path: Path) -> None:
    """tuned.yaml is a delta of the starting config, config.yaml the whole; a trial's run draws as any run does."""
    delta = yaml.safe_load((study / "tuned.yaml").read_text())
    start, whole = load_train_config(tuning_data[0]), load_train_config(study / "config.yaml")
    assert whole.flat() == start.flat() | {key: _as_flat(key, value) for key, value in delta.items()}
    assert "interval" in (study / "tuned.yaml").read_text()
    draw = ["generate", "--adapter", str(study / "runs" / "trial_000"), "--count", "2", "--size", "32"]
    assert run([*draw, "--steps", "2", "--out", str(tmp_path / "set")]) == 0
    page = (study / "tuning.html").read_text()
    assert str(study) not in page
    assert page.count("<img") >= 4


def _as_flat(key: str, value: Any) -> Any:
    assert key in setting_names(TrainConfig)
    return TrainConfig.model_validate({key: value}).flat()[key]


@pytest.mark.slow
def test_the_same_command_changes_nothing(study: Path, tuning_data: tuple[Path, Path]) -> None:
    before = {path: path.stat().st_mtime_ns for path in (study / "results").glob("*")}
    expected = results(study)
    assert run(words(tuning_data, study)) == 0
    assert {path: path.stat().st_mtime_ns for path in (study / "results").glob("*")} == before
    assert results(study) == expected


@pytest.mark.slow
def test_the_same_in_python(study: Path, tuning_data: tuple[Path, Path]) -> None:
    """It finds the study that the command made: both ask for the same."""
    config, photographs = tuning_data
    options = woundgen.TuneOptions(
        budget="4-trials", fixed=FIXED, searched=SWEPT, shares=woundgen.Shares(0.4, 0.3, 0.3), images=12, generation=2
    )
    quiet = woundgen.Console("silent")
    found = woundgen.tune(config, data=photographs, out=study, options=options, console=quiet)
    assert found.sentence == read_json(study / "tuning.json")["sentence"]
    assert found.kind in ("better", "worse", "no difference shown", "too little data")
    assert found.config == load_train_config(study / "config.yaml")
    rows = found.trials()
    assert [row["name"] for row in rows] == [f"trial_{number:03d}" for number in range(4)]
    assert rows[0]["value"] == read_json(study / "tuning.json")["trials"][0]["curve"][-1]
    assert {row["complete"] for row in rows} == {True, False}
    assert found.sentence in found._repr_html_().replace("&#39;", "'")
    with pytest.raises(woundgen.UserError, match="another study of settings"):
        woundgen.tune(config, data=photographs, out=study, console=quiet)


@pytest.mark.slow
def test_another_study_is_refused(
    study: Path, tuning_data: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words(tuning_data, study, trials=6)) == 2
    assert "another study of settings" in capsys.readouterr().err


def undo(study: Path, out: Path, names: Sequence[str]) -> None:
    """Copy a study without what was found, and without the runs and results of units whose names begin so."""
    shutil.copytree(study, out, ignore=shutil.ignore_patterns("TUNING.md", "tuning.*", "tuned.yaml", "config.yaml"))
    for path in [*(out / "results").iterdir(), *(out / "runs").iterdir()]:
        if path.name.startswith(tuple(names)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


LATER = ("trial_002", "trial_003", "confirm_start")


@pytest.mark.slow
def test_killed_and_gone_on_with(study: Path, tuning_data: tuple[Path, Path], tmp_path: Path) -> None:
    """Killed in a training and while it draws, the study ends with the values of the undisturbed one."""
    out = tmp_path / "study"
    undo(study, out, LATER)
    for module, name, call in (
        ("woundgen.training.loop", "stratified_timesteps", 3),
        ("woundgen.workflows.tune.measure", "draw_block", 3),
    ):
        assert start_and_kill(words(tuning_data, out), module, name, call)
    assert run(words(tuning_data, out)) == 0
    assert results(out) == results(study)


def start_and_kill(command: list[str], module: str, name: str, call: int) -> bool:
    """Start a command in a fork that SIGKILL ends at a call of module.name; return whether it came to that."""
    import importlib

    from .kills import kill_at

    def action() -> int:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        kill_at(importlib.import_module(module), name, call, after=False)
        return run(command)

    status = os.waitpid(fork(action), 0)[1]
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.slow
def test_two_processes_make_the_trials_of_one(study: Path, tuning_data: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "study"
    undo(study, out, LATER)
    assert run(words(tuning_data, out, "--devices", "0,1")) == 0
    assert results(out) == results(study)


@pytest.mark.slow
def test_two_processes_from_the_start(study: Path, tuning_data: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "study"
    assert run(words(tuning_data, out, "--devices", "0,1")) == 0
    assert results(out) == results(study)


def test_a_dry_run_writes_nothing(
    tuning_data: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words(tuning_data, tmp_path / "study", "--dry-run", trials=20)) == 0
    told = capsys.readouterr().out
    assert "16 configurations" in told
    assert "the best 4 again" in told
    assert not (tmp_path / "study").exists()


def test_a_dry_run_refuses_what_the_start_would(
    tuning_data: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("of somebody else")
    assert run(words(tuning_data, tmp_path, "--dry-run", trials=20)) == 2
    assert "holds other files" in capsys.readouterr().err


@pytest.mark.slow
def test_killed_twenty_times(study: Path, tuning_data: tuple[Path, Path], tmp_path: Path) -> None:
    """At moments spread over steps, drawings and writes. A study that came to its end is compared; another begins."""
    chance, killed, ended = random.Random(7), 0, 0
    places = (
        ("woundgen.training.loop", "stratified_timesteps"),
        ("woundgen.workflows.tune.measure", "draw_block"),
        ("woundgen.workflows.tune.work", "write_json"),
        ("woundgen.workflows.tune.search", "write_json"),
        ("woundgen.storage.checkpoint", "save_file"),
    )
    while killed < 20:
        module, name = places[(killed + ended) % len(places)]
        out = tmp_path / f"study_{ended}"
        if start_and_kill(words(tuning_data, out), module, name, chance.randint(1, 3)):
            killed += 1
        else:
            assert results(out) == results(study)
            ended += 1
            assert ended < 20, "studies end before they can be killed"
    assert run(words(tuning_data, tmp_path / f"study_{ended}")) == 0
    assert results(tmp_path / f"study_{ended}") == results(study)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--budget", "2"], "--budget"),
        (["--budget", "1-trials"], "4 trials"),
        (["--search", "learning_rte=1..2"], "no such setting"),
        (["--search", "learning_rate=2..1"], "not below"),
        (["--search", "learning_rate=1e-5..3"], "learning_rate = 3.0"),
        (["--search", "seed=[1,2]"], "same in every trial"),
        (["--fix", "learning_rate=1e-4"], "--set"),
        (["--fix", "weights=best"], "weights"),
        (["--shares", "0.5,0.5"], "--shares"),
        (["--shares", "0.5,0.6,0.1"], "--shares"),
        (["--shares", "nan,0.5,0.5"], "--shares"),
        (["--budget", "99999999999999-trials"], "10,000"),
        (["--devices", "2"], "names no cards"),
        (["--objective", "lpips"], "--objective"),
    ],
)
def test_a_mistake_is_one_line(
    more: list[str], told: str, tuning_data: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, photographs = tuning_data
    command = ["tune", "--config", str(config), "--data", str(photographs), "--out", str(tmp_path / "study"), *more]
    assert run(command) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert not (tmp_path / "study").exists()


@pytest.mark.slow
def test_time_that_is_used_up_ends_the_search(tuning_data: tuple[Path, Path], tmp_path: Path) -> None:
    """Decided once, after a generation, and written down; the confirmation follows all the same."""
    out = tmp_path / "study"
    assert start_and_kill(words(tuning_data, out), "woundgen.workflows.tune.search", "write_json", 1)
    record: Mapping[str, Any] = read_json(out / "tune.json")
    record["study"]["seconds"] = 0.001
    write_json(out / "tune.json", record)
    assert run(words(tuning_data, out)) == 0
    assert read_json(out / "search_end.json")["after_generation"] == 0
    assert len(json.loads((out / "tuning.json").read_text())["trials"]) == 2
