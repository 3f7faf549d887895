"""The verdict on each image: the copy ceiling first, then the policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from woundgen.errors import UserError
from woundgen.screening.calibration import Calibration, Values
from woundgen.screening.descriptors import UsedNetworks, check_networks
from woundgen.screening.statistics import COPY_LAYOUT, COPY_PLACES, Statistics
from woundgen.verdicts import RejectionKind, Verdict

Policy = Literal["calibrated", "spec", "report"]
Aggregation = Literal["max", "topk", "mean"]

# How each aggregation of nearness is called for SSIM and for a distance.
SPEC_COLUMNS: dict[Aggregation, tuple[str, str]] = {
    "max": ("ssim_max", "perceptual_min"),
    "topk": ("ssim_topk", "perceptual_topk"),
    "mean": ("ssim_mean", "perceptual_mean"),
}

TITLES = {
    "ssim_mean": "mean SSIM",
    "ssim_topk": "SSIM to the nearest",
    "ssim_max": "best SSIM",
    "perceptual_mean": "mean perceptual distance",
    "perceptual_topk": "perceptual distance to the nearest",
    "perceptual_min": "least perceptual distance",
    "perceptual_nearest": "perceptual distance",
    "fineness": "sharpness of edges",
    "embedding_nearest": "feature distance",
    "whole_L_q10": "darkest tenth",
    "whole_L_q90": "brightest tenth",
} | {
    f"whole_{channel}_{name}": f"{channel}* {word}"
    for channel in "Lab"
    for name, word in (("mean", "mean"), ("sd", "spread"))
}


def distance_title(name: str, networks: UsedNetworks) -> str:
    """Return a statistic's title for people; distances of LPIPS' networks are called LPIPS."""
    title = TITLES.get(name, name)
    return title.replace("perceptual distance", "LPIPS") if networks.perceptual.startswith("lpips-") else title


COMPLAINTS = {
    "sharpness": ("too blurred", "too sharp or noisy"),
    "fineness": ("edges too soft", "edges too hard"),
    "whole_L_mean": ("too dark", "too bright"),
    "whole_L_sd": ("too flat", "too contrasty"),
    "whole_L_q10": ("shadows too dark", "shadows too bright"),
    "whole_L_q90": ("highlights too dark", "highlights too bright"),
    "whole_a_mean": ("too green", "too red"),
    "whole_b_mean": ("too blue", "too yellow"),
    "whole_a_sd": ("reds too even", "reds too mixed"),
    "whole_b_sd": ("yellows too even", "yellows too mixed"),
    "embedding_nearest": ("too near to a photograph", "unlike any photograph"),
    "realism": ("outside what photographs span", "in the thick of photographs"),
}
"""What a statistic below, and above, its band means; others are called too low and too high."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Conditions that an image has to meet. The ssim_ and perceptual_ thresholds are those of `spec` and its grade."""

    policy: Policy = "calibrated"
    ssim_minimum: float = 0.70
    perceptual_maximum: float = 0.30
    ssim_excellent: float = 0.80
    perceptual_excellent: float = 0.20
    aggregation: Aggregation = "topk"
    release_copies: bool = False


def judge(statistics: Statistics, calibration: Calibration, rule: Rule) -> list[Verdict]:
    """A verdict for each of N images, every statistic in its scores.

    A copy is turned down under every policy unless `release_copies`; `copy` is set either way. Also recorded
    where there is a perceptual distance: spec_pass and spec_excellent, 1 or 0. Raises UserError for `spec`
    without one.
    """
    check_networks(calibration.networks, statistics.networks, of="Thresholds and images")
    if rule.policy == "spec" and "perceptual_mean" not in statistics.columns:
        raise UserError("policy: spec needs a perceptual distance, and there is no network for one.", "Use calibrated.")
    copies = copy_reasons(statistics, calibration)
    reasons = _POLICIES[rule.policy](statistics, calibration, rule)
    scores = _scores(statistics, calibration, rule)
    verdicts = []
    for row in range(len(statistics)):
        copied, reference = copies[row]
        reason, kind = reasons[row], RejectionKind.RULE
        if copied and not rule.release_copies:
            reason, kind = copied, RejectionKind.COPY
        verdicts.append(
            Verdict(
                accepted=not reason,
                reason=str(reason) if reason else "",
                kind=kind if reason else None,
                category=reason.category if reason else "",
                scores={name: float(values[row]) for name, values in scores.items()},
                nearest=reference,
                copy=bool(copied),
            )
        )
    return verdicts


