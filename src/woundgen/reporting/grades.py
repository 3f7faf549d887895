"""The grades that the consultation asks for (Decision 4), given only to the metric that bears the name."""

from __future__ import annotations

from dataclasses import dataclass

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


# FD in other features and other perceptual distances live on other scales: they have no grade.
GRADES = {
    "fid": Grade("<", "50", "30"),
    "inception_score": Grade(">", "2.0", "3.0"),
    "ssim": Grade(">", "0.70", "0.80"),
    "lpips": Grade("<", "0.30", "0.20"),
}


def grade(value: MetricValue, floor: MetricValue | None = None) -> str:
    """The consultation's word for a value, or "" where it names no threshold for this very metric.

    floor: what real photographs themselves get is said too; a grade that they miss says nothing of a model.
    """
    found = GRADES.get(value.metric)
    if found is None:
        return ""
    return found.of(value.value) + (f"; floor: {found.word(floor.value)}" if floor else "")
