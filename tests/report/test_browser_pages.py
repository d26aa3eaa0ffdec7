"""Pages of all commands in headless Chromium: room is used, names break at their joints, fingers find the switches."""

from __future__ import annotations

import base64
import io
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from ..cohort.files import GLOB, make_cohort
from ..command import run_here
from ..shared import made_once
from .browsing import MARKS, READY, Tabs
from .common import MASKS, case_in, fused

pytest.importorskip("jinja2", reason="needs jinja2: pip install '.[report]'")
pytestmark = MARKS
PAGES = ("many", "labels", "evaluate", "raters", "agreement", "cohort")
MANY = 15

# Of each table that scrolls: whether all of it would have had room in the page, which is as wide as its card.
CUT = """[...document.querySelectorAll(".scroll")].filter((box) => {
  const card = box.closest(".card"), style = getComputedStyle(card);
  const room = document.querySelector("main").clientWidth - 2 * parseFloat(getComputedStyle(document.querySelector("main")).paddingLeft)
    - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - 2;
  return box.scrollWidth > box.clientWidth && box.scrollWidth <= room;
}).map((box) => box.getAttribute("aria-label"))"""
# What stands on either side of each break of a line inside a name or a hash.
BREAKS = """[...document.querySelectorAll("td.wrap, th.wrap, td.hash")].flatMap((cell) => {
  const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
  const found = [], range = document.createRange();
  let before = null, text = "";
  while (walker.nextNode()) {
    const node = walker.currentNode;
    for (let i = 0; i < node.length; i++) {
      if (/\\s/.test(node.data[i])) { before = null; text += " "; continue; }
      range.setStart(node, i); range.setEnd(node, i + 1);
      const top = range.getBoundingClientRect().top;
      if (before !== null && top > before + 4) found.push([cell.className.includes("hash") ? "hash" : "name", text]);
      [before, text] = [top, text + node.data[i]];
    }
  }
  return found;
})"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of each command: of 15 raters with long names, the last of whom is the first again."""
    return made_once(tmp_path_factory, "pages-of-all-commands", make_pages)


