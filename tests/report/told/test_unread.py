"""Pages of raters who read a part of the volume: where one did not look, they neither mark nor disagree."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.report.html.disputes import disagreement
from fastfuse.report.html.fusion import overlaps
from fastfuse.report.html.scan import where_looked

from ..browsing import MARKS, Shown, Tabs
from ..common import Page

SHAPE = (12, 10, 6)
HALF = 6  # along the first axis: the second rater reads what lies beyond
TURNED = np.diag([-1.0, 1, 1, 1])  # so that the page turns the volumes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three raters mark one block in each half. The second read one half alone. In each half that they read, each marks one voxel more."""
    found = tmp_path_factory.mktemp("unread")
    present = np.zeros(SHAPE, np.uint8)
    present[HALF:] = 1
    for rater in range(3):
        mask = np.zeros(SHAPE, np.uint8)
        mask[1:4, 2:6, 1:4] = mask[8:11, 2:6, 1:4] = 1
        mask[2 * rater, 8, 5] = mask[HALF + 2 * rater, 8, 5] = 1
        if rater == 1:
            mask *= present
        nib.save(nib.Nifti1Image(mask, TURNED), found / f"r{rater + 1}.nii.gz")
        holes = np.where(present == 0, np.nan, mask) if rater == 1 else mask
        nib.save(nib.Nifti1Image(holes.astype(np.float32), TURNED), found / f"n{rater + 1}.nii.gz")
    nib.save(nib.Nifti1Image(present, TURNED), found / "present.nii.gz")
    for kind, given in (
        ("r", {"present": [None, found / "present.nii.gz", None]}),
        ("n", {"missing": "nan"}),
    ):
        paths = [found / f"{kind}{rater}.nii.gz" for rater in (1, 2, 3)]
        fastfuse.fuse_files(
            paths, found / f"{kind}.nii.gz", method="majority", report=found / f"{kind}.html", **given
        )  # type: ignore[arg-type]
        fastfuse.agreement_files(
            paths, output=found / f"{kind}-agreement.json", report=found / f"{kind}-agreement.html", **given
        )  # type: ignore[arg-type]
    return found


