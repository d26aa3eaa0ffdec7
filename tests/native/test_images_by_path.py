"""Pages and figures of fusions in memory, over an image that is given as a path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.errors import GridError, ImageError

from ..cli.common import AFFINE, MASKS, case_in, load
from ..report.common import Page

pytest.importorskip("jinja2", reason="needs jinja2: pip install '.[report]'")
pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


@pytest.fixture
def case(tmp_path: Path) -> Path:
    return case_in(tmp_path)


def volumes(page: Path) -> list[str]:
    """Return the volumes that the page holds, by name."""
    found = Page.of(page.read_text())
    return [found.one("script", id=f"volume-{name}").text for name in ("consensus", "image", "raters")]


@pytest.mark.parametrize("options", [{}, {"labels": "all"}], ids=["masks", "labels"])
@pytest.mark.parametrize("as_path", [str, Path])
def test_a_fusion_of_files_is_shown_over_a_file(case: Path, options: dict[str, Any], as_path: Any) -> None:
    paths, flair = [case / name for name in MASKS], case / "flair.nii.gz"
    fusion = fastfuse.fuse_files(paths, case / "c.nii.gz", method="staple", **options)
    fusion.report(case / "path.html", image=as_path(flair))
    fusion.report(case / "array.html", image=load(flair))
    assert volumes(case / "path.html") == volumes(case / "array.html")


def test_a_file_with_its_axes_turned_is_turned_back(case: Path) -> None:
    raters = [nib.load(case / name) for name in MASKS]
    fusion = fastfuse.staple(raters)
    flair = nib.Nifti1Image(load(case / "flair.nii.gz"), AFFINE)
    nib.save(flair.as_reoriented(nib.orientations.axcodes2ornt("PIR")), case / "turned.nii.gz")
    fusion.report(case / "path.html", image=case / "turned.nii.gz")
    fusion.report(case / "array.html", image=flair)
    assert volumes(case / "path.html") == volumes(case / "array.html")


def test_arrays_without_a_place_are_shown_over_a_file_of_their_shape(case: Path) -> None:
    raters = [load(case / name) for name in MASKS]
    fusion = fastfuse.staple(raters)
    fusion.report(case / "path.html", image=case / "flair.nii.gz")
    fusion.report(case / "array.html", image=load(case / "flair.nii.gz"))
    assert volumes(case / "path.html") == volumes(case / "array.html")
    nib.save(nib.Nifti1Image(np.zeros((3, 4, 5)), np.eye(4)), case / "small.nii.gz")
    with pytest.raises(GridError, match=r"image, .*small.nii.gz, has \(3, 4, 5\) voxels"):
        fusion.report(case / "small.html", image=case / "small.nii.gz")
    assert not (case / "small.html").exists()


def test_a_file_that_lies_elsewhere_or_is_none_is_refused(case: Path) -> None:
    raters = [nib.load(case / name) for name in MASKS]
    fusion = fastfuse.staple(raters)
    moved = AFFINE.copy()
    moved[:3, 3] += 0.5
    nib.save(nib.Nifti1Image(load(case / "flair.nii.gz"), moved), case / "moved.nii.gz")
    with pytest.raises(GridError, match=r"moved.nii.gz.*the raters"):
        fusion.report(case / "page.html", image=case / "moved.nii.gz")
    with pytest.raises(ImageError, match=r"none.nii.gz"):
        fusion.report(case / "page.html", image=case / "none.nii.gz")
    assert not (case / "page.html").exists()


def test_figures_take_a_path_too(case: Path) -> None:
    plt = pytest.importorskip("matplotlib.pyplot", reason="needs matplotlib: pip install '.[plot]'")
    raters = [nib.load(case / name) for name in MASKS]
    fusion = fastfuse.staple(raters)
    drawn = [
        fastfuse.plots.slices(fusion, image=image).images[0].get_array()
        for image in (case / "flair.nii.gz", nib.load(case / "flair.nii.gz"))
    ]
    np.testing.assert_array_equal(*drawn)
    plt.close("all")
