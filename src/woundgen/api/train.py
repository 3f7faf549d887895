"""Train an adapter, plan a training, and look at a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from woundgen.api.configs import Config, load_config
from woundgen.api.places import Place, as_path
from woundgen.config.load import stored_config
from woundgen.config.train import TrainConfig
from woundgen.reporting.metric_table import metric_table
from woundgen.reporting.notebook import lines_html, make_frame, table_html
from woundgen.reporting.stored_metrics import read_values
from woundgen.runtime.console import Console, open_console
from woundgen.storage.files import read_json, read_jsonl
from woundgen.storage.names import EVAL_LOG, RUN_JSON, TRAIN_LOG
from woundgen.workflows.train.request import TrainOptions, TrainRequest, make_request

if TYPE_CHECKING:
    from woundgen.reporting.notebook import DataFrame
    from woundgen.runtime.ranks import Ranks


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A run in its folder; a place like any path, for `generate`, `evaluate`, `audit` and `report`.

    folder: of the run. steps: optimizer steps reached. exit_code: 0, or 128 + the signal that stopped it.
    """

    folder: Path
    steps: int
    exit_code: int = 0

    def __fspath__(self) -> str:
        return str(self.folder)

    @property
    def config(self) -> TrainConfig:
        """The settings of the run, as run.json holds them."""
        return stored_config(read_json(self.folder / RUN_JSON)["config"])

    @property
    def best(self) -> dict[str, Any] | None:
        """The best checkpoint: {"step", "weights", "metric", "value"}; None before the first evaluation."""
        best: dict[str, Any] | None = read_json(self.folder / RUN_JSON).get("best")
        return best

    def losses(self) -> list[dict[str, Any]]:
        """Return a row for each optimizer step: step, epoch, loss, learning rate, gradient norm."""
        return list(read_jsonl(self.folder / TRAIN_LOG))

    def evaluations(self) -> list[dict[str, Any]]:
        """Return a row for each metric of each evaluation: step, weights, metric, value, low, high, n, interval."""
        return [
            {"step": row["step"], "weights": row["weights"], **metric}
            for row in read_jsonl(self.folder / EVAL_LOG)
            for metric in row["metrics"]
        ]

    def to_json(self) -> dict[str, Any]:
        """Return folder, steps (optimizer steps), exit code and best checkpoint."""
        best = self.best if (self.folder / RUN_JSON).exists() else None
        return {"folder": str(self.folder), "steps": self.steps, "exit_code": self.exit_code, "best": best}

    def to_pandas(self) -> DataFrame:
        """Return `evaluations` as a pandas DataFrame, a row for each metric at each step."""
        return make_frame(self.evaluations())

    def _repr_html_(self) -> str:
        heading = f"{self.folder.name}: {self.steps} steps"
        rows = list(read_jsonl(self.folder / EVAL_LOG))
        if not rows:
            return str(lines_html(heading, ["no evaluation yet"]))
        values = [stored.value for stored in read_values(rows[-1]["metrics"], source=EVAL_LOG)]
        table = metric_table(values, source=EVAL_LOG)
        return str(table_html(table, heading=f"{heading}; evaluation at step {rows[-1]['step']}"))


@dataclass(frozen=True, slots=True)
class PlanResult:
    """A planned training: counts in optimizer steps, images and passes; warnings; the estimate.

    plan: as run.json holds it, steps, batch, rates, evaluations. warnings: sentences. estimate: seconds of training and
    drawing, bytes of memory and disk; None where the config sets probe_steps to 0.
    """

    plan: Mapping[str, Any]
    warnings: tuple[str, ...]
    estimate: Mapping[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        """Return the plan and the estimate (seconds, bytes)."""
        return {"plan": dict(self.plan), "estimate": None if self.estimate is None else dict(self.estimate)}

    def _repr_html_(self) -> str:
        estimate = self.estimate or {}
        lines = [f"warning: {text}" for text in self.warnings]
        lines += [f"{name}: {value:,.6g}" for name, value in estimate.items()]
        return str(lines_html(f"{self.plan['steps']} steps", lines))


def train(
    config: Config = None,
    *,
    data: Place | None = None,
    out: Place | None = None,
    options: TrainOptions | None = None,
    console: Console | None = None,
    ranks: Ranks | None = None,
) -> TrainResult:
    """Train an adapter on photographs, or go on with the run that `out` holds.

    config: settings, as `load_config` takes them; with options.resume None takes those of the run. data: folder of
    photographs (I/ P/ R/, or a metadata.csv), only read; None: the folder that the config names. out: run folder; None:
    runs/phase_X. console: for messages and progress; None prints them. ranks: processes that share the work.
    The same call on the same folder goes on where a stopped run was, to the same weights.
    Raises UserError for settings, photographs or folders that cannot serve, before anything is written.
    """
    request = _request(config, data=data, out=out, options=options or TrainOptions())
    from woundgen.runtime.ranks import ALONE
    from woundgen.workflows.train.job import train_adapter
    from woundgen.workflows.train.session import TrainingJob

    with console or open_console() as opened:
        outcome = train_adapter(TrainingJob(request, opened, ranks or ALONE))
    return TrainResult(outcome.folder, outcome.steps, outcome.exit_code)


def plan(
    config: Config = None,
    *,
    data: Place | None = None,
    out: Place | None = None,
    console: Console | None = None,
    ranks: Ranks | None = None,
) -> PlanResult:
    """Plan a training without training or writing: steps, warnings, and time, memory and disk from a few steps.

    config, data, out, console, ranks: as in `train`. Times are seconds, sizes bytes, both measured on this machine.
    Raises UserError as `train` does.
    """
    request = _request(config, data=data, out=out, options=TrainOptions())
    from woundgen.runtime.ranks import ALONE
    from woundgen.workflows.train.job import plan_run
    from woundgen.workflows.train.session import TrainingJob

    with console or open_console() as opened:
        planned, estimate = plan_run(TrainingJob(request, opened, ranks or ALONE))
    return PlanResult(planned.to_json(), planned.warnings, None if estimate is None else asdict(estimate))


def open_run(folder: Place) -> TrainResult:
    """Return the run in a folder, finished or not. Steps are optimizer steps. UserError where there is no run."""
    path = Path(folder)
    read_json(path / RUN_JSON)
    rows = list(read_jsonl(path / TRAIN_LOG))
    return TrainResult(path, rows[-1]["step"] if rows else 0)


def _request(config: Config, *, data: Place | None, out: Place | None, options: TrainOptions) -> TrainRequest:
    settings = None if config is None else load_config(config)
    return make_request(settings, data=as_path(data), out=as_path(out), options=options)
