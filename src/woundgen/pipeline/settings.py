"""Settings of a study: what the user asked for, resolved before anything is spent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from woundgen.api.configs import Config, load_config
from woundgen.config.load import Overrides
from woundgen.config.quality import QualityConfig
from woundgen.config.ranges import check_seed, check_whole
from woundgen.config.train import TrainConfig
from woundgen.data.layouts.manifest import manifest_digest
from woundgen.errors import UserError
from woundgen.models.sources import EMBEDDED, find_base
from woundgen.records import PHASES, ManifestRow

PRESETS = Path(__file__).parents[1] / "presets"
FETCHED, WITHOUT_NETWORK = PRESETS / "run_fetched.yaml", PRESETS / "run_embedded.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a study is made.

    config: settings of the training instead of those that ship, as `load_config` takes them. overrides: settings over
    them, a mapping or texts `key=value`. phases: those to train, of I, P, R; None: all that have photographs enough.
    count: images to accept for each phase. seed: of the drawing; that of the training is a setting. quality: the rule
    of screening and the grades. command: words that make the study again, printed when a signal stops a training.
    """

    config: Config = None
    overrides: Overrides = ()
    phases: tuple[str, ...] | None = None
    count: int = 200
    seed: int = 0
    quality: QualityConfig = field(default_factory=QualityConfig)
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StudySettings:
    """Resolved settings. note: on the base model, where it is another than asked for; "" for none."""

    config: TrainConfig
    options: RunOptions
    note: str

    def given(self, rows: tuple[ManifestRow, ...]) -> dict[str, Any]:
        """Return what decides the study, JSON values by name."""
        options = self.options
        return {
            "photographs": manifest_digest(rows),
            "phases": None if options.phases is None else list(options.phases),
            "settings of training": self.config.flat(),
            "count": options.count,
            "seed": options.seed,
            "rule of screening": options.quality.model_dump(mode="json"),
        }


def resolve_settings(options: RunOptions, before: Mapping[str, Any] | None) -> StudySettings:
    """Read the settings of a study; a study that was begun goes on with its base model.

    Without a config: those that ship, on the base that is fetched, or on the embedded base with a note.
    UserError for settings that cannot serve.
    """
    unknown = [phase for phase in options.phases or () if phase not in PHASES]
    if unknown:
        raise UserError(f"--phases {unknown[0]!r} is unknown.", f"Use {', '.join(PHASES)}.")
    check_whole("--count", options.count, FEWEST_IMAGES)  # fewer cannot be measured
    check_seed("--seed", options.seed)
    if options.config is not None:
        return StudySettings(load_config(options.config, options.overrides), options, "")
    begun = None if before is None else before["settings of training"]["base_model"]
    preset = WITHOUT_NETWORK if begun == EMBEDDED or (begun is None and not _is_fetched()) else FETCHED
    config = load_config(preset, options.overrides)
    if config.model.base != EMBEDDED:
        return StudySettings(config, options, "")
    return StudySettings(config, options, NOTE)


FEWEST_IMAGES = 20
NOTE = (
    "no base model is fetched: the embedded one is trained, which has learned from rendered wounds alone, so that "
    "images stay near to rendered wounds. For photographs: woundgen fetch sd21-base, then another --out"
)


def _is_fetched() -> bool:
    name = load_config(FETCHED).model.base
    try:
        find_base(name)
    except UserError:
        return False
    return True
