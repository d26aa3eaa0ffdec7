"""Raters who are given twice: told once, in memory as of files, in the same words, and never of votes that only look alike."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.fusion.doubts.copies import equal_votes

from ..border.draws import contours

SPACING = (1.0, 1.0, 1.0)
RNG = np.random.default_rng(25)
TRUTH = np.zeros((24, 22, 20), bool)
TRUTH[6:17, 6:16, 5:15] = True
COPIES = "hold the same votes"


def flipped(share: float) -> np.ndarray:
    return np.asarray(TRUTH ^ (RNG.random(TRUTH.shape) < share))


ONE, TWO, THREE = (flipped(share) for share in (0.02, 0.04, 0.05))


def moved(mask: np.ndarray) -> np.ndarray:
    """The same number of marks, one of them elsewhere."""
    other = mask.copy()
    marked, empty = (tuple(np.argwhere(mask == value)[0]) for value in (True, False))
    other[marked], other[empty] = False, True
    return other


def as_labels(mask: np.ndarray) -> np.ndarray:
    labels = mask.astype(np.uint8)
    labels[..., 10:] *= 2
    return labels


def as_soft(mask: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(int(mask.sum())).random(mask.shape)
    return np.clip(0.8 * mask + 0.2 * noise, 0, 1)


def as_classes(mask: np.ndarray) -> np.ndarray:
    soft = as_soft(mask)
    return np.stack([1 - soft, soft * 0.75, soft * 0.25])


def said(call: Callable[[], Any]) -> list[str]:
    """The remarks of one call, one by one."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [remark for one in caught for remark in getattr(one.message, "remarks", (str(one.message),))]


def listed(raters: Sequence[Any], change: Callable[[Any], Any]) -> list[Any]:
    return [change(one) for one in raters]


# What tells of copies: each takes masks, and fuses them or what is made of them.
WAYS: dict[str, Callable[[list[Any]], Any]] = {
    "staple": lambda m: fastfuse.staple(m),
    "staple, a margin": lambda m: fastfuse.staple(m, roi=4, spacing_mm=SPACING),
    "staple, a field": lambda m: fastfuse.staple(m, mrf=0.1, spacing_mm=SPACING),
    "staple, disputed voxels": lambda m: fastfuse.staple(m, roi="disputed"),
    "staple, a label": lambda m: fastfuse.staple(listed(m, lambda one: one * np.uint8(3)), select_label=3),
    "staple, by blocks": lambda m: fastfuse.staple(m, max_memory="64M"),
    "staple, nan": lambda m: fastfuse.staple(listed(m, with_nan), missing="nan"),
    "majority": fastfuse.majority_vote,
    "border": lambda m: fastfuse.border_staple(m, spacing_mm=SPACING),
    "auto": lambda m: fastfuse.fuse(m, "auto", roi=4, spacing_mm=SPACING),
    "soft, dense": lambda m: fastfuse.soft_staple(listed(m, as_soft)),
    "soft, dense, by blocks": lambda m: fastfuse.soft_staple(listed(m, as_soft), max_memory="64M"),
    "simplified": lambda m: fastfuse.simplified_soft_staple(listed(m, as_soft)),
    "labels": lambda m: fastfuse.staple(listed(m, as_labels), labels="all"),
    "labels, two": lambda m: fastfuse.staple(listed(m, np.uint8), labels="all"),
    "labels, majority": lambda m: fastfuse.majority_vote(listed(m, as_labels), labels="all"),
    "labels, maps of priors": lambda m: fastfuse.staple(
        listed(m, as_labels), labels="all", prior={k: np.full(TRUTH.shape, 1 / 3) for k in range(3)}
    ),
    "classes": lambda m: fastfuse.simplified_soft_staple(listed(m, as_classes), labels=[0, 1, 2]),
    "structures": lambda m: fastfuse.staple(listed(m, lambda one: np.stack([one])), labels=[1], overlap=True),
    "agreement": fastfuse.agreement,
    "agreement, a margin": lambda m: fastfuse.agreement(m, roi=3, spacing_mm=SPACING),
    "compare": lambda m: fastfuse.compare(m, spacing_mm=SPACING),
    "against raters": lambda m: fastfuse.evaluate_against_raters(TRUTH * 0.9, m),
    "a table": lambda m: fastfuse.estimate(fastfuse.tabulate(m), "staple"),
    "a label table": lambda m: fastfuse.estimate(fastfuse.tabulate(listed(m, as_labels), labels="all"), "staple"),
    "rates that are known": lambda m: RATES.apply(m),
    "pooled": lambda m: fastfuse.pool({"a": fastfuse.tabulate(m), "b": fastfuse.tabulate(m)}, "staple"),
    "pooled, one prior": lambda m: fastfuse.pool(
        {"a": fastfuse.tabulate(m), "b": fastfuse.tabulate(m)}, "staple", priors="shared"
    ),
}  # fmt: skip
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    RATES = fastfuse.estimate(fastfuse.tabulate([ONE, TWO, THREE, flipped(0.06)]), "staple", prior="estimate")


