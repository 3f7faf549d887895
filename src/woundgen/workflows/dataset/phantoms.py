"""The job of `woundgen phantoms`: an ImageFolder of rendered wounds with all their parameters."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from woundgen.config.ranges import check_seed, check_whole
from woundgen.data.files.images import write_png
from woundgen.data.pixels.prepare import PREPARATION_VERSION, prepare_pixels
from woundgen.errors import UserError
from woundgen.events import Info, Progress, Work
from woundgen.generation.croissant import write_croissant
from woundgen.generation.synthetic_mark import rendered_mark
from woundgen.metrics.prepared import PreparedImages
from woundgen.phantoms import PHASES, RENDERER_VERSION, draw_phantoms
from woundgen.privacy.exposure import write_set_record
from woundgen.records import Box, Preparation
from woundgen.storage.files import sha256_json, write_text
from woundgen.storage.names import IMAGES, METADATA_CSV
from woundgen.storage.ownership import claim_output

CHUNK = 64


@dataclass(frozen=True, slots=True)
class RenderedPhantoms:
    """Rendered wounds in their folder. count: photographs. size: pixels a side. views: photographs of each patient."""

    folder: Path
    count: int
    phases: str
    size: int
    views: int
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Return the folder and what was rendered."""
        return {
            "folder": str(self.folder), "photographs": self.count, "phases": list(self.phases), "size": self.size,
            "views": self.views, "seed": self.seed,
        }  # fmt: skip


def draw_held_out(
    indices: Sequence[int], *, seed: int, phases: Sequence[str], resolution: int = 128, margin: float
) -> PreparedImages:
    """Phantoms as training would prepare them from the files of `write_phantoms`: cropped to the box, resized.

    Whatever is compared with a model that learned from phantoms goes through here. margin: the training's box_margin.
    """
    drawn = draw_phantoms(indices, seed=seed, phases=tuple(phases))
    images = [
        prepare_pixels(pixels, Box(*box), resolution=resolution, margin=margin, name=f"phantom {index}")
        for index, pixels, box in zip(indices, drawn.images, drawn.boxes.tolist(), strict=True)
    ]
    return PreparedImages(np.stack(images), Preparation(resolution, margin, False, PREPARATION_VERSION))


def write_phantoms(
    out: Path,
    *,
    count: int,
    phases: str,
    seed: int,
    size: int,
    views: int,
) -> Work[Path]:
    """images/000000.png ..., metadata.csv (file_name, phase, group_id, box, every parameter) and croissant.json."""
    check_whole("--count", count, 1)
    check_seed("--seed", seed)
    check_whole("--size", size, 16, 1024)
    check_whole("--views", views, 1, 100)
    unknown = sorted(set(phases) - set(PHASES))
    if unknown or not phases:
        raise UserError(
            f"--phases {phases!r}: {', '.join(unknown) or 'empty'}.", f"Use letters among {''.join(PHASES)}."
        )
    identity = sha256_json([RENDERER_VERSION, count, phases, seed, size, views])
    claim_output(out, identity=identity, what="set of phantoms")
    (out / IMAGES).mkdir(exist_ok=True)
    rows: list[dict[str, object]] = []
    for first in range(0, count, CHUNK):
        indices = range(first, min(first + CHUNK, count))
        drawn = draw_phantoms(indices, seed=seed, phases=tuple(phases), size=size, views_per_patient=views)
        for row, index in enumerate(indices):
            name = f"{IMAGES}/{index:06d}.png"
            write_png(out / name, drawn.images[row], text=rendered_mark())
            box = dict(zip(("x_min", "y_min", "x_max", "y_max"), drawn.boxes[row].tolist(), strict=True))
            values = {key: round(float(column[row]), 6) for key, column in drawn.parameters.items()}
            rows.append(
                {"file_name": name, "phase": drawn.phases[row], "group_id": f"phantom-{drawn.patients[row]:05d}"}
                | box
                | values
            )
        yield Progress(len(rows), count, "rendering phantoms")
    table = io.StringIO()
    writer = csv.DictWriter(table, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    write_text(out / METADATA_CSV, table.getvalue())
    write_croissant(
        out,
        name=f"woundgen_phantoms_{identity[:12]}",
        description=f"{count} rendered wounds with every parameter of the renderer. No photographs.",
        licence="apache-2.0",
        columns={column: type(value) for column, value in rows[0].items()},
    )
    write_set_record(out, {"trained_on": []})  # a renderer has seen nobody
    yield Info(f"{count} phantoms in {out}")
    return out
