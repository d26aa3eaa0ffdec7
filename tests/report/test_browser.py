"""The viewer in headless Chromium: no error, no request, keys and switches work."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from ..shared import made_once
from .browsing import MARKS, READY, Shown, Tabs
from .common import MASKS, case_in, fused

pytest.importorskip("jinja2", reason="needs jinja2: pip install '.[report]'")
pytestmark = MARKS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(here: Path) -> None:
        here.mkdir()
        fused(here, method="staple", image=here / "flair.nii.gz")

    return made_once(tmp_path_factory, "page-of-masks", make)


@pytest.fixture
def shown(tabs: Tabs, folder: Path) -> Iterator[Shown]:
    yield from tabs.show(folder)


def test_it_opens_at_the_largest_disagreement(shown: Shown) -> None:
    assert shown.page.is_hidden("#still")
    table = shown.page.inner_text("#places tbody tr:first-child")
    who = table.split("\t")[4]
    assert who.split(":")[0] in shown.text("#where")
    assert who.split(": ")[1] in shown.text("#where")


def test_what_is_told_is_what_the_files_hold(shown: Shown) -> None:
    """Millimetres, consensus and votes at the voxel where the viewer starts, by nibabel."""
    told = shown.text("#where")
    millimetres = []
    for part, sides in zip(
        told.split(" · ")[0].removesuffix(" mm").split(", "), ("RL", "AP", "SI"), strict=True
    ):
        side, number = part.split()
        millimetres.append(float(number) * (1 if side == sides[0] else -1))
    consensus = nib.load(shown.folder / "consensus.nii.gz")
    voxel = tuple(np.rint(np.linalg.solve(consensus.affine, [*millimetres, 1])[:3]).astype(int))
    held = float(np.asanyarray(consensus.dataobj)[voxel])
    assert f"consensus {held:.2f}" in told
    masks = sorted(shown.folder.glob("Manual*.nii.gz"))
    who = [str(i) for i, path in enumerate(masks, 1) if np.asanyarray(nib.load(path).dataobj)[voxel]]
    assert f"marked by {len(who)} of {len(masks)}: {', '.join(who)}" in told


@pytest.mark.parametrize(
    ("key", "steps"),
    [("ArrowUp", 1), ("ArrowDown", -1), ("ArrowRight", 1), ("ArrowLeft", -1), ("PageUp", 10)],
)
@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_keys_change_the_slice(shown: Shown, plane: str, key: str, steps: int) -> None:
    before = shown.slice_of(plane)
    before_it = shown.picture(plane)
    shown.page.focus(f"#{plane}")
    shown.page.keyboard.press(key)
    most = int(shown.page.get_attribute(f"#{plane}", "aria-valuemax"))
    expected = min(before + steps, most)
    assert shown.slice_of(plane) == expected
    assert f"slice {expected} of" in shown.text(f"#{plane}-said")
    assert (shown.picture(plane) != before_it) == (expected != before)


def test_home_end_and_slider(shown: Shown) -> None:
    shown.page.focus("#axial")
    shown.page.keyboard.press("Home")
    assert shown.slice_of("axial") == int(shown.page.get_attribute("#axial", "aria-valuemin"))
    shown.page.keyboard.press("End")
    assert shown.slice_of("axial") == int(shown.page.get_attribute("#axial", "aria-valuemax"))
    shown.page.focus("#axial-slider")
    shown.page.keyboard.press("ArrowLeft")
    assert shown.slice_of("axial") == int(shown.page.get_attribute("#axial", "aria-valuemax")) - 1


def test_the_wheel_and_a_click(shown: Shown) -> None:
    before = shown.slice_of("coronal")
    shown.page.hover("#coronal")
    shown.page.mouse.wheel(0, -100)
    assert shown.slice_of("coronal") == before + 1
    where = shown.text("#where")
    shown.page.click("#axial", position={"x": 90, "y": 120})
    shown.settle()
    assert shown.text("#where") != where


def test_everything_is_reached_by_tab(tabs: Tabs, folder: Path) -> None:
    wanted = {
        "axial",
        "axial-slider",
        "coronal",
        "sagittal",
        "place",
        "next",
        "closer",
        "consensus-on",
        "opacity",
    }
    for one in tabs.opened(folder):
        one.page.wait_for_selector(READY, timeout=20_000)
        reached = set()
        for _ in range(60):
            one.page.keyboard.press("Tab")
            reached.add(one.page.evaluate("document.activeElement.id"))
        assert wanted <= reached


@pytest.mark.parametrize(
    "switch", ["#consensus-on", "#edge-on", "#cross-on", "[data-rater='0']", "[data-all='off']"]
)
def test_switches_change_the_picture(shown: Shown, switch: str) -> None:
    before = shown.picture("sagittal")  # in which there is something of all
    shown.page.click(switch)
    assert shown.picture("sagittal") != before


@pytest.mark.parametrize("slider", ["#opacity", "#window", "#level"])
def test_sliders_change_the_picture(shown: Shown, slider: str) -> None:
    before, said = shown.picture("axial"), shown.text(f"{slider}-said")
    shown.page.focus(slider)
    for _ in range(5):
        shown.page.keyboard.press("ArrowLeft")
    assert shown.picture("axial") != before
    assert shown.text(f"{slider}-said") != said


def test_places_are_visited(shown: Shown) -> None:
    first = shown.text("#where")
    shown.page.click("#next")
    shown.settle()
    assert shown.page.input_value("#place") == "1"
    assert shown.text("#where") != first
    shown.page.click("[data-visit='0']")
    shown.settle()
    assert shown.text("#where") == first
    shown.page.keyboard.press("p")
    shown.settle()
    assert shown.page.input_value("#place") == str(len(shown.page.query_selector_all("#place option")) - 1)


def test_zoom(shown: Shown) -> None:
    before = shown.picture("sagittal")
    shown.page.click("#closer")
    assert shown.picture("sagittal") != before
    assert "2" in shown.text("#zoom-said")
    shown.page.click("#farther")
    assert shown.picture("sagittal") == before


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 800, 1600])
def test_nothing_is_wider_than_the_screen(tabs: Tabs, folder: Path, width: int, theme: str) -> None:
    for one in tabs.show(folder, width=width, height=700, theme=theme):
        element = "document.documentElement"
        assert one.page.evaluate(f"{element}.scrollWidth <= {element}.clientWidth")
        background = "getComputedStyle(document.body).backgroundColor"
        before = one.page.evaluate(background)
        one.page.click("#theme")
        after = one.page.evaluate(background)
        assert before != after
        assert ("246, 247, 249" in before) == (theme == "light")


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page whose table of raters has all columns, of files with long names."""
    return made_once(tmp_path_factory, "wide-page", make_wide)


