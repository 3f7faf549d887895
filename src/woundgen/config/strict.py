"""How settings are checked: no unknown key, no change afterwards, finite numbers."""

from __future__ import annotations

from pydantic import ConfigDict

STRICT = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
