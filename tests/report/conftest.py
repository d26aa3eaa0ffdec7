"""What tests of reports share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .browsing import CHROMIUM, Tabs


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    with playwright.sync_playwright() as running:
        found = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def tabs(browser: Any) -> Iterator[Tabs]:
    """Pages of a module that stay open from test to test."""
    found = Tabs(browser)
    yield found
    for shown, _ in found.known.values():
        shown.page.context.close()