def make_wide(here: Path) -> None:
    here.mkdir()
    case_in(here)
    paths = []
    for i, name in enumerate(MASKS):
        paths.append(here / f"ManualSegmentation_{i}_of_the_second_reader.nii.gz")
        shutil.copyfile(here / name, paths[-1])
    fused(here, method="border-staple", image=here / "flair.nii.gz", roi=4, intervals="lesions", paths=paths)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 800, 1400])
def test_wide_tables_are_seen_whole_or_scroll(tabs: Tabs, wide: Path, width: int, theme: str) -> None:
    """Where a table is wider than its card, a bar and a shadow say so, and the rater's name stays in sight."""
    for one in tabs.show(wide, width=width, height=700, theme=theme):
        box = "document.querySelector('#raters .scroll')"
        beyond = one.page.evaluate(f"{box}.scrollWidth - {box}.clientWidth")
        assert (beyond > 0) == (width < 1400)
        assert "gradient" in one.page.evaluate(f"getComputedStyle({box}).backgroundImage")
        if width == 800:
            head = f"{box}.querySelector('tbody th').getBoundingClientRect().left"
            left = one.page.evaluate(f"{box}.getBoundingClientRect().left")
            one.page.evaluate(f"{box}.scrollLeft = {beyond}")
            assert one.page.evaluate(head) == pytest.approx(left, abs=1)
        one.page.evaluate(f"{box}.scrollLeft = {beyond}")
        assert one.page.evaluate(f"{box}.scrollLeft") == pytest.approx(beyond, abs=1)


