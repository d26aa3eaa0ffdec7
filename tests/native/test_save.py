"""Files, pages and notebooks of fusions in memory are those of the shell."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.errors import OutputError

from .test_kinds import AFFINE, MASKS, of_nibabel

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
SOFT = [np.where(mask, 1.0, 0.3 * np.roll(mask, 1)).astype(np.float32) for mask in MASKS]
OF_FILES = {"file", "name"}


def images(votes: list[np.ndarray]) -> list[Any]:
    return [nib.Nifti1Image(vote, AFFINE) for vote in votes]


def saved(votes: list[np.ndarray], folder: Path) -> list[Path]:
    paths = [folder / f"r{i}.nii.gz" for i in range(len(votes))]
    for image, path in zip(images(votes), paths, strict=True):
        nib.save(image, path)
    return paths


@pytest.mark.parametrize(("votes", "method"), [(MASKS, "staple"), (SOFT, "soft-staple"), (SOFT, "majority")])
def test_the_sidecar_is_that_of_files(tmp_path: Path, votes: list[np.ndarray], method: Any) -> None:
    fastfuse.fuse_files(
        saved(votes, tmp_path), tmp_path / "a.nii.gz", method=method, save_label=tmp_path / "al.nii.gz"
    )
    held = images(votes)
    fastfuse.fuse(held, method).save(tmp_path / "b.nii.gz", save_label=tmp_path / "bl.nii.gz")
    a, b = (json.loads((tmp_path / f"{name}.json").read_text()) for name in "ab")
    assert list(b) == [key for key in a if key != "recipe"]
    for key in set(b) - {"raters", "outputs", "grid", "warnings", "region", "options"}:
        assert b[key] == a[key], key
    assert b["outputs"] == {"consensus": "b.nii.gz", "label": "bl.nii.gz"}
    assert b["options"] == a["options"]
    assert b["grid"] == {**a["grid"], "file": None}
    for one, other in zip(b["raters"], a["raters"], strict=True):
        assert {key: one[key] for key in one if key not in OF_FILES} == {
            key: other[key] for key in other if key not in OF_FILES
        }
    for name in ("", "l"):
        mine, theirs = (nib.load(tmp_path / f"{which}{name}.nii.gz") for which in "ba")
        np.testing.assert_array_equal(mine.dataobj, theirs.dataobj)
        np.testing.assert_array_equal(mine.affine, theirs.affine)
        assert mine.header["intent_code"] == theirs.header["intent_code"]


def test_a_fusion_of_files_is_saved_with_its_sidecar(tmp_path: Path) -> None:
    fusion = fastfuse.fuse_files(saved(MASKS, tmp_path), tmp_path / "a.nii.gz", method="staple")
    fusion.save(tmp_path / "b.nii.gz")
    a, b = (json.loads((tmp_path / f"{name}.json").read_text()) for name in "ab")
    a.pop("recipe", None)
    assert b == {**a, "outputs": {"consensus": "b.nii.gz"}}
    np.testing.assert_array_equal(fusion.as_input().affine, AFFINE)


def test_soft_votes_that_are_gone_are_not_counted(tmp_path: Path) -> None:
    fusion = fastfuse.soft_staple([vote.copy() for vote in SOFT])
    fusion.save(tmp_path / "a.nii.gz", like=of_nibabel(MASKS[0]))
    facts = json.loads((tmp_path / "a.json").read_text())
    assert [one["marked_voxels"] for one in facts["raters"]] == [None] * 3


def test_all_files_appear_or_none(tmp_path: Path) -> None:
    fusion = fastfuse.staple([of_nibabel(mask) for mask in MASKS])
    (tmp_path / "c.json").write_text("mine")
    with pytest.raises(OutputError, match=r"c\.json: exists already"):
        fusion.save(tmp_path / "c.nii.gz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.json"]
    fusion.save(tmp_path / "c.nii.gz", overwrite=True)
    with pytest.raises(OutputError, match=r"c\.mha.*\.nii or \.nii\.gz or \.seg\.nrrd or \.dcm"):
        fusion.save(tmp_path / "c.mha")
    with pytest.raises(OutputError, match="two outputs"):
        fusion.save(tmp_path / "d.nii.gz", save_label=tmp_path / "d.nii.gz")


def called(folder: Path, masks: list[np.ndarray]) -> dict[str, Any]:
    return {"paths": saved(masks, folder), "names": [f"rater {i}" for i in range(len(masks))]}


@pytest.mark.parametrize("inside", [None, np.indices(MASKS[0].shape)[0] > 0], ids=["everywhere", "in a mask"])
@pytest.mark.parametrize("ending", [".seg.nrrd", ".dcm", ".nii"])
def test_every_format_is_that_of_files(tmp_path: Path, ending: str, inside: np.ndarray | None) -> None:
    if ending == ".dcm":
        pytest.importorskip("pydicom", reason="needs pydicom: pip install '.[dicom]'")
    mask = None if inside is None else nib.Nifti1Image(np.uint8(inside), AFFINE)
    if mask is not None:
        nib.save(mask, tmp_path / "mask.nii")
    files: dict[str, Any] = {} if mask is None else {"mask": tmp_path / "mask.nii"}
    theirs, ours, label = (tmp_path / f"{name}{ending}" for name in ("a", "b", "c"))
    fastfuse.fuse_files(**called(tmp_path, MASKS), output=theirs, method="staple", roi="all", **files)
    held = images(MASKS)
    fusion = fastfuse.staple(held, roi="all", **({} if mask is None else {"mask": mask}))
    fusion.save(ours)
    assert ours.read_bytes() == theirs.read_bytes()
    if ending == ".seg.nrrd":
        fusion.save(tmp_path / "d.nii", save_label=label)
        assert label.read_bytes() == theirs.read_bytes()


def test_segments_need_the_votes_and_the_mask(tmp_path: Path) -> None:
    held, mask = images(MASKS), nib.Nifti1Image(np.ones(MASKS[0].shape, np.uint8), AFFINE)
    fusion, within = fastfuse.staple(held), fastfuse.staple(held, mask=mask)
    fusion.save(tmp_path / "a.seg.nrrd")
    del mask
    with pytest.raises(ValueError, match="the mask, or where raters looked"):
        within.save(tmp_path / "b.seg.nrrd")
    held.clear()
    with pytest.raises(ValueError, match=r"no longer in memory.*raters=\.\.\."):
        fusion.save(tmp_path / "b.seg.nrrd")
    with pytest.raises(ValueError, match="those of rater 1"):
        fusion.save(tmp_path / "b.seg.nrrd", raters=images([MASKS[1], MASKS[0], *MASKS[2:]]))
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("b")] == []
    fusion.save(tmp_path / "b.seg.nrrd", raters=images(MASKS))
    assert (tmp_path / "b.seg.nrrd").read_bytes() == (tmp_path / "a.seg.nrrd").read_bytes()


def test_the_page_shows_raters_as_long_as_they_are_held(tmp_path: Path) -> None:
    pytest.importorskip("jinja2", reason="needs jinja2: pip install '.[report]'")
    raters = [of_nibabel(mask) for mask in MASKS]
    fusion = fastfuse.staple(raters)
    fusion.report(tmp_path / "a.html", names=["Ann", "<b>Bob</b>", "Eve"])
    page = (tmp_path / "a.html").read_text()
    assert "&lt;b&gt;Bob" in page
    assert "<b>Bob" not in page
    assert page.count("<img") == 3
    with pytest.raises(OutputError, match="exists already"):
        fusion.report(tmp_path / "a.html")
    raters.clear()
    with pytest.raises(ValueError, match="no longer in memory"):
        fusion.report(tmp_path / "b.html")
    assert not (tmp_path / "b.html").exists()
    fusion.report(tmp_path / "b.html", raters=MASKS, names=["Ann", "<b>Bob</b>", "Eve"])
    assert _viewer(tmp_path / "b.html") == _viewer(tmp_path / "a.html")
    with pytest.raises(ValueError, match="3 raters of shape"):
        fusion.report(tmp_path / "c.html", raters=MASKS[:2])
    alone = fastfuse.majority_vote(MASKS[:1])
    with pytest.raises(ValueError, match="of 1 rater of shape"):
        alone.report(tmp_path / "c.html", raters=MASKS)
    with pytest.raises(ValueError, match=r"one for each of 1 rater$"):
        alone.report(tmp_path / "c.html", names=["a", "b"])


def _viewer(page: Path) -> list[str]:
    """Return the volumes that a page shows."""
    return re.findall(r"data:image/png;base64,[^\"]+", page.read_text())


def test_the_page_of_arrays_names_no_side(tmp_path: Path) -> None:
    pytest.importorskip("jinja2", reason="needs jinja2: pip install '.[report]'")
    fastfuse.soft_staple(SOFT).report(tmp_path / "a.html")
    assert "no side is named" in (tmp_path / "a.html").read_text()


def test_a_notebook_shows_a_table_and_a_slice() -> None:
    fusion = fastfuse.staple([of_nibabel(mask) for mask in MASKS])
    html = fusion._repr_html_()
    for values in (fusion.sensitivity, fusion.specificity, fusion.ppv, fusion.dice):
        for value in values:
            assert f"{value:.4f}" in html
    assert html.count("<tr>") == 4
    assert 'src="data:image/png;base64,' in html
    assert "script" not in html
    z = int(np.argmax(fusion.probability.sum(axis=(0, 1))))
    assert f"slice {z}," in html


def test_a_notebook_escapes_names() -> None:
    table = fastfuse.tabulate(MASKS, names=["<script>x</script>", "b", "c"])
    html = fastfuse.estimate(table, "staple").apply(MASKS)._repr_html_()
    assert "&lt;script&gt;" in html
    assert "<script" not in html


@pytest.mark.parametrize("shape", [(5,), (5, 4), (5, 4, 3), (2, 5, 4, 3)])
def test_a_notebook_takes_any_shape(shape: tuple[int, ...]) -> None:
    votes = [np.random.default_rng(i).integers(0, 2, shape) for i in range(3)]
    html = fastfuse.staple(votes)._repr_html_()
    assert ("<img" in html) == (len(shape) in (2, 3))


def test_a_fusion_without_an_origin_is_shown_and_saved(tmp_path: Path) -> None:
    """As one that somebody has built from its fields."""
    from dataclasses import replace

    fusion = replace(fastfuse.staple(MASKS), _origin=None)
    assert "rater 2" in fusion._repr_html_()
    fusion.save(tmp_path / "a.nii.gz", like=of_nibabel(MASKS[0]))
    assert json.loads((tmp_path / "a.json").read_text())["warnings"]


METHODS = ["staple", "soft-staple", "majority", "border-staple"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("votes", [MASKS, SOFT], ids=["masks", "soft"])
def test_other_votes_than_were_fused_are_refused_by_name(tmp_path: Path, votes: Any, method: Any) -> None:
    pytest.importorskip("jinja2")
    if method == "staple" and votes is SOFT:
        pytest.skip("of masks")
    names = [f"rater {i}" for i in range(len(votes))]
    brain = np.ones(votes[0].shape, np.uint8)
    brain[:1] = 0
    fusion = fastfuse.fuse(votes, method, mask=brain, roi="all")
    fusion.report(tmp_path / "same.html", raters=[one.copy() for one in votes])
    exchanged = [votes[1], votes[0], *votes[2:]]
    with pytest.raises(ValueError, match=f"in the place of {names[0]} are not those .*those of {names[1]}"):
        fusion.report(tmp_path / "page.html", raters=exchanged)
    with pytest.raises(ValueError, match=f"in the place of {names[0]} are not those"):
        fusion.report(tmp_path / "page.html", raters=votes[::-1])
    moved = [*votes[:2], np.roll(votes[2], 1, axis=0), *votes[3:]]  # of the same volume
    moved[2][:1] = 0
    with pytest.raises(ValueError, match=f"in the place of {names[2]} are not those"):
        fusion.report(tmp_path / "page.html", raters=moved)
    assert not (tmp_path / "page.html").exists()


def test_votes_that_changed_since_are_told_of(tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    votes = [mask.copy() for mask in SOFT]
    fusion = fastfuse.fuse(votes, "soft-staple")
    votes[1][votes[1] == 0] = 0.6
    with pytest.raises(ValueError, match="in the place of rater 1"):
        fusion.report(tmp_path / "page.html")
    fusion.save(tmp_path / "c.nii.gz", like=nib.Nifti1Image(votes[0], AFFINE))
    raters = json.loads((tmp_path / "c.json").read_text())["raters"]
    assert [one["marked_ml"] for one in raters] == [None] * len(votes)  # not counted of other votes


def _given(kind: str, stack: np.ndarray) -> Any:
    if kind == "lists":
        return [mask.tolist() for mask in MASKS]
    if kind == "tensor":
        return pytest.importorskip("torch").from_numpy(stack)
    last = np.moveaxis(stack, 0, -1)
    return {"stack": stack, "last axis": last.copy(), "lists of a stack": last.tolist(), "tuple": (*MASKS,)}[
        kind
    ]


@pytest.mark.parametrize("kind", ["lists", "stack", "last axis", "lists of a stack", "tensor", "tuple"])
def test_votes_that_are_held_are_found(tmp_path: Path, kind: str) -> None:
    """Lists, which Python refers to by no weak reference, and stacks, whose parts are nobody's."""
    pytest.importorskip("jinja2")
    stack: Any = np.array(MASKS)
    options: dict[str, Any] = {"axis": -1} if kind in ("last axis", "lists of a stack") else {}
    votes: Any = _given(kind, stack)
    looked: Any = np.ones(stack.shape, np.uint8)
    looked[0, :2] = 0
    present = np.moveaxis(looked, 0, -1) if options else looked
    fusion = fastfuse.fuse(votes, "staple", present=present, **options)
    fusion.report(tmp_path / "page.html")
    looks = list(looked)
    plain = fastfuse.fuse(list(MASKS), "staple", present=looks)
    plain.report(tmp_path / "plain.html", raters=list(MASKS))
    tables = [
        re.findall(r"<table.*?</table>", path.read_text(), re.DOTALL)[:2]
        for path in sorted(tmp_path.glob("*.html"))
    ]
    assert tables[0] == tables[1]
    del votes, stack
    if kind in ("stack", "last axis"):
        with pytest.raises(ValueError, match="no longer in memory"):
            fusion.report(tmp_path / "page.html", overwrite=True)


