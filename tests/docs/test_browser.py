"""The documentation in headless Chromium: pages say nothing in the console, fit a phone, and are found by the field's words."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ..report.browsing import CHROMIUM, launched

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
OF_THE_API = {"fastfuse.staple.html", "fastfuse.Fusion.html", "fastfuse.plots.save.html"}
WORDS = [
    "kappa",
    "ICC",
    "intraclass correlation",
    "inter-rater",
    "interobserver",
    "inter-observer",
    "observer",
    "annotator",
    "reader",
    "majority voting",
    "label fusion",
    "STAPLE",
    "consensus",
    "reference standard",
    "ground truth",
    "probabilistic atlas",
    "uncertainty",
    "calibration",
    "nnU-Net",
    "BIDS",
    "DICOM SEG",
    "multi-class",
    "weights",
    "weighted",
    "Slurm",
    "cluster",
    "GPU",
    "converge",
    "empty",
    "methods section",
    "sample size",
    "how many raters",
    "CRKIT",
    "MONAI",
    "highdicom",
    "pydicom-seg",
    "LabelFusion",
    "SimpleITK",
    "license",
]
# What makes a page wider than its window, and its headings by level.
LOOK = """() => ({
  wide: document.documentElement.scrollWidth - innerWidth,
  sizes: [...document.querySelectorAll(".bd-article h1, .bd-article h2, .bd-article h3")].map(
    (one) => [Number(one.tagName[1]), parseFloat(getComputedStyle(one).fontSize)]),
})"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server that writes no log."""

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def site(built: Path) -> Iterator[str]:
    """Return the address of the documentation: a search reads pages, which browsers refuse of files."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(built)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from launched()


def test_pages_are_quiet_and_fit_a_phone(built: Path, site: str, browser: Any) -> None:
    """As one sees them who comes for the first time; a heading is not larger than that above it."""
    pages = [path.relative_to(built).as_posix() for path in built.rglob("*.html")]
    pages = [one for one in pages if not one.startswith(("_", "api/")) or one[4:] in OF_THE_API]
    assert len(pages) > 45
    wrong: list[tuple[str, object]] = []
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 360, "height": 800}, color_scheme=scheme)
        page, name = context.new_page(), ""
        page.on("console", lambda one: wrong.append((name, one.text)) if one.type != "log" else None)  # noqa: B023
        page.on("pageerror", lambda one: wrong.append((name, str(one))))  # noqa: B023
        for name in pages if scheme == "light" else pages[:1]:
            page.goto(site + name)
            found = page.evaluate(LOOK)
            if found["wide"] > 1:
                wrong.append((name, found["wide"]))
            sizes = dict(reversed(found["sizes"]))
            if sorted(sizes.values(), reverse=True) != [sizes[level] for level in sorted(sizes)]:
                wrong.append((name, sizes))
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        context.close()
    assert wrong == []


def test_without_a_script_pages_have_colours(site: str, browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site + "faq.html")
    assert page.evaluate(
        "getComputedStyle(document.documentElement).getPropertyValue('--pst-color-text-base')"
    )
    context.close()


def test_the_search_finds_the_words_of_the_field(site: str, browser: Any) -> None:
    page = browser.new_page()
    missing = []
    for words in WORDS:
        page.goto(f"{site}search.html?q={words.replace(' ', '+')}")
        page.wait_for_function(
            "/finished|did not match/.test(document.querySelector('#search-results').innerText)"
        )
        if not page.locator("#search-results ul.search li a").count():
            missing.append(words)
    page.close()
    assert missing == []
