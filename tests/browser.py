"""Chromium through playwright, for slow tests: without the extra [test-browser] or Chromium they fail, never skip."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def open_browser() -> Iterator[Any]:
    """Start the system's Chromium, headless."""
    from playwright.sync_api import sync_playwright

    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    assert path is not None, "needs Chromium: apt-get install chromium"
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def accessibility_faults(page: Any) -> list[str]:
    """Return what axe-core finds on the page as it stands: rule, how often, and the first element."""
    from axe_playwright_python.sync_playwright import Axe

    result = Axe().run(page, options={"resultTypes": ["violations"]})
    return [
        f"{fault['id']}: {len(fault['nodes'])} x {fault['nodes'][0]['html'][:200]}"
        for fault in result.response["violations"]
    ]