@pytest.mark.parametrize("by", ["present", "nan"])
def test_what_raters_of_files_did_not_read_is_left_out_where_all_read_as_many_voxels(
    tmp_path: Path, by: str
) -> None:
    """The page of the fusion is that of its files, whose regions are read again."""
    pytest.importorskip("jinja2")
    looked = [np.ones(MASKS[0].shape, np.uint8) for _ in MASKS]
    for place, one in enumerate(looked):
        one[place] = 0  # another slice for each
    options: dict[str, Any] = {"missing": "nan"}
    votes = [np.where(one, mask, np.nan).astype(np.float32) for mask, one in zip(MASKS, looked, strict=True)]
    if by == "present":
        (tmp_path / "seen").mkdir()
        options, votes = {"present": saved(looked, tmp_path / "seen")}, [*MASKS]
    made = fastfuse.fuse_files(
        saved(votes, tmp_path), tmp_path / "c.nii.gz", method="staple", report=tmp_path / "a.html", **options
    )
    made.report(tmp_path / "b.html")
    a, b = ((tmp_path / f"{name}.html").read_text() for name in "ab")
    assert len({int(one) for one in made.n_read}) == 1
    for text in (a, b):
        assert "What a rater did not read counts as unmarked." not in text
        assert "All is over the voxels that a rater read." in text
    tables = [re.findall(r"<table.*?</table>", text, re.DOTALL)[:2] for text in (a, b)]
    assert tables[0] == tables[1]
