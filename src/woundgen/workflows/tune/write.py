"""Write the results of a study: tuned.yaml and config.yaml, TUNING.md, the page and the record behind them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import yaml

from woundgen.numbers import write_compact, write_interval, write_signed
from woundgen.reporting.masking import refuse_private
from woundgen.reporting.pictures import Picture, read_picture
from woundgen.reporting.tuning_page import tuning_html, tuning_markdown
from woundgen.storage.files import write_json, write_text
from woundgen.storage.names import TUNED_CONFIG_YAML, TUNED_YAML, TUNING_HTML, TUNING_JSON, TUNING_MD
from woundgen.workflows.tune.confirm import STARTING
from woundgen.workflows.tune.record import Findings, build_record, tuned_settings
from woundgen.workflows.tune.request import TuneRequest
from woundgen.workflows.tune.unit import RESULTS, result_path

GRIDS = 4


def write_findings(findings: Findings, request: TuneRequest) -> list[Path]:
    """Write all files; return their paths. The same findings give the same bytes, times apart."""
    out, chosen = request.out, findings.chosen
    record = build_record(findings)
    record["commands"] = _commands(findings)
    written = {
        TUNING_MD: tuning_markdown(record),
        TUNING_HTML: tuning_html(record, _grids(findings)),
    }
    if chosen is not None:
        written[TUNED_YAML] = _tuned_yaml(findings)
        tuned = findings.begun.study.config.flat() | tuned_settings(findings.begun.study, chosen)
        written[TUNED_CONFIG_YAML] = _header("Every setting of the tuned config.") + _yaml(tuned)
    names = [str(request.data.resolve()), str(out.resolve())]
    for name in (TUNING_MD, TUNING_HTML):
        refuse_private(written[name], names, name=name)
    for name, text in written.items():
        write_text(out / name, text)
    write_json(out / TUNING_JSON, record)
    return [out / name for name in (*written, TUNING_JSON)]


def _grids(findings: Findings) -> list[Picture]:
    """Return the grids of the leaders and of the starting config where it was trained to its end."""
    folder = findings.begun.study.folder
    collected = []
    for leader in findings.leaders[:GRIDS]:
        path = result_path(folder, leader.trial.last.name).with_suffix(".png")
        if path.exists():
            caption = f"{leader.trial.name}, {findings.begun.study.objective.upper()} {write_compact(leader.value)}"
            collected.append(read_picture(path, root=folder / RESULTS, caption=caption))
    if findings.confirmed is not None:
        first = findings.confirmed.arms[STARTING][0].name
        path = result_path(folder, first).with_suffix(".png")
        if path.exists():
            collected.append(
                read_picture(path, root=folder / RESULTS, caption="the starting config, with its recorded settings")
            )
    return collected


def _tuned_yaml(findings: Findings) -> str:
    """Return the delta of the chosen trial, with its grounds as comments."""
    study, chosen, confirmed = findings.begun.study, findings.chosen, findings.confirmed
    assert chosen is not None
    assert confirmed is not None
    difference = confirmed.differences[chosen.name]
    values = [entry.value for entry in confirmed.arms[chosen.name]]
    lines = [
        f"{chosen.name} of a study of {len(findings.trials)} trials, over the starting config.",
        confirmed.conclusion.sentence,
        f"{study.objective.upper()} with three fresh seeds: {', '.join(f'{value:.4g}' for value in values)}; starting "
        f"config: {', '.join(f'{entry.value:.4g}' for entry in confirmed.arms[STARTING])}.",
        f"Difference {write_signed(difference.value, '.4g')}, "
        f"interval {write_interval(difference.low, difference.high, '.4g')}.",
        *_draw_lines(findings),
    ]
    if any(max(entry.violations) > 0 for entry in confirmed.arms[chosen.name]):
        lines.append("It breaks a constraint (recall or copies) on the confirmation patients: look at TUNING.md first.")
    if confirmed.conclusion.kind != "better":
        lines.append("Not shown to be better: there are no grounds to leave the starting config for it.")
    return _header(*lines) + _yaml(tuned_settings(study, chosen))


def _draw_lines(findings: Findings) -> list[str]:
    chosen = findings.chosen
    assert chosen is not None
    low, high = chosen.last.drawing["guidance_interval"]
    weights = chosen.last.drawing["weights"]
    return [f"Draw with: woundgen generate --weights {weights} --guidance-low {low:g} --guidance-high {high:g}"]


def _header(*lines: str) -> str:
    return "".join(f"# {line}\n" for line in lines)


def _yaml(settings: dict[str, Any]) -> str:
    if not settings:
        return "{}\n"
    return str(yaml.safe_dump({key: _plain(value) for key, value in settings.items()}, sort_keys=True))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _commands(findings: Findings) -> list[str]:
    """Return the commands that train and draw with the chosen settings on all photographs; names stand for paths."""
    if findings.chosen is None:
        return []
    low, high = findings.chosen.last.drawing["guidance_interval"]
    weights = findings.chosen.last.drawing["weights"]
    train = ["woundgen", "train", "--config", TUNED_CONFIG_YAML, "--data", "PHOTOGRAPHS", "--out", "RUN"]
    draw = ["woundgen", "generate", "--adapter", "RUN", "--real", "PHOTOGRAPHS", "--out", "SET", "--count", "200"]
    draw += ["--weights", weights, "--guidance-low", f"{low:g}", "--guidance-high", f"{high:g}"]
    return [shlex.join(train), shlex.join(draw)]
