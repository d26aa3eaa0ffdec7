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
SIZE = {"width": 1000, "height": 900}
MARKS = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
    pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning"),
]


def launched() -> Iterator[Any]:
    """Yield a headless Chromium, for a fixture."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    with playwright.sync_playwright() as running:
        found = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@dataclass
class Shown:
    """A page that is open, with what it said and asked for."""

    page: Any
    folder: Path
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector))

    def settled_text(self, selector: str) -> str:
        return str(self.settled(f"document.querySelector('{selector}').innerText"))

    def picture(self, plane: str) -> str:
        return str(self.settled(f"document.getElementById('{plane}').toDataURL()"))

    def settle(self) -> None:
        self.settled("null")

    def settled(self, value: str) -> Any:
        """Return a value of the page once what was asked for is drawn."""
        return self.page.evaluate(
            f"new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done({value}))))"
        )

    def has_asked_for_nothing_but(self, url: str) -> None:
        assert self.said == []
        assert [one for one in self.asked if not one.startswith("data:")] == [url]

    def slice_of(self, plane: str) -> int:
        return int(self.settled(f"document.getElementById('{plane}').getAttribute('aria-valuenow')"))


# What one may have changed of a page, and how far it is scrolled.
STATE = """() => JSON.stringify([
  [...document.querySelectorAll("input, select")].map((one) => one.type === "checkbox" ? one.checked : one.value),
  [...document.querySelectorAll("#viewer canvas")].map((one) => one.getAttribute("aria-valuenow")),
  ["#where", "#zoom-said", "#theme"].map((what) => document.querySelector(what)?.textContent),
  [document.documentElement, ...document.querySelectorAll(".scroll, .list")].map((one) => [one.scrollLeft, one.scrollTop]),
])"""
# Puts all of this back to what it was when the page was opened.
BACK = """(first) => {
  const [values] = JSON.parse(first), root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  if (root.dataset.theme && (root.dataset.theme === "dark") !== dark) document.getElementById("theme").click();
  delete root.dataset.theme;
  while (document.querySelector("#zoom-said") && document.querySelector("#zoom-said").textContent !== "× 1")
    document.getElementById("farther").click();
  const inputs = [...document.querySelectorAll("input, select")];
  const put = (one, value) => {
    if (one.type === "checkbox") one.checked = value; else one.value = value;
    one.dispatchEvent(new Event(one.tagName === "SELECT" ? "change" : "input"));
  };
  const order = [...inputs.keys()].sort((a, b) => (inputs[b].tagName === "SELECT") - (inputs[a].tagName === "SELECT"));
  for (const k of order) put(inputs[k], values[k]);
  document.activeElement?.blur();
  for (const one of document.querySelectorAll(".scroll, .list")) one.scrollTo(0, 0);
  scrollTo({ left: 0, top: 0, behavior: "instant" });
}"""


@dataclass
class Tabs:
    """Pages that stay open: opening one takes longer than most tests, which find it as it was opened."""

    browser: Any
    known: dict[str, tuple[Shown, str]] = field(default_factory=dict)
    contexts: dict[str, Any] = field(default_factory=dict)

    def show(
        self,
        folder: Path,
        name: str = "report.html",
        *,
        width: int = 1000,
        height: int = 900,
        theme: str = "light",
    ) -> Iterator[Shown]:
        """Yield a page of this size; it must say nothing, and ask for nothing but itself, up to the end of each test."""
        url = (folder / name).as_uri()
        # Where a test fails, what it leaves is not put back.
        shown, first = self.known.pop(url, None) or self.fresh(folder, url)
        shown.page.bring_to_front()  # those behind are drawn once a second
        shown.page.emulate_media(color_scheme=theme)
        shown.page.set_viewport_size({"width": width, "height": height})
        shown.settle()
        yield shown
        shown.page.mouse.move(0, 0)
        shown.page.emulate_media(color_scheme="light")
        shown.page.set_viewport_size(SIZE)
        shown.page.evaluate(BACK, first)
        shown.settle()
        assert shown.page.evaluate(STATE) == first
        shown.has_asked_for_nothing_but(url)
        self.known[url] = shown, first

    def fresh(self, folder: Path, url: str) -> tuple[Shown, str]:
        """Return a page in a tab of its own, and its state."""
        shown = listening(self.context(), folder)
        shown.page.goto(url)
        if shown.page.locator("#viewer").count():
            shown.page.wait_for_selector(READY, timeout=20_000)
        shown.settle()
        return shown, shown.page.evaluate(STATE)

    def opened(
        self, folder: Path, name: str = "report.html", *, width: int = 1000, height: int = 900, **options: Any
    ) -> Iterator[Shown]:
        """Open a page for one test; at its end, it must have said nothing, and asked for nothing but itself."""
        shown = listening(self.context(**options), folder)
        shown.page.set_viewport_size({"width": width, "height": height})
        shown.page.goto((folder / name).as_uri())
        yield shown
        shown.has_asked_for_nothing_but((folder / name).as_uri())
        shown.page.close()

    def context(self, **options: Any) -> Any:
        """Return the one context of these options: a page in a new one starts processes, for twice the time."""
        key = repr(sorted(options.items()))
        if key not in self.contexts:
            self.contexts[key] = self.browser.new_context(viewport=SIZE, color_scheme="light", **options)
        return self.contexts[key]


def listening(context: Any, folder: Path) -> Shown:
    """Return an empty page that keeps what it says and asks for."""
    shown = Shown(context.new_page(), folder)
    shown.page.on("console", lambda message: shown.said.append(message.text))
    shown.page.on("pageerror", lambda error: shown.said.append(str(error)))
    shown.page.on("request", lambda request: shown.asked.append(request.url))
    return shown
