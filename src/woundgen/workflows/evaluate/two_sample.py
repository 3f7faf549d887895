"""The two-sample test of `woundgen evaluate`: its rows, and the patches that gave most away.

Patches lie in the set's private folder: every picture inside it is an image of the set to other readers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from woundgen.data.files.images import write_png
from woundgen.events import Info, Work
from woundgen.generation.synthetic_mark import synthetic_mark
from woundgen.metrics.two_sample import Images
from woundgen.metrics.two_sample_rows import measure_two_sample
from woundgen.records import MetricValue
from woundgen.storage.names import GENERATED_PATCHES, PHOTOGRAPH_PATCHES, private_folder
from woundgen.storage.ownership import make_private
from woundgen.workflows.evaluate.sets import ImageSet


def two_sample_rows(
    generated: ImageSet,
    real: ImageSet,
    through: Images | None,
    *,
    permutations: int,
    folder: Path,
) -> Work[list[MetricValue]]:
    """Return the rows of the test; write the patches into the private folder of `folder`.

    through: the photographs after the autoencoder. permutations: refits for a p-value, 0 for none.
    """
    measured = yield from measure_two_sample(
        generated.images,
        real.images,
        real_groups=real.groups,
        through=through,
        permutations=permutations,
    )
    patches = measured.patches
    private = private_folder(folder)
    make_private(private)
    # Without logits: the page to share shows these, and a released set holds no score against photographs.
    _write(private / GENERATED_PATCHES, patches.generated, [""] * len(patches.generated), synthetic_mark())
    logits = [f"_{logit:+.2f}" for logit in patches.photograph_logits]
    _write(private / PHOTOGRAPH_PATCHES, patches.photographs, logits, {})
    yield Info(f"the patches that gave most away are in {private}")
    return measured.rows


def _write(folder: Path, patches: Images, ends: Sequence[str], text: dict[str, str]) -> None:
    """Write each as its rank and end, .png, in place of those of an earlier measurement."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("[0-9][0-9]*.png"):
        file.unlink()
    for rank, (patch, end) in enumerate(zip(patches, ends, strict=True)):
        write_png(folder / f"{rank:02d}{end}.png", patch, text=text)
