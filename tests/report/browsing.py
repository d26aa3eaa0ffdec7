"""Pages in headless Chromium, with what they say and ask for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
READY = "#viewer[data-ready]"
MARKS = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
    pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning"),
]


@dataclass
class Shown:
    """A page that is open, with what it said and asked for."""

    page: Any
    folder: Path
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector))

    def picture(self, plane: str) -> str:
        self.settle()
        return str(self.page.evaluate(f"document.getElementById('{plane}').toDataURL()"))

    def settle(self) -> None:
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def slice_of(self, plane: str) -> int:
        self.settle()
        return int(self.page.get_attribute(f"#{plane}", "aria-valuenow"))


def opened(browser: Any, folder: Path, name: str = "report.html", **options: Any) -> Iterator[Shown]:
    """Open a page; when all is done, it must have said nothing, and asked for nothing but itself."""
    context = browser.new_context(**{"viewport": {"width": 1000, "height": 900}, **options})
    shown = Shown(context.new_page(), folder)
    shown.page.on("console", lambda message: shown.said.append(message.text))
    shown.page.on("pageerror", lambda error: shown.said.append(str(error)))
    shown.page.on("request", lambda request: shown.asked.append(request.url))
    shown.page.goto((folder / name).as_uri())
    yield shown
    assert shown.said == []
    assert [url for url in shown.asked if not url.startswith("data:")] == [(folder / name).as_uri()]
    context.close()
