"""A torchvision that does not fit torch breaks the import of transformers: recognise it, and report it in one line.

woundgen does not use torchvision; another package may have brought it along.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys

from woundgen.errors import UserError


def find_broken_torchvision() -> UserError | None:
    """Return the error to show where torchvision is installed and cannot be imported; None where it is not at fault."""
    if importlib.util.find_spec("torchvision") is None:
        return None
    done = subprocess.run([sys.executable, "-c", "import torchvision"], capture_output=True)
    if done.returncode == 0:
        return None
    return UserError(
        "The torchvision installed with this torch cannot be imported, and transformers fails with it.",
        "Remove it (woundgen does not use it): pip uninstall torchvision; or install the build that fits torch.",
    )