def test_without_javascript_the_still_pictures_stay(tabs: Tabs, folder: Path) -> None:
    for one in tabs.opened(folder, java_script_enabled=False):
        assert one.page.is_visible("#still img")
        assert one.page.locator("#still .key li").count() == len(MASKS)  # whose colour is whose
        assert one.page.is_hidden("#viewer")


def test_without_decompression_the_still_pictures_stay(browser: Any, folder: Path) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script("delete window.DecompressionStream")
    page.goto((folder / "report.html").as_uri())
    assert page.is_visible("#still img")
    assert page.is_hidden("#viewer")
    context.close()


def test_label_maps(tabs: Tabs, tmp_path: Path) -> None:
    paths = []
    for i in range(3):
        data = np.zeros((12, 10, 8), np.uint16)
        data[2:6, 2:7, 2 : 5 + i] = 3
        data[6:10, 2:7, 2:5] = 300
        paths.append(tmp_path / f"map{i}.nii.gz")
        nib.save(nib.Nifti1Image(data, np.eye(4)), paths[-1])
    fused(tmp_path, paths=paths, labels={0: "rest", 3: "liver", 300: "spleen"}, mask=None)
    for one in tabs.opened(tmp_path):
        one.page.wait_for_selector(READY, timeout=20_000)
        told = one.text("#where")
        assert "0: rest" in told  # numbers are those of the files: map0 to map2
        assert "2: liver" in told
        before = one.picture("axial")
        one.page.click("#consensus-on")
        assert one.picture("axial") != before


def test_the_viewer_shows_the_right_on_the_left(tabs: Tabs, tmp_path: Path) -> None:
    """The patient's right, front and top are bright: in all three planes that is the upper left."""
    images = pytest.importorskip("PIL.Image")
    affine = np.array([[0, 0, -2.0, 9], [-2, 0, 0, 4], [0, 2, 0, -7], [0, 0, 0, 1]])
    shape = (12, 12, 12)
    at = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    middle = np.median(at.reshape(-1, 3), axis=0)
    bright = (at > middle).all(axis=-1)
    flair = (100 * bright + 1).astype(np.int16)
    flair[tuple(np.argwhere(~bright)[7])] = 0  # so that all else is no background
    nib.save(nib.Nifti1Image(flair, affine), tmp_path / "flair.nii.gz")
    paths = []
    for i in range(2):
        mask = np.zeros(shape, np.uint8)
        mask[tuple(np.argwhere(bright)[0])] = i
        mask[tuple(np.argwhere(bright)[-1])] = 1
        paths.append(tmp_path / f"rater{i}.nii.gz")
        nib.save(nib.Nifti1Image(mask, affine), paths[-1])
    fused(tmp_path, paths=paths, mask=None, image=tmp_path / "flair.nii.gz", method="majority")
    for one in tabs.opened(tmp_path):
        one.page.wait_for_selector(READY, timeout=20_000)
        for switch in ("#consensus-on", "#edge-on", "#cross-on", "[data-all='off']"):
            one.page.click(switch)
        for plane in ("axial", "coronal", "sagittal"):
            png = base64.b64decode(one.picture(plane).partition("base64,")[2])
            pixels = np.asarray(images.open(io.BytesIO(png)).convert("L")).astype(float)
            half = len(pixels) // 2
            upper_left = pixels[:half, :half].mean()
            others = (pixels[:half, half:], pixels[half:, :half], pixels[half:, half:])
            assert all(upper_left > part.mean() + 40 for part in others), plane
