"""Wound phantoms: photographs of wounds rendered from named parameters.

The renderer is frozen: `tests/golden/phantoms_v1.png` holds 16 of its images. A change to what it draws
raises RENDERER_VERSION and calls for retraining everything trained on phantoms.
"""

from woundgen.records import PHASES

from .captions import View, caption, captions
from .corruptions import CORRUPTIONS, corrupt
from .render import RENDERER_VERSION, Phantoms, draw_healthy_skin, draw_phantoms

__all__ = [
    "CORRUPTIONS",
    "PHASES",
    "RENDERER_VERSION",
    "Phantoms",
    "View",
    "caption",
    "captions",
    "corrupt",
    "draw_healthy_skin",
    "draw_phantoms",
]