def with_nan(mask: np.ndarray) -> np.ndarray:
    votes = mask.astype(float)
    votes[-1] = np.nan
    return votes


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_is_told_once(way: str) -> None:
    remarks = [one for one in said(lambda: WAYS[way]([ONE, TWO, ONE.copy(), THREE])) if COPIES in one]
    count = "one rater" if way in ("border", "auto") and "one rater" in remarks[0] else "2 raters"
    assert len(remarks) == 1
    assert f"0 and rater 2 {COPIES}: they count as {count}" in remarks[0].replace("raters[2]", "rater 2")


@pytest.mark.parametrize("way", WAYS)
def test_votes_that_are_as_many_are_no_copies(way: str) -> None:
    assert not [one for one in said(lambda: WAYS[way]([ONE, TWO, moved(ONE), THREE])) if COPIES in one]


def test_little_that_is_marked_may_be_the_same_by_chance() -> None:
    items = [[0, 0, 1, 1, 0, 1], [0, 1, 1, 1, 0, 1], [0, 0, 1, 1, 0, 1]]
    assert not [one for one in said(lambda: fastfuse.staple(items)) if COPIES in one]
    assert not [one for one in said(lambda: fastfuse.agreement(items)) if COPIES in one]


@pytest.mark.parametrize("soft", [False, True])
def test_what_a_mask_leaves_out_makes_no_difference(soft: bool) -> None:
    mask = np.ones(TRUTH.shape, np.uint8)
    mask[:3] = 0
    beyond = ONE.copy()
    beyond[0] = ~beyond[0]
    raters = [ONE, TWO, beyond]
    if soft:
        values = as_soft(ONE)
        raters = [values, as_soft(TWO), np.where(mask, values, 0.5)]
    remarks = said(lambda: fastfuse.soft_staple(raters, mask=mask))
    assert [one for one in remarks if COPIES in one]


def test_who_looked_elsewhere_is_no_copy() -> None:
    present = np.ones(TRUTH.shape, np.uint8)
    present[0] = 0
    raters = [as_soft(ONE), as_soft(TWO), as_soft(ONE)]
    for looked, told in (([present, None, present], True), ([present, None, None], False)):
        remarks = said(lambda looked=looked: fastfuse.soft_staple(raters, present=looked))
        assert bool([one for one in remarks if COPIES in one]) == told


def test_decisions_are_votes_too() -> None:
    """Raters who agree on all voxels that are open may not on those that are decided."""
    decided = np.full(TRUTH.shape, -1, np.int8)
    decided[0, 0, :2] = 0
    one, other = ONE.copy(), ONE.copy()
    one[0, 0, :2], other[0, 0, :2] = (True, False), (False, True)
    for raters, told in (([one, TWO, other], False), ([one, TWO, one], True)):
        remarks = said(lambda raters=raters: fastfuse.fuse(raters, "staple", decisions=decided))
        assert bool([remark for remark in remarks if COPIES in remark]) == told


def test_tensors_are_compared_where_they_lie() -> None:
    torch = pytest.importorskip("torch", reason="needs torch")
    one, mask = torch.rand(5, 4), torch.ones(5, 4, dtype=torch.bool)
    other = one.clone()
    other[0, 0] = 2
    nan = one.clone()
    nan[1, 1] = float("nan")
    beside = mask.clone()
    beside[0, 0] = False
    for pair, region, same in (
        ((one, one.clone()), None, True), ((one, other), mask, False), ((one, other), beside, True),
        ((nan, nan.clone()), None, True), ((nan, one), None, False), (((one > 0.5), (one > 0.5).float()), None, True),
    ):  # fmt: skip
        assert equal_votes(pair, (None, None), region) == same