@dataclass(frozen=True, slots=True)
class Reason:
    """category: what is wrong, in words. values: by how much."""

    category: str
    values: str

    def __str__(self) -> str:
        return f"{self.category} ({self.values})"


def copy_reasons(statistics: Statistics, calibration: Calibration) -> list[tuple[Reason | None, int]]:
    """(reason, row of the reference that matches best) of each image; None up to both ceilings."""
    return [_copy_reason(statistics, row, calibration) for row in range(len(statistics))]


def _copy_reason(statistics: Statistics, row: int, calibration: Calibration) -> tuple[Reason | None, int]:
    """Decide by places where these agree, for they say which part came back; else by layout."""
    places, layout = statistics.columns[COPY_PLACES][row], statistics.columns[COPY_LAYOUT][row]
    by_places, by_layout = (int(statistics.nearest[name][row]) for name in (COPY_PLACES, COPY_LAYOUT))
    if places > calibration.copy_ceiling.value:
        return Reason("copy by matched places", f"{places:.0f} > {calibration.copy_ceiling.value}"), by_places
    if layout > calibration.layout_ceiling.value:
        return Reason("copy by layout", f"{layout:.2f} > {calibration.layout_ceiling.value:.2f}"), by_layout
    return None, by_places


def spec_passes(statistics: Statistics, *, minimum: float, maximum: float, aggregation: Aggregation) -> np.ndarray:
    """bool [N]: the approved plan's rule as written, both strict."""
    ssim, perceptual = (statistics.columns[name] for name in SPEC_COLUMNS[aggregation])
    return (ssim > minimum) & (perceptual < maximum)


def _calibrated_reasons(statistics: Statistics, calibration: Calibration, rule: Rule) -> list[Reason | None]:
    reasons: list[Reason | None] = []
    for row, column in enumerate(calibration.deviations(statistics).T):
        worst = int(np.abs(column).argmax())
        if np.abs(column[worst]) <= calibration.threshold.value:
            reasons.append(None)
            continue
        name, high = calibration.judged[worst], column[worst] > 0
        bound = calibration.band(name)[int(high)]
        value = statistics.columns[name][row]
        title, sign = distance_title(name, calibration.networks), "<>"[int(high)]
        complaint = COMPLAINTS.get(name, (f"{title} too low", f"{title} too high"))[int(high)]
        measured = f"{value:.3g} {sign} {bound:.3g}"
        reasons.append(Reason(complaint, f"{title} {measured}" if name in COMPLAINTS else measured))
    return reasons


def _spec_reasons(statistics: Statistics, calibration: Calibration, rule: Rule) -> list[Reason | None]:
    names = SPEC_COLUMNS[rule.aggregation]
    reasons: list[Reason | None] = []
    for ssim, perceptual in zip(*(statistics.columns[name] for name in names), strict=True):
        if not ssim > rule.ssim_minimum:
            reasons.append(Reason(f"{TITLES[names[0]]} too low", f"{ssim:.3g} <= {rule.ssim_minimum:.3g}"))
        elif not perceptual < rule.perceptual_maximum:
            title = distance_title(names[1], calibration.networks)
            reasons.append(Reason(f"{title} too high", f"{perceptual:.3g} >= {rule.perceptual_maximum:.3g}"))
        else:
            reasons.append(None)
    return reasons


def _no_reasons(statistics: Statistics, calibration: Calibration, rule: Rule) -> list[Reason | None]:
    return [None] * len(statistics)


_POLICIES = {"calibrated": _calibrated_reasons, "spec": _spec_reasons, "report": _no_reasons}


def _scores(statistics: Statistics, calibration: Calibration, rule: Rule) -> dict[str, Values]:
    scores = dict(statistics.columns)
    scores["deviation"] = np.abs(calibration.deviations(statistics)).max(axis=0)
    if "perceptual_mean" in scores:
        grades = {
            "spec_pass": (rule.ssim_minimum, rule.perceptual_maximum),
            "spec_excellent": (rule.ssim_excellent, rule.perceptual_excellent),
        }
        for name, (minimum, maximum) in grades.items():
            passed = spec_passes(statistics, minimum=minimum, maximum=maximum, aggregation=rule.aggregation)
            scores[name] = passed.astype(np.float64)
    return scores
