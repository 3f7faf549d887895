"""FID of whole sets, as pytorch-fid prints it: for comparison with papers and with that program."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from woundgen.metrics.frechet import frechet_distance
from woundgen.metrics.rows import WHOLE_SETS, Network
from woundgen.records import MetricValue


def whole_sets_row(
    generated: npt.NDArray[np.floating], real: npt.NDArray[np.floating], network: Network
) -> MetricValue:
    """Return FID of all features [N, d] against all [M, d]. It is biased by both numbers, so it has no floor."""
    return MetricValue(
        metric="fid",
        value=frechet_distance(generated, real),
        low=None,
        high=None,
        interval="no interval: pytorch-fid's number for all images, framed as here; compare it at these numbers only",
        n=(len(generated), len(real)),
        network=network.name,
        digest=network.digest,
        label=WHOLE_SETS,
    )