def saved(folder: Path, masks: Sequence[np.ndarray]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"r{i}.nii.gz" for i in range(len(masks))]
    for path, mask in zip(paths, masks, strict=True):
        nib.save(nib.Nifti1Image(mask.astype(np.uint8), np.eye(4)), path)
    return paths


def like_memory(remarks: Sequence[str]) -> list[str]:
    """Remarks on files in the words of memory."""
    return [re.sub(r"\br(\d)(?: \(r\d\.nii\.gz\)|\.nii\.gz)", r"rater \1", one) for one in remarks]


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("staple", {}),
        ("staple", {"roi": 4}),
        ("staple", {"prior": "estimate"}),
        ("soft-staple", {}),
        ("majority", {}),
        ("border-staple", {}),
    ],
    ids=str,
)
def test_files_and_memory_tell_the_same(method: str, options: dict[str, Any], tmp_path: Path) -> None:
    masks = [ONE, TWO, THREE, ONE]
    paths = saved(tmp_path, masks)
    in_mm = {"spacing_mm": SPACING} if method != "majority" else {}
    memory = said(lambda: fastfuse.fuse(masks, method, **options, **in_mm))  # type: ignore[call-overload]
    files = said(lambda: fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", method=method, **options))
    assert memory == like_memory(files)
    assert sum(COPIES in one for one in memory) == 1


def test_a_misfit_by_a_copy_is_told_of_files_too(tmp_path: Path) -> None:
    paths = saved(tmp_path, [ONE, TWO, THREE, ONE])
    remarks = said(lambda: fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", method="staple", roi=4))
    assert [one for one in remarks if "does not fit" in one and "without the copies STAPLE" in one]


def test_a_file_that_is_given_twice_is_told_of_once(tmp_path: Path) -> None:
    paths = saved(tmp_path, [ONE, TWO, THREE])
    for raters in ([*paths, paths[0]], [*paths, tmp_path / "link.nii.gz"]):
        if not raters[-1].exists():
            raters[-1].symlink_to(paths[0])
        remarks = said(
            lambda raters=raters: fastfuse.fuse_files(
                raters, tmp_path / "c.nii.gz", method="staple", overwrite=True
            )
        )
        assert len([one for one in remarks if "one file" in one]) == 1
        assert not [one for one in remarks if COPIES in one]


@pytest.mark.parametrize("pooling", [{}, {"priors": "own"}, {"pool": "none"}], ids=str)
def test_a_cohort_whose_raters_are_given_twice(pooling: dict[str, Any], tmp_path: Path) -> None:
    """Each case says what it says by itself; nothing is put down to rates that the cases share."""
    for case in ("P1", "P2"):
        saved(tmp_path / "data" / case, [ONE, TWO, THREE, ONE])
    told = said(
        lambda: fastfuse.fuse_cohort(
            tmp_path / "data",
            tmp_path / "out",
            glob="{case}/{rater}.nii.gz",
            method="staple",
            roi=4,
            **pooling,
        )
    )
    for case in ("P1", "P2"):
        facts = json.loads((tmp_path / "out" / "cases" / case / "consensus.json").read_text())
        assert sum(COPIES in one for one in facts["warnings"]) == 1
        (misfit,) = (one for one in facts["warnings"] if "does not fit" in one)
        assert "without the copies STAPLE with its prior estimated fits: leave them out" in misfit
    assert not [one for one in told if "the raters' rates are others" in one]
    assert sum(COPIES in one for one in told) == (0 if "pool" in pooling else 1)


def test_copies_in_a_case_whose_model_is_another() -> None:
    """Where STAPLE does not fit without them either, copies are not what is wrong."""
    drawn = contours([0.6, 0.3, 0.0, -0.2, 0.1, -0.5, 0.4], shape=(80, 80, 40))
    masks = [*drawn.masks, drawn.masks[0]]
    remarks = said(lambda: fastfuse.staple(masks, mask=drawn.brain, prior="estimate"))
    assert sum(COPIES in one for one in remarks) == 1
    assert not [one for one in remarks if "without the copies" in one]
