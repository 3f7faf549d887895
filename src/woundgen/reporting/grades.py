"""The grades that the approved plan asks for, given only to the metric that bears the name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from woundgen.config.quality import QualityConfig
from woundgen.records import MetricValue


@dataclass(frozen=True, slots=True)
class Grade:
    """Thresholds of one metric; values on them do not pass."""

    sign: str
    good: str
    excellent: str

    def word(self, value: float) -> str:
        for word, threshold in (("excellent", self.excellent), ("good", self.good)):
            if value < float(threshold) if self.sign == "<" else value > float(threshold):
                return word
        return "not reached"

    def of(self, value: float) -> str:
        word = self.word(value)
        return f"{word} ({self.sign} {self.excellent if word == 'excellent' else self.good})"


Grades = Mapping[str, Grade]


def grades_of(quality: QualityConfig) -> Grades:
    """By metric. FD in other features and other perceptual distances live on other scales: they have none."""
    return {
        "fid": Grade("<", f"{quality.fid_good:g}", f"{quality.fid_excellent:g}"),
        "inception_score": Grade(">", f"{quality.is_good:.1f}", f"{quality.is_excellent:.1f}"),
        "ssim": Grade(">", f"{quality.ssim_minimum:.2f}", f"{quality.ssim_excellent:.2f}"),
        "lpips": Grade("<", f"{quality.lpips_maximum:.2f}", f"{quality.lpips_excellent:.2f}"),
    }


GRADES = grades_of(QualityConfig())  # as approved


def grade(value: MetricValue, floor: MetricValue | None = None, *, grades: Grades = GRADES) -> str:
    """The approved plan's word for a value, or "" where it names no threshold for this very metric.

    floor: what real photographs themselves get is said too; a grade that they miss says nothing of a model.
    """
    found = grades.get(value.metric)
    if found is None:
        return ""
    return found.of(value.value) + (f"; floor: {found.word(floor.value)}" if floor else "")
