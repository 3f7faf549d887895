"""woundgen: synthetic wound photographs from small clinical sets, measured and screened.

The names in `__all__` are the public API. Importing the package imports none of them: each is loaded when it is first
used, so that `import woundgen` costs nothing and torch is imported only where something computes.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Public name -> the module that defines it. __init__.pyi names the same for type checkers and editors.
_HOME = {
    "train": "api.train",
    "plan": "api.train",
    "open_run": "api.train",
    "TrainResult": "api.train",
    "PlanResult": "api.train",
    "TrainOptions": "workflows.train.request",
    "generate": "api.generate",
    "open_set": "api.generate",
    "GenerateResult": "api.generate",
    "GenerateOptions": "workflows.generate.request",
    "evaluate": "api.evaluate",
    "compare": "api.evaluate",
    "sweep": "api.evaluate",
    "EvaluateResult": "api.evaluate",
    "CompareResult": "api.evaluate",
    "EvaluateOptions": "workflows.evaluate.request",
    "SweepOptions": "workflows.evaluate.request",
    "tune": "api.tune",
    "TuneResult": "api.tune",
    "TuneOptions": "workflows.tune.request",
    "calibrate": "api.calibrate",
    "CalibrateResult": "api.calibrate",
    "audit": "api.audit",
    "AuditResult": "api.audit",
    "utility": "api.utility",
    "UtilityResult": "api.utility",
    "UtilityOptions": "workflows.utility.request",
    "report": "api.report",
    "ReportResult": "api.report",
    "ReportOptions": "api.report",
    "check_photographs": "api.photographs",
    "CheckedPhotographs": "api.photographs",
    "split_photographs": "api.photographs",
    "SplitOptions": "workflows.dataset.request",
    "Shares": "data.splits.shares",
    "render_phantoms": "api.photographs",
    "run": "pipeline.run",
    "plan_study": "pipeline.run",
    "RunResult": "pipeline.result",
    "StudyPlan": "pipeline.estimate",
    "RunOptions": "pipeline.settings",
    "load_config": "api.configs",
    "load_thresholds": "api.configs",
    "TrainConfig": "config.train",
    "QualityConfig": "config.quality",
    "Console": "runtime.console",
    "UserError": "errors",
    "Shortfall": "errors",
}
__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module 'woundgen' has no attribute {name!r}")
    value = getattr(import_module(f"woundgen.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
