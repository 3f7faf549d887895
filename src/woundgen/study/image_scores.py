"""Scores of single synthetic images against the photographs of a study, from features: what may predict readers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from sklearn.covariance import ledoit_wolf
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Array = npt.NDArray[np.float64]
FEWEST = 10  # images on each side


def score_images(features: Array, synthetic: npt.NDArray[np.bool_], *, k: int = 5) -> Mapping[str, Array]:
    """name -> [N], NaN for photographs; {} with fewer than FEWEST of a kind. features: [N, d] of all pictures.

    FD share: the image's squared Mahalanobis distance from the photographs (shrunk covariance), of which the mean term
    of the Frechet distance is made. two-sample: log odds of a cross-fitted classifier that the image is synthetic.
    realism: Kynkaanniemi et al. (2019), the largest radius of a photograph's k nearest over the distance to it.
    """
    if min(synthetic.sum(), (~synthetic).sum()) < FEWEST:
        return {}
    found = {
        "distance from the photographs (term of FD)": _mahalanobis(features, synthetic),
        "two-sample classifier, log odds": _log_odds(features, synthetic),
        "realism": _realism(features, synthetic, k=k),
    }
    return {name: np.where(synthetic, values, np.nan) for name, values in found.items()}


def _mahalanobis(features: Array, synthetic: npt.NDArray[np.bool_]) -> Array:
    real = features[~synthetic]
    covariance, _ = ledoit_wolf(real)
    apart = features - real.mean(axis=0)
    return np.asarray(np.einsum("nd,nd->n", apart, np.linalg.solve(covariance, apart.T).T))


def _log_odds(features: Array, synthetic: npt.NDArray[np.bool_]) -> Array:
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    return np.asarray(cross_val_predict(model, features, synthetic, cv=folds, method="decision_function"))


def _realism(features: Array, synthetic: npt.NDArray[np.bool_], *, k: int) -> Array:
    real = features[~synthetic]
    among = np.linalg.norm(real[:, None] - real[None], axis=2)
    radii = np.sort(among, axis=1)[:, min(k, len(real) - 1)]
    usual = radii <= np.median(radii)  # photographs apart from all others would make everything realistic
    to_real = np.linalg.norm(features[:, None] - real[None, usual], axis=2)
    return np.asarray((radii[usual] / np.maximum(to_real, 1e-12)).max(axis=1))
