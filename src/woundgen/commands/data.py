"""woundgen data"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from woundgen.runtime.console import open_console

data = typer.Typer(
    help="Photographs in whatever form they come: one manifest, looked over, divided once.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
Photographs = Annotated[Path, typer.Argument(help="Folder of photographs, or an import of it; only read.")]


def import_(
    source: Annotated[Path, typer.Argument(help="Folder of the photographs; only read.")],
    out: Annotated[Path, typer.Option(help="Folder for manifest.csv; give it to --data.")],
    preset: Annotated[str, typer.Option(help="folders (or a table), clinic, coco, voc, yolo.")] = "folders",
    table: Annotated[Path | None, typer.Option(help="CSV, .xlsx, .ods, .jsonl; COCO's JSON.")] = None,
    modality: Annotated[str, typer.Option(help="rgb, or by name depth_map, thermal_rgb, thermal_map.")] = "rgb",
    mapping: Annotated[
        Path | None, typer.Option(help="YAML that describes another layout: docs/howto/import.md shows some.")
    ] = None,
) -> None:
    """Read photographs in whatever form they come into one manifest; rows that cannot be taken are listed.

    \b
    woundgen data import photographs --out imported
    woundgen data import export --preset clinic --table export/labels.csv --out imported
    woundgen data import photographs --table photographs/list.xlsx --out imported
    woundgen data import photographs --preset yolo --out imported
    woundgen data import photographs --mapping mine.yaml --table photographs/list.csv --out imported
    """
    from woundgen.workflows.dataset.importing import import_photographs
    from woundgen.workflows.dataset.summary import summarise_manifest

    with open_console() as console:
        folder = console.follow(
            import_photographs(source, out=out, preset=preset, table=table, modality=modality, mapping=mapping)
        )
        console.result("data import", summarise_manifest(folder))


def split(
    source: Photographs,
    out: Annotated[Path, typer.Option(help="Folder for the frozen split; give it to --data and --real.")],
    train: Annotated[float, typer.Option(help="Share of each phase's photographs to train on.")] = 0.7,
    validation: Annotated[float, typer.Option(help="Share that chooses checkpoints.")] = 0.15,
    holdout: Annotated[float, typer.Option(help="Share that is sealed for the last word.")] = 0.15,
    way: Annotated[str, typer.Option(help="grouped | cross-fitting | no-hold-out.")] = "grouped",
    folds: Annotated[int, typer.Option(min=2, help="Of cross-fitting.")] = 5,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Divide photographs once, whole patients and every phase in its share, into a file that every verb reads.

    Where no patient is named, clusters of near duplicates stand for patients, and every run says so.

    \b
    woundgen data split imported --out frozen
    woundgen data split photographs --way cross-fitting --folds 5 --out folds
    woundgen data split photographs --way no-hold-out --train 0.85 --validation 0.15 --holdout 0 --out frozen
    """
    from woundgen.api.photographs import split_photographs
    from woundgen.data.splits.shares import Shares
    from woundgen.workflows.dataset.request import SplitOptions
    from woundgen.workflows.dataset.summary import summarise_manifest

    shares = Shares(train=train, validation=validation, holdout=holdout)
    with open_console() as console:
        options = SplitOptions(shares=shares, way=way, folds=folds, seed=seed)
        folder = split_photographs(source, out=out, options=options, console=console)
        console.result("data split", summarise_manifest(folder))


def check(
    source: Photographs,
    out: Annotated[Path, typer.Option(help="Folder for check.html and check.txt; private, mode 0700.")],
    resolution: Annotated[int, typer.Option(min=32, help="Side of the images to train on, pixels.")] = 128,
    margin: Annotated[float, typer.Option(min=0, help="Around the wound's box, share of it.")] = 0.25,
) -> None:
    """Look photographs over before training: what is unreadable, doubtful, the same, on two sides or in two phases.

    Exit code 3 where pairs contradict one another. The page holds photographs and is private.

    \b
    woundgen data check imported --out checked
    woundgen data check frozen --out checked
    """
    from woundgen.api.photographs import check_photographs

    with open_console() as console:
        checked = check_photographs(source, out=out, resolution=resolution, margin=margin, console=console)
        console.result("data check", checked)


def cache(
    source: Annotated[Path | None, typer.Argument(help="Only what was made of these photographs [everything].")] = None,
    purge: Annotated[bool, typer.Option("--purge", help="Remove it.")] = False,
) -> None:
    """List or purge the prepared photographs that training keeps in a private folder.

    \b
    woundgen data cache
    woundgen data cache imported --purge
    """
    from woundgen.workflows.dataset.cache import show_cache

    with open_console() as console:
        console.result("data cache", console.follow(show_cache(source, purge=purge)))


ACTIONS: dict[str, Callable[..., None]] = {"import": import_, "check": check, "split": split, "cache": cache}
SUMMARIES = {
    "import": "Read photographs in any form into one manifest.",
    "check": "Look photographs over before training.",
    "split": "Divide photographs once, by whole patients.",
    "cache": "List or purge prepared photographs.",
}
for name, action in ACTIONS.items():
    data.command(name=name, short_help=SUMMARIES[name])(action)
