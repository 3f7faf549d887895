"""Images with the record of their preparation, so that unlike sets cannot be compared by mistake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from woundgen.features.embedded import FeatureNetwork, embedded_extractor
from woundgen.metrics.checks import check_preparations
from woundgen.metrics.gap import GapClosed, gap_closed
from woundgen.records import Preparation

Images: TypeAlias = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class PreparedImages:
    """images: uint8 [N, S, S, 3]. preparation: None where it is not known."""

    images: Images
    preparation: Preparation | None

    def __post_init__(self) -> None:
        side = self.images.shape[1]
        assert self.preparation is None or self.preparation.resolution == side, f"{self.preparation} of {side} pixels"


def gap_closed_of_images(
    network: FeatureNetwork, *, base: Images, tuned: PreparedImages, real: PreparedImages, seed: int = 0
) -> GapClosed:
    """`gap_closed` in the pooled features of the network. base: of the untuned model, on the seeds of `tuned`.

    Raises UserError where tuned and real images were prepared differently.
    """
    check_preparations({"tuned": tuned.preparation, "real": real.preparation})
    extractor = embedded_extractor(network, "")
    features = (extractor.pooled(images) for images in (base, tuned.images, real.images))
    return gap_closed(*features, seed=seed)
