"""What one finds and reads on a page in headless Chromium: links, lists, places, numbers, colours over an image."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.report.colours import LINES, RAMP

from ..cohort.files import GLOB, make_cohort
from ..shared import made_once
from .browsing import MARKS, Tabs

pytest.importorskip("jinja2", reason="needs jinja2: pip install '.[report]'")
pytestmark = MARKS
SHAPE = (40, 40, 12)
WHITE = 2900.0  # of the image's right half, about; the left half is black

LINKS = """[...document.querySelectorAll("nav a")].map((link) => {
  const box = link.getBoundingClientRect();
  const hit = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  return [link.textContent, box.left >= 0 && box.right <= innerWidth && hit === link];
})"""
# Of each list: its rows, how many are cut by its box, whether it scrolls, and whether its bar or shadow would show that.
LISTS = """[...document.querySelectorAll("#viewer .list")].map((list) => {
  const box = list.getBoundingClientRect();
  const cut = [...list.children].filter((row) => {
    const one = row.getBoundingClientRect();
    return one.top < box.bottom - 1 && one.bottom > box.bottom + 1;
  });
  return [list.children.length, cut.length, list.scrollHeight > list.clientHeight + 1, getComputedStyle(list).backgroundImage];
})"""
# How wide the longest place is, and how wide the room for it, beside the arrow.
PLACES = """(() => {
  const list = document.getElementById("place"), style = getComputedStyle(list);
  const context = document.createElement("canvas").getContext("2d");
  context.font = style.font;
  const widths = [...list.options].map((one) => context.measureText(one.text).width);
  return [Math.max(...widths), list.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - 20];
})()"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages of many masks over an image of thousands, of many labels, and of a cohort."""
    return made_once(tmp_path_factory, "pages-of-controls", make_pages)