def make_pages(here: Path) -> None:
    here.mkdir()
    case_in(here)
    paths = [here / f"ManualSegmentation_{i + 1}.nii.gz" for i in range(MANY)]
    for i, path in enumerate(paths):
        turn, which = divmod(i % (MANY - 1), len(MASKS))
        mask = nib.load(here / MASKS[which])
        nib.save(nib.Nifti1Image(np.roll(np.asanyarray(mask.dataobj), turn, axis=0), mask.affine), path)
    options = {"image": here / "flair.nii.gz", "method": "staple"}
    fused(here, paths=paths, report=here / "many.html", **options)
    maps = []
    for i in range(7):
        data = np.asanyarray(nib.load(paths[i]).dataobj).astype(np.uint8)
        maps.append(here / f"map{i}.nii.gz")
        data[data.shape[0] // 2 :] *= 2
        nib.save(nib.Nifti1Image(data, np.eye(4)), maps[-1])
    fused(here, paths=maps, labels="all", mask=None, report=here / "labels.html")
    flair = ("--image", "flair.nii.gz")
    for words in (
        ("evaluate", paths[1].name, paths[2].name, "--report", "evaluate.html", *flair),
        ("evaluate", paths[0].name, *(one.name for one in paths[1:]), "--report", "raters.html", *flair),
        ("agreement", *(one.name for one in paths), "--report", "agreement.html", *flair),
    ):
        done = run_here(here, *words)
        assert done.returncode == 0, done.stderr
    make_cohort(here / "in", 4)
    fastfuse.fuse_cohort(
        here / "in", here / "out", glob=GLOB, method="staple", replicates=5, report=here / "cohort.html"
    )


@pytest.mark.parametrize("width", [360, 800, 1400])
@pytest.mark.parametrize("name", PAGES)
def test_room_is_used_and_names_break_at_their_joints(tabs: Tabs, pages: Path, name: str, width: int) -> None:
    for one in tabs.show(pages, f"{name}.html", width=width, height=800):
        assert one.page.evaluate(CUT) == []
        assert (
            one.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            == 0
        )
        for kind, before in one.page.evaluate(BREAKS):
            if kind == "hash":
                assert len(before) in ((16, 32, 48) if width < 640 else (32,)), before
            else:
                assert re.search(r"[/_-]$", before), (kind, before)


# Of each text of a page, and of its legends: what contrasts by less than 4.5 with what lies below (WCAG 1.4.3).
PALE = """() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].reduce((sum, one, i) => sum + [0.2126, 0.7152, 0.0722][i]
    * (one / 255 <= 0.04045 ? one / 255 / 12.92 : ((one / 255 + 0.055) / 1.055) ** 2.4), 0);
  const below = (one) => {
    for (; one; one = one.parentElement) {
      const found = channels(getComputedStyle(one).backgroundColor);
      if (found.length < 4 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("main *:not(svg, svg *)")].filter((one) => one.getClientRects().length
    && [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim())).filter((one) => {
    const two = [light(channels(getComputedStyle(one).color)), light(below(one))].sort((a, b) => b - a);
    return (two[0] + 0.05) / (two[1] + 0.05) < 4.5;
  }).map((one) => one.outerHTML.slice(0, 80));
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_no_text_is_pale(tabs: Tabs, pages: Path, name: str, theme: str) -> None:
    for one in tabs.show(pages, f"{name}.html", theme=theme):
        assert one.page.evaluate(PALE) == []


# What of a page does not reach paper: what is cut at the right, what stays folded, and lists that would scroll.
CUT_ON_PAPER = """() => {
  const right = document.documentElement.clientWidth + 1;
  const shown = (one) => one.getClientRects().length;
  const cut = [...document.querySelectorAll("td, th, pre, p, svg, .list > *")].filter((one) => shown(one)
    && (one.getBoundingClientRect().right > right || one.scrollWidth > one.clientWidth + 1 && one.clientWidth));
  const hidden = [...document.querySelectorAll(".scroll, .list, pre")].filter((one) => shown(one)
    && getComputedStyle(one).overflow !== "visible" && (one.scrollWidth > one.clientWidth || one.scrollHeight > one.clientHeight));
  const folded = [...document.querySelectorAll("details td")].filter((one) => !one.checkVisibility({ contentVisibilityAuto: true }));
  return [...cut, ...hidden, ...folded].map((one) => one.outerHTML.slice(0, 90));
}"""
PAPER = {"A4": 717, "Letter": 739}  # pixels between the margins that browsers leave


@pytest.mark.parametrize("paper", PAPER)
@pytest.mark.parametrize("name", PAGES)
def test_paper_holds_all_of_a_page_in_dark_letters(tabs: Tabs, pages: Path, name: str, paper: str) -> None:
    for one in tabs.show(pages, f"{name}.html", width=PAPER[paper], theme="dark"):
        one.page.emulate_media(media="print")
        try:
            one.page.evaluate("dispatchEvent(new Event('beforeprint'))")
            assert one.page.evaluate(CUT_ON_PAPER) == []
            assert one.page.evaluate(PALE) == []
            colours = one.page.evaluate(
                "[...document.querySelectorAll('body, .caption, svg text:not(.on)')].map((one) => getComputedStyle(one).fill === 'none'"
                " || !one.matches('svg *') ? getComputedStyle(one).color : getComputedStyle(one).fill)"
            )
            assert max(int(part) for colour in colours for part in re.findall(r"\d+", colour)) < 128
            assert one.page.locator("details:not([open])").count() == 0
            one.page.evaluate("dispatchEvent(new Event('afterprint'))")
        finally:
            one.page.emulate_media(media="screen")


def test_the_dice_of_many_raters_is_read_on_paper(tabs: Tabs, tmp_path: Path) -> None:
    """Of 24 raters, whose one table had letters of 5 points; on paper and at every width nothing is cut."""
    votes = np.zeros((24, 9, 8, 7), np.uint8)
    votes[:, 2:6, 2:6, 2:5] = 1
    for i in range(24):
        votes[i].flat[i * 3 : i * 7 + 2] = 1
    fastfuse.majority_vote(list(votes)).report(tmp_path / "24.html", raters=list(votes))
    for one in tabs.show(tmp_path, "24.html", width=PAPER["A4"]):
        one.page.emulate_media(media="print")
        try:
            assert one.page.evaluate(CUT_ON_PAPER) == []
            sizes = "[...document.querySelectorAll('#agreement td')].map((one) => parseFloat(getComputedStyle(one).fontSize))"
            assert min(one.page.evaluate(sizes)) * 72 / 96 >= 8
            ends = "[...document.querySelectorAll('#agreement table')].map((one) => one.getBoundingClientRect().right)"
            assert len(one.page.evaluate(ends)) == 2
            assert max(one.page.evaluate(ends)) <= PAPER["A4"]
        finally:
            one.page.emulate_media(media="screen")


@pytest.mark.parametrize("name", PAGES)
def test_fingers_find_all_controls(tabs: Tabs, pages: Path, name: str) -> None:
    """44 px where the pointer is coarse; a checkbox itself at least 24, and its label, which is clicked as well, 44."""
    phone = {"width": 390, "height": 800, "has_touch": True, "is_mobile": True}
    for one in tabs.opened(pages, f"{name}.html", **phone):
        if name != "cohort":
            one.page.wait_for_selector(READY, timeout=20_000)
        sizes = one.page.evaluate(
            """[...document.querySelectorAll("button, select, input, label.check, nav a")]
            .filter((one) => one.offsetParent).map((one) => [one.outerHTML.slice(0, 60), one.type === "checkbox",
              one.getBoundingClientRect().width, one.getBoundingClientRect().height])"""
        )
        assert len(sizes) > 3
        small = [line for line in sizes if min(line[2:]) < (24 if line[1] else 44) - 0.01]
        assert small == []


def test_of_many_raters_the_page_says_that_no_outline_is_shown(tabs: Tabs, pages: Path) -> None:
    for one in tabs.show(pages, "many.html"):
        assert "of 15 raters all are off" in one.text("#none-outlined")
        one.page.click("[data-rater='3']")
        one.settle()
        assert one.page.is_hidden("#none-outlined")
        one.page.click("[data-all='off']")
        one.settle()
        assert one.page.is_visible("#none-outlined")


def test_beyond_seven_raters_lines_have_dashes(tabs: Tabs, pages: Path, tmp_path: Path) -> None:
    """Raters 1 and 8 have one colour; of the dashed line there is less. The mask of both is the first's."""
    images = pytest.importorskip("PIL.Image")
    case_in(tmp_path)
    shutil.copy(pages / "ManualSegmentation_1.nii.gz", tmp_path / "again.nii.gz")
    paths = [pages / f"ManualSegmentation_{i}.nii.gz" for i in (1, 2, 3, 4, 5, 6, 7)]
    fused(
        tmp_path, paths=[*paths, tmp_path / "again.nii.gz"], method="majority", report=tmp_path / "eight.html"
    )
    for one in tabs.opened(tmp_path, "eight.html", width=1400):
        one.page.wait_for_selector(READY, timeout=20_000)
        for switch in ("#consensus-on", "#edge-on", "#cross-on", "[data-all='off']"):
            one.page.click(switch)
        drawn = []
        for rater in (0, 7):
            one.page.click(f"[data-rater='{rater}']")
            png = base64.b64decode(one.picture("sagittal").partition("base64,")[2])
            pixels = np.asarray(images.open(io.BytesIO(png)).convert("RGB")).astype(int)
            yellow = (pixels[..., 0] > 180) & (pixels[..., 1] > 150) & (pixels[..., 2] < 110)
            drawn.append(int(np.count_nonzero(yellow)))
            one.page.click(f"[data-rater='{rater}']")
        assert drawn[0] > 50
        assert 0.3 * drawn[0] < drawn[1] < 0.85 * drawn[0]


@pytest.mark.parametrize("name", ["evaluate", "agreement", "raters", "many", "labels"])
def test_show_moves_the_viewer_to_what_the_row_says(tabs: Tabs, pages: Path, name: str) -> None:
    for one in tabs.show(pages, f"{name}.html"):
        section = "#lesions" if name == "evaluate" else "#places"
        rows = one.page.query_selector_all(f"{section} tbody tr")
        assert rows
        for k, row in list(enumerate(rows))[:3][::-1]:
            cells = row.inner_text().split("\t")
            (at,) = [cell for cell in cells if re.fullmatch(r"[RL] [\d.]+, [AP] [\d.]+, [SI] [\d.]+", cell)]
            row.query_selector("button").click()
            one.settle()
            assert one.page.inner_text(f"#place option[value='{k}']").startswith(f"{cells[0].strip()}: ")
            assert name == "evaluate" or cells[0].strip() == str(k + 1)
            assert one.page.input_value("#place") == str(k)
            assert one.text("#where").startswith(f"{at} mm")
            assert at in one.page.inner_text(f"#place option[value='{k}']")


def test_it_starts_at_the_largest_lesion_that_is_missed_or_false(tabs: Tabs, pages: Path) -> None:
    for one in tabs.opened(pages, "evaluate.html"):
        one.page.wait_for_selector(READY, timeout=20_000)
        rows = [row.split("\t") for row in one.page.inner_text("#lesions tbody").splitlines()]
        numbers, kinds = [row[0] for row in rows], [row[1] for row in rows]
        first = next(k for k, kind in enumerate(kinds) if kind != "found")
        assert one.page.input_value("#place") == str(first)
        assert f"It starts at lesion {numbers[first]}, {kinds[first]}" in one.text("#slices")
        one.page.focus("#axial")
        one.page.keyboard.press("n")
        one.settle()
        assert one.page.input_value("#place") == str((first + 1) % len(kinds))


@pytest.mark.parametrize("name", ["evaluate", "agreement", "raters"])
def test_an_image_lies_below_the_marks(tabs: Tabs, pages: Path, name: str) -> None:
    for one in tabs.show(pages, f"{name}.html"):
        assert " · image " in one.text("#where")
        before = one.picture("axial")
        one.page.focus("#level")
        one.page.keyboard.press("Home")
        assert one.picture("axial") != before
