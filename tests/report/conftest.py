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


@pytest.fixture(scope="package")
def tabs(browser: Any) -> Iterator[Tabs]:
    """Pages that stay open from test to test."""
    found = Tabs(browser)
    yield found
    for context in found.contexts.values():
        context.close()
