"""The type of what a job writes its messages with."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str], None]
