"""Fusions of label maps become images, files, pages and tables of notebooks, as those of masks do."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.errors import OutputError

from .test_kinds import (
    AFFINE,
    Maker,
    of_jax,
    of_monai,
    of_nibabel,
    of_sitk,
    of_torch,
    of_torchio,
    of_xarray,
    voxels,
)

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
SHAPE = (6, 7, 8)
RNG = np.random.default_rng(3)
TRUTH = RNG.integers(0, 4, SHAPE).astype(np.uint8)
MAPS = [
    np.where(RNG.random(SHAPE) < 0.8, TRUTH, RNG.integers(0, 4, SHAPE)).astype(np.uint8) for _ in range(4)
]
NAMES = {0: "background", 1: "edema", 2: "core", 3: "enhancing"}
METHODS: list[Any] = ["staple", "majority"]


def images() -> list[Any]:
    return [of_nibabel(one) for one in MAPS]


@pytest.mark.parametrize(
    "of", [of_nibabel, of_sitk, of_torch, of_monai, of_torchio, of_xarray, of_jax, np.array]
)
def test_the_same_kind_comes_out(of: Maker) -> None:
    raters = [of(one) for one in MAPS]
    plain, fusion = (fastfuse.staple(maps, labels=NAMES) for maps in (MAPS, raters))
    core = plain.probability("core")
    for given, values in (
        ({}, plain.label()),
        ({"probability": "core"}, core),
        ({"probability": (2,)}, core),
    ):
        found = fusion.as_input(**given)
        if of is of_torchio:
            assert type(found).__name__ == ("ScalarImage" if given else "LabelMap")
        else:
            assert type(found) is type(raters[0])
        np.testing.assert_array_equal(voxels(found), values)
        assert voxels(found).dtype == values.dtype
    if of in (of_nibabel, of_sitk, of_monai, of_torchio):
        image = fusion.to_nifti()
        np.testing.assert_allclose(image.affine, AFFINE, atol=1e-6)
        np.testing.assert_array_equal(image.dataobj, plain.label())


def test_arrays_take_the_place_of_an_image() -> None:
    fusion = fastfuse.majority_vote(MAPS, labels="all")
    with pytest.raises(ValueError, match="Give like"):
        fusion.to_nifti()
    image = fusion.to_nifti(like=of_nibabel(MAPS[0]), probability=[1, 2])
    np.testing.assert_array_equal(image.get_fdata(), fusion.probability([1, 2]))
    np.testing.assert_array_equal(image.affine, AFFINE)


@pytest.mark.parametrize("method", METHODS)
def test_files_are_those_of_the_shell(tmp_path: Path, method: Any) -> None:
    paths = [tmp_path / f"r{i}.nii.gz" for i in range(len(MAPS))]
    for image, path in zip(images(), paths, strict=True):
        nib.save(image, path)
    fastfuse.fuse_files(
        paths,
        tmp_path / "a.nii.gz",
        method=method,
        labels=NAMES,
        save_probability={"core": tmp_path / "ac.nii"},
    )
    held = images()
    fusion = fastfuse.fuse(held, method, labels=NAMES)
    fusion.save(tmp_path / "b.nii.gz", save_probability={"core": tmp_path / "bc.nii"})
    a, b = (json.loads((tmp_path / f"{name}.json").read_text()) for name in "ab")
    assert list(b) == [key for key in a if key != "recipe"]
    for key in set(b) - {"raters", "outputs", "grid", "warnings"}:
        assert b[key] == a[key], key
    assert b["outputs"] == {"consensus": "b.nii.gz", "probability of core": "bc.nii", "labels": "b.tsv"}
    assert b["grid"] == {**a["grid"], "file": None}
    for one, other in zip(b["raters"], a["raters"], strict=True):
        assert {**one, "file": 0, "name": 0} == {**other, "file": 0, "name": 0}
    assert (tmp_path / "b.tsv").read_bytes() == (tmp_path / "a.tsv").read_bytes()
    for name in (".nii.gz", "c.nii"):
        mine, theirs = (nib.load(tmp_path / f"{which}{name}") for which in "ba")
        np.testing.assert_array_equal(mine.dataobj, theirs.dataobj)
        np.testing.assert_array_equal(mine.affine, theirs.affine)
        for key in ("intent_code", "descrip", "cal_max"):
            assert mine.header[key] == theirs.header[key]


def test_ties_stand_in_the_table(tmp_path: Path) -> None:
    """As in that of files, with the label that is written where labels are tied."""
    paths = [tmp_path / f"r{i}.nii.gz" for i in range(2)]
    for image, path in zip(images()[:2], paths, strict=True):
        nib.save(image, path)
    asked: dict[str, Any] = {"labels": NAMES, "undecided": 9}
    fastfuse.fuse_files(paths, tmp_path / "a.nii.gz", method="majority", **asked)
    fastfuse.majority_vote(images()[:2], **asked).save(tmp_path / "b.nii.gz", like=paths[0])
    a, b = ((tmp_path / f"{name}.tsv").read_text() for name in "ab")
    assert a == b
    assert "undecided" in a


def test_a_fusion_of_files_knows_its_place(tmp_path: Path) -> None:
    for i, image in enumerate(images()):
        nib.save(image, tmp_path / f"r{i}.nii.gz")
    paths = sorted(tmp_path.glob("r*.nii.gz"))
    fusion = fastfuse.fuse_files(paths, tmp_path / "a.nii.gz", labels="all")
    assert isinstance(fusion, fastfuse.LabelFusion)
    np.testing.assert_array_equal(fusion.as_input().affine, AFFINE)
    fusion.save(tmp_path / "b.nii.gz")
    a, b = (json.loads((tmp_path / f"{name}.json").read_text()) for name in "ab")
    a.pop("recipe", None)
    assert b == {**a, "outputs": {"consensus": "b.nii.gz", "labels": "b.tsv"}}


def test_all_files_appear_or_none(tmp_path: Path) -> None:
    fusion = fastfuse.staple(images(), labels="all")
    (tmp_path / "c.tsv").write_text("mine")
    with pytest.raises(OutputError, match=r"c\.tsv: exists already"):
        fusion.save(tmp_path / "c.nii.gz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.tsv"]
    fusion.save(tmp_path / "c.nii.gz", overwrite=True)
    with pytest.raises(OutputError, match=r"e\.dcm: .* must end in \.nii or \.nii\.gz or \.seg\.nrrd"):
        fusion.save(tmp_path / "e.dcm")
    with pytest.raises(ValueError, match="9"):
        fusion.save(tmp_path / "d.nii.gz", save_probability={9: tmp_path / "e.nii"})
    assert not (tmp_path / "d.nii.gz").exists()


def test_segments_are_those_of_files(tmp_path: Path) -> None:
    for i, image in enumerate(images()):
        nib.save(image, tmp_path / f"r{i}.nii.gz")
    paths = [tmp_path / f"r{i}.nii.gz" for i in range(len(MAPS))]
    fastfuse.fuse_files(paths, tmp_path / "a.seg.nrrd", labels=NAMES, method="staple")
    fastfuse.staple(images(), labels=NAMES).save(tmp_path / "b.seg.nrrd")
    assert (tmp_path / "b.seg.nrrd").read_bytes() == (tmp_path / "a.seg.nrrd").read_bytes()


def test_the_page_is_that_of_label_files(tmp_path: Path) -> None:
    pytest.importorskip("jinja2", reason="needs jinja2: pip install '.[report]'")
    raters = images()
    fusion = fastfuse.staple(raters, labels=NAMES)
    fusion.report(tmp_path / "a.html", names=["Ann", "<b>Bob</b>", "Eve", "Joe"])
    page = (tmp_path / "a.html").read_text()
    assert "&lt;b&gt;Bob" in page
    assert "<b>Bob" not in page
    assert all(name in page for name in NAMES.values())
    with pytest.raises(OutputError, match="exists already"):
        fusion.report(tmp_path / "a.html")
    raters.clear()
    with pytest.raises(ValueError, match="no longer in memory"):
        fusion.report(tmp_path / "b.html")
    fusion.report(tmp_path / "b.html", raters=MAPS, names=["Ann", "<b>Bob</b>", "Eve", "Joe"])
    shown = [
        re.findall(r"data:image/png;base64,[^\"]+", (tmp_path / f"{name}.html").read_text()) for name in "ab"
    ]
    assert len(shown[0]) == 3
    assert shown[0] == shown[1]
    with pytest.raises(ValueError, match=r"4 raters of shape \(6, 7, 8\)"):
        fusion.report(tmp_path / "c.html", raters=MAPS[:2])
    with pytest.raises(ValueError, match=r"4 raters of shape \(6, 7, 8\)"):
        fusion.report(tmp_path / "c.html", raters=[one[:3] for one in MAPS])
    assert not (tmp_path / "c.html").exists()


def test_the_maps_of_a_page_lie_inside_the_regions() -> None:
    from fastfuse.fusion.native.maps import maps_for

    mask = np.zeros(SHAPE, np.uint8)
    mask[:4] = 1
    seen = [np.ones(SHAPE, np.uint8) for _ in MAPS]
    seen[1][:, :2] = 0
    held = [*MAPS[:3], None]
    fusion = fastfuse.staple(held, labels=[0, 1, 2, 3], mask=mask, present=seen)
    found = maps_for(fusion, None, SHAPE)
    for one, given, looked in zip(found[:3], MAPS, seen, strict=False):
        np.testing.assert_array_equal(one, np.where((mask != 0) & (looked != 0), given, 0))
    assert not found[3].any()


@pytest.mark.parametrize("method", [*METHODS, "soft-staple"])
@pytest.mark.parametrize("options", [{}, {"roi": 2.0, "spacing_mm": (1, 1, 1)}], ids=str)
def test_maps_in_another_order_or_changed_are_refused(
    tmp_path: Path, method: str, options: dict[str, Any]
) -> None:
    pytest.importorskip("jinja2", reason="needs jinja2: pip install '.[report]'")
    if method != "staple" and options:
        options = {}
    given = [
        np.stack([one == k for k in range(4)]).astype(float) if method == "soft-staple" else one
        for one in MAPS
    ]
    fusion = fastfuse.fuse(given, method, labels=[0, 1, 2, 3], **options)
    fusion.report(tmp_path / "a.html", raters=given)
    said = r"in the place of rater 0 are not those that were fused .* they are those of rater 3: give the votes of the fusion"
    with pytest.raises(ValueError, match=said):
        fusion.report(tmp_path / "b.html", raters=given[::-1])
    changed = [one.copy() for one in given]
    changed[2] = np.roll(changed[2], 1, axis=-1)  # of the same volumes
    with pytest.raises(ValueError, match=r"in the place of rater 2 are not those .* give the votes"):
        fusion.report(tmp_path / "b.html", raters=changed)
    assert not (tmp_path / "b.html").exists()


def test_soft_votes_of_labels_have_a_page(tmp_path: Path) -> None:
    pytest.importorskip("jinja2", reason="needs jinja2: pip install '.[report]'")
    soft = [np.stack([np.where(one == k, 0.7, 0.1) for k in range(4)]) for one in MAPS]
    fusion = fastfuse.simplified_soft_staple(soft, labels=[0, 1, 2, 3])
    fusion.report(tmp_path / "a.html")
    from fastfuse.fusion.native.maps import maps_for

    for one, given in zip(maps_for(fusion, None, SHAPE), MAPS, strict=True):
        np.testing.assert_array_equal(one, given)
    fusion.save(tmp_path / "a.nii.gz", like=of_nibabel(MAPS[0]))
    options = json.loads((tmp_path / "a.json").read_text())["options"]
    assert (options["m_step"], options["likelihood"]) == ("paper", "mixture")


def test_a_notebook_shows_means_and_colours() -> None:
    fusion = fastfuse.staple(images(), labels={**NAMES, 2: "<i>core</i>"})
    html = fusion._repr_html_()
    for rates in (fusion.sensitivity, fusion.ppv, fusion.dice):
        for value in rates[:, 1:].mean(axis=1):  # background left out
            assert f"{value:.4f}" in html
    assert html.count("<tr>") == 5
    assert "&lt;i&gt;core" in html
    assert 'src="data:image/png;base64,' in html
    assert "<script" not in html


def test_an_estimate_that_is_applied_knows_the_kind() -> None:
    raters = images()
    rates = fastfuse.estimate(fastfuse.tabulate(raters, labels=NAMES), "staple")
    fusion = rates.apply(raters)
    np.testing.assert_array_equal(fusion.as_input().affine, AFFINE)


def test_a_pickled_fusion_keeps_its_kind() -> None:
    fusion = pickle.loads(pickle.dumps(fastfuse.staple(images(), labels="all")))
    np.testing.assert_array_equal(fusion.as_input().affine, AFFINE)


def test_a_fusion_without_an_origin_is_saved(tmp_path: Path) -> None:
    from dataclasses import replace

    fusion = replace(fastfuse.staple(MAPS, labels="all"), _origin=None)
    assert "rater 2" in fusion._repr_html_()
    fusion.save(tmp_path / "a.nii.gz", like=of_nibabel(MAPS[0]))
    assert json.loads((tmp_path / "a.json").read_text())["warnings"]


def test_a_stack_that_the_caller_keeps_is_drawn(tmp_path: Path) -> None:
    stack = np.stack(MAPS, axis=-1)
    fusion = fastfuse.staple(stack, labels=NAMES, axis=-1)
    fusion.report(tmp_path / "a.html")
    listed = fastfuse.staple(MAPS, labels=NAMES)
    listed.report(tmp_path / "b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