def make_pages(here: Path) -> None:
    here.mkdir()
    affine = np.diag([4.0, 4.0, 5.0, 1.0])
    affine[:3, 3] = -120.5
    rng = np.random.default_rng(0)
    image = np.full(SHAPE, 1010, np.float32) + np.arange(SHAPE[1], dtype=np.float32)[None, :, None]
    image[20:] += WHITE - 1040
    nib.save(nib.Nifti1Image(image, affine), here / "image.nii")
    masks, maps = [], []
    for i in range(20):
        mask = np.zeros(SHAPE, np.uint8)
        mask[8:32, 8:32, 2 : 8 + i % 3] = 1
        masks.append(here / f"r{i}.nii")
        nib.save(nib.Nifti1Image(mask, affine), masks[-1])
        maps.append(here / f"m{i}.nii")
        labels = (mask * (1 + np.arange(SHAPE[0]) // 2)[:, None, None]).astype(np.uint8)
        labels[rng.random(SHAPE) < 0.01] = 0
        nib.save(nib.Nifti1Image(labels, affine), maps[-1])
    common: dict[str, Any] = {"overwrite": True, "image": here / "image.nii"}
    fastfuse.fuse_files(masks, here / "c.nii", method="majority", report=here / "masks.html", **common)
    fastfuse.fuse_files(maps, here / "l.nii", labels="all", report=here / "labels.html", **common)
    make_cohort(here / "in", 4)
    fastfuse.fuse_cohort(
        here / "in", here / "out", glob=GLOB, method="staple", replicates=5, report=here / "cohort.html"
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 390, 800, 1400, 1600])
@pytest.mark.parametrize("name", ["masks", "labels", "cohort"])
def test_all_links_are_in_sight_and_lead_below_the_header(
    tabs: Tabs, pages: Path, name: str, width: int, theme: str
) -> None:
    for one in tabs.show(pages, f"{name}.html", width=width, theme=theme):
        links = one.page.evaluate(LINKS)
        assert len(links) > 4
        assert [link for link, seen in links if not seen] == []
        one.page.click("nav a[href='#made']")
        one.page.wait_for_function("scrollY > 0")
        one.settle()
        header, section = (one.page.locator(what).bounding_box() for what in ("header.top", "#made"))
        assert section["y"] >= header["y"] + header["height"] - 1


@pytest.mark.parametrize("width", [360, 390, 800, 1400, 1600])
@pytest.mark.parametrize("name", ["masks", "labels"])
def test_lists_show_whole_rows_and_that_there_are_more(
    tabs: Tabs, pages: Path, name: str, width: int
) -> None:
    for one in tabs.show(pages, f"{name}.html", width=width):
        lists = one.page.evaluate(LISTS)
        assert len(lists) == (1 if name == "masks" else 2)
        for rows, cut, scrolls, shadow in lists:
            assert rows >= 13
            assert cut == 0
            assert scrolls
            assert shadow.count("linear-gradient") == 4
        if width >= 800:
            longest, room = one.page.evaluate(PLACES)
            assert longest <= room


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_places_have_low_rows_on_a_phone(tabs: Tabs, pages: Path, theme: str) -> None:
    """What stands beyond the edge makes no row so high that it looks empty."""
    for one in tabs.show(pages, "labels.html", width=390, theme=theme):
        rows = one.page.locator("#places tbody tr")
        assert rows.count() == 10
        assert max(rows.nth(k).bounding_box()["height"] for k in range(10)) < 45
        assert one.page.evaluate("document.documentElement.scrollWidth") == 390


def test_numbers_of_thousands_have_no_power_of_ten(tabs: Tabs, pages: Path) -> None:
    for one in tabs.show(pages, "masks.html"):
        one.page.focus("#window")
        one.page.keyboard.press("End")
        one.settle()
        said = [one.text("#level-said"), one.text("#window-said"), one.text("#where").split(" · ")[1]]
        one.page.click("#axial", position={"x": 5, "y": 5})
        for key in ("Home", "End", "PageDown", "PageDown", "PageDown"):
            one.page.focus("#level")
            one.page.keyboard.press(key)
            one.settle()
            said += [one.text("#level-said"), one.text("#where").split(" · ")[1]]
        assert not [text for text in said if "e" in text.removeprefix("image")]
        assert "image about 2,910" in said
        assert "1,010" in said
        assert all(re.fullmatch(r"(image (about )?)?−?\d{1,3}(,\d{3})*(\.\d+)?", text) for text in said), said


def test_the_consensus_over_a_white_image_is_like_no_outline(tabs: Tabs, pages: Path) -> None:
    """At the opacity that is shown first: the colour's share, and the square of what it leaves of the image."""
    for one in tabs.show(pages, "masks.html", width=1400):
        for switch in ("#edge-on", "#cross-on"):
            one.page.click(switch)
        one.settle()
        found = one.page.evaluate(
            """(() => { const canvas = document.getElementById("axial"), side = canvas.width;
              const row = canvas.getContext("2d").getImageData(0, side >> 1, side, 1).data;
              return [0.38, 0.62].map((x) => [...row.slice(4 * Math.round(side * x)).slice(0, 3)]); })()"""
        )
        opacity = int(one.page.input_value("#opacity")) / 100
        told = re.search(r"consensus ([\d.]+)", one.text("#where"))
        assert told is not None
        stops = np.array([[int(stop[at : at + 2], 16) for at in (1, 3, 5)] for stop in RAMP], float)
        colour = [np.interp(float(told[1]), np.linspace(0, 1, len(stops)), stops[:, k]) for k in range(3)]
        seen = set()
        for pixel in found:  # the right and the left half: white and black lie below
            below = 255 if sum(pixel) > 1.2 * opacity * sum(colour) else 0
            seen.add(below)
            np.testing.assert_allclose(pixel, opacity * np.array(colour) + (1 - opacity) ** 2 * below, atol=8)
        assert seen == {0, 255}
        white = max(found, key=sum)
        pink = [int(LINES[2][at : at + 2], 16) for at in (1, 3, 5)]
        assert np.linalg.norm(np.subtract(white, pink)) > 60