@pytest.fixture(params=["r", "n"], ids=["present", "nan"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_dice_of_pairs_is_that_of_the_agreement(folder: Path, kind: str) -> None:
    agreed = json.loads((folder / f"{kind}-agreement.json").read_text())
    page = Page.of((folder / f"{kind}.html").read_text())
    assert agreed["mean_dice"] > 0.9  # of two who did read: not the half of it
    assert f"mean Dice of two raters{agreed['mean_dice']:.3f}" in page.text
    assert "counts as unmarked" not in page.text


def test_a_rater_s_dice_is_over_what_they_read(folder: Path, kind: str) -> None:
    masks = [np.asarray(nib.load(folder / f"r{rater}.nii.gz").dataobj) for rater in (1, 2, 3)]
    consensus = np.asarray(nib.load(folder / f"{kind}.nii.gz").dataobj) >= 0.5
    present = np.asarray(nib.load(folder / "present.nii.gz").dataobj) != 0
    for rater, read in zip(masks, (True, present, True), strict=True):
        held = consensus & read
        dice = 2 * np.count_nonzero(held & (rater != 0)) / (np.count_nonzero(held) + np.count_nonzero(rater))
        assert (
            f"{dice:.4f}" in Page.of((folder / f"{kind}.html").read_text()).one("section", id="raters").text
        )
    text = Page.of((folder / f"{kind}.html").read_text()).text
    assert f"{np.count_nonzero(present)} " in text  # voxels read
    assert "All is over the voxels that a rater read." in text


@pytest.mark.parametrize("name", ["", "-agreement"])
def test_who_did_not_look_is_not_among_those_who_might_mark(folder: Path, kind: str, name: str) -> None:
    page = (folder / f"{kind}{name}.html").read_text()
    found = sorted(re.findall(r"\d of \d: \d\b", page.split('id="places"')[-1]))
    assert found[:6] == ["1 of 2: 1", "1 of 2: 3", "1 of 3: 1", "1 of 3: 2", "1 of 3: 3"]


@pytest.fixture
def shown(tabs: Tabs, folder: Path) -> Iterator[Shown]:
    yield from tabs.show(folder, "n.html")


class TestViewer:
    pytestmark = MARKS

    def test_it_tells_the_same(self, shown: Shown) -> None:
        rows = shown.page.locator("#places tbody tr").all_inner_texts()
        assert len(rows) == 5
        for place, row in enumerate(rows):
            shown.page.locator(f"[data-visit='{place}']").click()
            who = re.search(r"\d of \d: \d", row)
            assert who is not None
            assert f"marked by {who[0]}" in shown.settled_text("#where")


def test_where_all_looked_nothing_is_kept() -> None:
    assert where_looked([np.ones(SHAPE, bool)] * 2) == []
    outside = np.ones(SHAPE, bool)
    outside[0] = False
    assert all(one.all() for one in where_looked([outside, outside]))


def test_pairs_of_labels_leave_out_who_did_not_look() -> None:
    rng = np.random.default_rng(5)
    votes = [rng.integers(0, 3, SHAPE) for _ in range(4)]
    looked = [rng.random(SHAPE) < 0.7 for _ in range(4)]
    votes = [np.where(seen, vote, 0) for vote, seen in zip(votes, looked, strict=True)]
    voxels, weights = disagreement(votes, looked)
    pairs = [(i, j) for i in range(4) for j in range(i)]
    differ: Any = sum((votes[i] != votes[j]) & looked[i] & looked[j] for i, j in pairs)
    count: Any = sum((looked[i] & looked[j]).astype(int) for i, j in pairs)
    assert np.array_equal(voxels, np.flatnonzero(differ))
    np.testing.assert_allclose(weights, (differ / np.maximum(count, 1)).reshape(-1)[voxels])
    masks = [vote == 1 for vote in votes]
    both = looked[0] & looked[1]
    one, other = masks[0] & both, masks[1] & both
    expected = 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))
    assert overlaps(masks, looked)[0][1] == pytest.approx(expected)


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("kind", ["present", "nan", "absent", "None"])
def test_a_page_of_memory_knows_what_was_read(kind: str, folder: Path) -> None:
    masks = [np.asarray(nib.load(folder / f"r{rater}.nii.gz").dataobj) for rater in (1, 2, 3)]
    present: Any = np.asarray(nib.load(folder / "present.nii.gz").dataobj)
    given: dict[str, Any] = {}
    if kind == "present":
        given = {"present": [None, present, None]}
    else:
        given = {} if kind == "None" else {"missing": "nan"}
        hole = None if kind != "nan" else np.where(present == 0, np.nan, masks[1]).astype(np.float32)
        masks = [masks[0], hole, masks[2]]  # type: ignore[list-item]
    fusion = fastfuse.staple(masks, **given)
    fusion.report(folder / "m.html", overwrite=True)
    page = Page.of((folder / "m.html").read_text())
    marks = [np.zeros(SHAPE, bool) if one is None else np.nan_to_num(one) != 0 for one in masks]
    read = present != 0 if kind in ("present", "nan") else np.zeros(SHAPE, bool)
    dice = overlaps(marks, [np.ones(SHAPE, bool), read, np.ones(SHAPE, bool)])
    known = [value for i, row in enumerate(dice) for value in row[i + 1 :] if value is not None]
    assert f"mean Dice of two raters{sum(known) / len(known):.3f}" in page.text
    assert "All is over the voxels that a rater read." in page.text
    assert "What a rater did not read is no vote of theirs." in page.text
    assert "voxels read" in page.text


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_a_page_of_label_maps_in_memory_knows_it_too(folder: Path) -> None:
    maps = [np.asarray(nib.load(folder / f"r{rater}.nii.gz").dataobj) for rater in (1, 2, 3)]
    present: Any = np.asarray(nib.load(folder / "present.nii.gz").dataobj)
    for place, given in (("some", {"present": [None, present, None]}), ("all", {})):
        fastfuse.staple(maps, labels="all", **given).report(folder / f"{place}.html")  # type: ignore[arg-type]
    assert "volume-looked" in (folder / "some.html").read_text()
    assert "volume-looked" not in (folder / "all.html").read_text()
