"""Numbers under names that say what they are, with the field's abbreviation in brackets."""

from __future__ import annotations

from woundgen.records import MetricValue

METRIC_NAMES = {
    "val_loss": "Error in predicting noise (validation loss)",
    "fd": "Distance of the whole set to photographs (FD)",
    "fid": "Distance of the whole set to photographs (FID)",
    "kid": "The same distance, without bias (KID)",
    "ssim": "Structural similarity to photographs (SSIM)",
    "perceptual": "Perceptual distance to photographs",
    "lpips": "Perceptual distance to photographs (LPIPS)",
    "inception_score": "Clear and varied, to a network of everyday objects (IS)",
    "precision": "Share of images that lie among photographs (precision)",
    "recall": "Share of photographs that lie among images (recall)",
    "density": "How densely photographs surround the images (density)",
    "coverage": "Share of photographs with an image nearby (coverage)",
    "authenticity": "Share of images that are no near copies (authenticity)",
    "gap_closed": "Share of the gap that training closed",
    "lattice": "Mesh of 2 to 8 pixels, share of the gradient",
    "mesh_4": "Edges that repeat every 4 pixels",
    "mesh_2": "Edges that repeat every 2 pixels",
    "spectrum_slope": "Fine detail, more or less than photographs (spectral slope)",
    "sharpness_ratio": "Sharpness, share of photographs'",
    "two_sample": "A classifier's accuracy in telling both apart",
    "colour_recall": "Phase recognised by colour alone (recall)",
}
_CHANNELS = {"L": "brightness", "a": "red against green", "b": "yellow against blue"}
_STATISTICS = {"mean": "mean", "sd": "spread", "q10": "darkest tenth", "q90": "brightest tenth"}
SCORE_NAMES = {
    "ssim_mean": "similarity to all photographs (SSIM)",
    "ssim_topk": "similarity to the {k} nearest photographs (SSIM)",
    "ssim_max": "similarity to the nearest photograph (SSIM)",
    "perceptual_mean": "perceptual distance to all photographs",
    "perceptual_topk": "perceptual distance to the {k} nearest photographs",
    "perceptual_min": "perceptual distance to the nearest photograph",
    "perceptual_nearest": "perceptual distance to the photograph with the nearest features",
    "embedding_nearest": "distance to the nearest photograph in features",
    "copy_places": "places that agree with a training photograph",
    "copy_layout": "correlation of the layout with a training photograph's",
    "realism": "nearness to photographs, against their spacing (realism)",
    "sharpness": "sharpness",
    "fineness": "sharpness of edges",
    "deviation": "largest deviation from photographs, in robust SD",
    "spec_pass": "passes the approved plan's rule",
    "spec_excellent": "passes the approved plan's stricter rule",
} | {
    f"whole_{channel}_{statistic}": f"{what}, {how}"
    for channel, what in _CHANNELS.items()
    for statistic, how in _STATISTICS.items()
}


def metric_name(value: MetricValue) -> str:
    """Name the number; a number in features names their network."""
    name = METRIC_NAMES[value.metric]
    if value.metric in ("fd", "kid", "perceptual", "lpips") and value.network:
        name += f", {value.network} features"
    return name + (f"; {value.label}" if value.label else "")


def score_name(score: str, k: int | None = None) -> str:
    """Name a score of screening; a score without a name stays as it is. k: of "the k nearest"."""
    return SCORE_NAMES.get(score, score).format(k="few" if k is None else k)
