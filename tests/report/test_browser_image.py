"""The image's value that the viewer tells, against the files: true where it is exact, and within a grey level elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from fastfuse.report.html.scan import round_step

from ..cli.common import case_in
from .browsing import MARKS, READY, Shown, Tabs
from .common import fused

pytest.importorskip("jinja2", reason="needs jinja2: pip install '.[report]'")
pytestmark = MARKS
KEYS = ("ArrowUp", "PageUp", "PageDown", "ArrowDown", "ArrowDown", "Home", "End")
Draw = Callable[[np.random.Generator, tuple[int, ...]], NDArray[Any]]


def with_outliers(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[Any]:
    values = rng.normal(2000, 600, shape).round()
    values[:, :, 0], values[:, :, -1] = -9000, 9000  # the first and the last axial slice
    values[0, 0, 0], values[0, 0, -1] = -31_000, 32_000
    return values.astype(np.int16)


IMAGES: dict[str, Draw] = {
    "few": lambda rng, shape: rng.integers(-20, 180, shape).astype(np.int16),
    "counts": lambda rng, shape: rng.integers(8, 893, shape).astype(np.int16),
    "shares": lambda rng, shape: rng.random(shape).astype(np.float32),
    "outliers": with_outliers,
}


def told_and_true(shown: Shown, image: Any) -> tuple[str, float]:
    """Return what the viewer says of the image at its place, and the file's value there."""
    where = shown.settled_text("#where").split(" · ")
    mm = []
    for part, sides in zip(where[0].removesuffix(" mm").split(", "), ("RL", "AP", "SI"), strict=True):
        side, number = part.split()
        mm.append(float(number) * (1 if side == sides[0] else -1))
    voxel = np.rint(np.linalg.solve(image.affine, [*mm, 1])[:3]).astype(int)
    return where[1], float(np.asanyarray(image.dataobj)[tuple(voxel)])


@pytest.mark.parametrize("name", IMAGES)
def test_the_value_of_the_image_is_that_of_the_file(tabs: Tabs, tmp_path: Path, name: str) -> None:
    case_in(tmp_path)
    flair = nib.load(tmp_path / "flair.nii.gz")
    values = IMAGES[name](np.random.default_rng(0), flair.shape)
    image = nib.Nifti1Image(values, flair.affine)
    nib.save(image, tmp_path / "flair.nii.gz")
    fused(tmp_path, method="staple", image=tmp_path / "flair.nii.gz")
    low, high = np.percentile(values, (0.05, 99.95))
    unit = round_step(float(high - low) / 255)
    words = set()
    for one in tabs.opened(tmp_path):
        one.page.wait_for_selector(READY, timeout=20_000)
        stops = one.page.locator("#place option").count()
        for _ in range(stops):
            one.page.click("#next")
            told, true = told_and_true(one, image)
            number = float(told.removeprefix("image ").replace("−", "-").replace(",", ""))
            assert number == pytest.approx(true, abs=5e-4 if name == "shares" else 0)
        for plane in ("axial", "coronal", "sagittal"):
            one.page.focus(f"#{plane}")
            for key in KEYS:
                one.page.keyboard.press(key)
                told, true = told_and_true(one, image)
                found = re.fullmatch(r"image (about |at most |at least |)([−\d,.]+)", told)
                assert found is not None, told
                number, word = float(found[2].replace("−", "-").replace(",", "")), found[1].strip()
                words.add(word)
                if word == "at most":
                    assert true <= number
                elif word == "at least":
                    assert true >= number
                elif word == "about":
                    assert abs(number / unit - round(number / unit)) < 1e-6
                    assert abs(number - true) <= unit + 1e-9
                else:
                    assert number == pytest.approx(true, abs=5e-4 if name == "shares" else 0)
        said = one.text("#slices")
        assert ("tells its values to about" in said) == (name != "few")
    wanted = {"few": {""}, "outliers": {"about", "at most", "at least"}}.get(name, {"about"})
    assert wanted <= words
    assert name != "few" or words == {""}


@pytest.mark.parametrize(
    ("step", "unit"), [(3.47, 5), (1, 1), (1.01, 2), (0.0039, 0.005), (7e-9, 1e-8), (123.0, 200), (51, 100)]
)
def test_values_are_rounded_to_no_less_than_a_step(step: float, unit: float) -> None:
    assert round_step(step) == unit
