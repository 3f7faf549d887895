"""The two-sample test of `woundgen evaluate`: its rows, and the patches that gave most away, where they may be kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from woundgen.data.files.images import write_png
from woundgen.events import Info, Work
from woundgen.generation.synthetic_mark import synthetic_mark
from woundgen.metrics.two_sample import Images
from woundgen.metrics.two_sample_rows import measure_two_sample
from woundgen.records import MetricValue
from woundgen.storage.names import MANIFEST_JSONL, TELLTALE_PATCHES, private_folder
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
    """Rows of the test. Patches of generated images go to `folder`, those of photographs beside it, private.

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
    if not _may_hold_pictures(folder):
        yield Info(f"the patches that gave most away are not kept: {folder} is a folder of images (give --out)")
        return measured.rows
    # Without logits: a set that is released holds no score against photographs.
    _write(folder / TELLTALE_PATCHES, patches.generated, [""] * len(patches.generated), synthetic_mark())
    make_private(private_folder(folder))
    logits = [f"_{logit:+.2f}" for logit in patches.photograph_logits]
    _write(private_folder(folder) / TELLTALE_PATCHES, patches.photographs, logits, {})
    return measured.rows


def _may_hold_pictures(folder: Path) -> bool:
    """Not where every picture counts as an image of the set."""
    return (folder / MANIFEST_JSONL).exists() or not any(folder.glob("*.[pjPJ][npNP]*[gG]"))


def _write(folder: Path, patches: Images, ends: Sequence[str], text: dict[str, str]) -> None:
    """Write each as its rank and end, .png, in place of those of an earlier measurement."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("[0-9][0-9]*.png"):
        file.unlink()
    for rank, (patch, end) in enumerate(zip(patches, ends, strict=True)):
        write_png(folder / f"{rank:02d}{end}.png", patch, text=text)
