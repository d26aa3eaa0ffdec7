"""What tests of reports share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .browsing import Tabs, launched


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    yield from launched()


@pytest.fixture(scope="package")
def tabs(browser: Any) -> Iterator[Tabs]:
    """Pages that stay open from test to test."""
    found = Tabs(browser)
    yield found
    for context in found.contexts.values():
        context.close()
