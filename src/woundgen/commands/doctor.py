"""woundgen doctor"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from woundgen.runtime.console import open_console


def doctor(
    config: Annotated[Path | None, typer.Option(help="What is to be run: its base and device are checked.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="key=value over the config; repeatable.")] = None,
) -> None:
    """Look at this machine before the first run: cards, driver, memory, disk, what is fetched and what is not.

    \b
    woundgen doctor
    woundgen doctor --config configs/phase_I_config.yaml
    """
    from woundgen.config.load import load_train_config

    settings = load_train_config(config, set_ or []) if config is not None or set_ else None
    from woundgen.workflows.doctor import examine

    with open_console() as console:
        examined = examine(settings, folder=Path.cwd())
        for line in examined.lines():
            console.info(line)
        console.result("doctor", examined)
    examined.refuse_faults()
