"""Find the settings that suit the photographs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from woundgen.api.configs import Config, load_config
from woundgen.api.places import Place, as_path
from woundgen.config.train import TrainConfig
from woundgen.reporting.notebook import lines_html, make_frame
from woundgen.runtime.console import Console, open_console
from woundgen.storage.files import read_json
from woundgen.storage.names import TUNED_CONFIG_YAML, TUNING_HTML, TUNING_JSON
from woundgen.workflows.tune.request import TuneOptions, make_request

if TYPE_CHECKING:
    from woundgen.reporting.notebook import DataFrame


@dataclass(frozen=True, slots=True)
class TuneResult:
    """A study of settings in its private folder; a place like any path.

    sentence: the conclusion on the tuned settings; None where the study was planned alone or stopped. kind: "better",
    "worse", "no difference shown" or "too little data"; None where nothing was confirmed. exit_code: 0, or 128 + the
    signal that stopped it; then the same call goes on.
    """

    folder: Path
    sentence: str | None = None
    kind: str | None = None
    exit_code: int = 0

    def __fspath__(self) -> str:
        return str(self.folder)

    @property
    def page(self) -> Path:
        """tuning.html, which shows synthetic images alone and names no photograph."""
        return self.folder / TUNING_HTML

    @property
    def config(self) -> TrainConfig | None:
        """Every setting of the tuned config, for `train`; None where there is no candidate, or the study goes on."""
        path = self.folder / TUNED_CONFIG_YAML
        return load_config(path) if path.is_file() else None

    @property
    def record(self) -> Mapping[str, Any]:
        """The record as tuning.json holds it: values, intervals, n. UserError where the study has not ended."""
        record: Mapping[str, Any] = read_json(self.folder / TUNING_JSON)
        return record

    def trials(self) -> list[dict[str, Any]]:
        """Return a row for each trial: name, settings searched, value of the objective, recall, copies, seconds."""
        return [
            {
                "name": trial["name"],
                **trial["values"],
                "value": trial["curve"][-1],
                "steps": trial["steps"],
                "recall": trial["recall"],
                "copies": trial["copies"],
                "complete": trial["complete"],
                "seconds": sum(trial["seconds"].values()),
            }
            for trial in self.record["trials"]
        ]

    def to_json(self) -> dict[str, Any]:
        """Return folder, sentence, kind and exit code."""
        return {
            "folder": str(self.folder), "sentence": self.sentence, "kind": self.kind, "exit_code": self.exit_code,
        }  # fmt: skip

    def to_pandas(self) -> DataFrame:
        """Return `trials` as a pandas DataFrame, a row for each trial."""
        return make_frame(self.trials())

    def _repr_html_(self) -> str:
        lines = [] if self.sentence is None else [f"{len(self.record['trials'])} trials; open {self.page}"]
        return str(lines_html(self.sentence or f"{self.folder.name}: the study has not ended", lines))


def tune(
    config: Config = None,
    *,
    data: Place | None = None,
    out: Place | None = None,
    options: TuneOptions | None = None,
    console: Console | None = None,
) -> TuneResult:
    """Search the settings of training and drawing for these photographs, and confirm them on patients that chose none.

    config: settings to start from, as `load_config` takes them. data: folder of photographs or a split, only read;
    None: the folder that the config names. out: folder of the study, private; None: tuned/phase_X. options: the budget
    (trials or hours), what is searched, shares in 0..1 and all else. console: for messages; None prints them.
    The same call on the same folder goes on where a stopped study was, with the same trials. Differences have 95 %
    intervals that hold together. Needs the extra: pip install 'woundgen[tune]'.
    Raises UserError for too few photographs, a budget that buys too few trials, and a folder that holds another study.
    """
    request = make_request(load_config(config), data=as_path(data), out=as_path(out), options=options or TuneOptions())
    from woundgen.workflows.tune.job import tune as run_study
    from woundgen.workflows.tune.table import LiveTable

    with console or open_console() as opened, LiveTable(opened, request.objective.upper()) as table:
        outcome = opened.follow(run_study(request, report=table.report))
    return TuneResult(outcome.folder, outcome.sentence, outcome.kind, outcome.exit_code)
