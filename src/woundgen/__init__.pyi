"""The public API of woundgen, for type checkers and editors."""

from woundgen.api.audit import AuditResult as AuditResult
from woundgen.api.audit import audit as audit
from woundgen.api.calibrate import CalibrateResult as CalibrateResult
from woundgen.api.calibrate import calibrate as calibrate
from woundgen.api.configs import load_config as load_config
from woundgen.api.configs import load_thresholds as load_thresholds
from woundgen.api.evaluate import CompareResult as CompareResult
from woundgen.api.evaluate import EvaluateResult as EvaluateResult
from woundgen.api.evaluate import compare as compare
from woundgen.api.evaluate import evaluate as evaluate
from woundgen.api.evaluate import sweep as sweep
from woundgen.api.generate import GenerateResult as GenerateResult
from woundgen.api.generate import generate as generate
from woundgen.api.generate import open_set as open_set
from woundgen.api.photographs import CheckedPhotographs as CheckedPhotographs
from woundgen.api.photographs import check_photographs as check_photographs
from woundgen.api.photographs import render_phantoms as render_phantoms
from woundgen.api.photographs import split_photographs as split_photographs
from woundgen.api.report import ReportOptions as ReportOptions
from woundgen.api.report import ReportResult as ReportResult
from woundgen.api.report import report as report
from woundgen.api.train import PlanResult as PlanResult
from woundgen.api.train import TrainResult as TrainResult
from woundgen.api.train import open_run as open_run
from woundgen.api.train import plan as plan
from woundgen.api.train import train as train
from woundgen.api.tune import TuneResult as TuneResult
from woundgen.api.tune import tune as tune
from woundgen.api.utility import UtilityResult as UtilityResult
from woundgen.api.utility import utility as utility
from woundgen.config.quality import QualityConfig as QualityConfig
from woundgen.config.train import TrainConfig as TrainConfig
from woundgen.data.splits.shares import Shares as Shares
from woundgen.errors import Shortfall as Shortfall
from woundgen.errors import UserError as UserError
from woundgen.pipeline.estimate import StudyPlan as StudyPlan
from woundgen.pipeline.result import RunResult as RunResult
from woundgen.pipeline.run import plan_study as plan_study
from woundgen.pipeline.run import run as run
from woundgen.pipeline.settings import RunOptions as RunOptions
from woundgen.runtime.console import Console as Console
from woundgen.workflows.dataset.request import SplitOptions as SplitOptions
from woundgen.workflows.evaluate.request import EvaluateOptions as EvaluateOptions
from woundgen.workflows.evaluate.request import SweepOptions as SweepOptions
from woundgen.workflows.generate.request import GenerateOptions as GenerateOptions
from woundgen.workflows.train.request import TrainOptions as TrainOptions
from woundgen.workflows.tune.request import TuneOptions as TuneOptions
from woundgen.workflows.utility.request import UtilityOptions as UtilityOptions

__version__: str
__all__: list[str]
