"""A mask of the brain, or an image, among the raters: who is warned about, and who is not."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from ..command import run_here

SHAPE = (30, 32, 28)
ASKED = "is it a brain mask, or an image? Leave it out if so; a brain mask is for mask="


def ball(centre: Sequence[float], radius: float) -> np.ndarray:
    at = np.indices(SHAPE) - np.reshape(centre, (3, 1, 1, 1))
    return (np.sum(at**2, axis=0) <= radius**2).astype(np.uint8)


RATERS = [ball((14 + i, 15, 13), 4) for i in (-1, 0, 1)]
BRAIN = ball((14.5, 15.5, 13.5), 12)


def remarks_of(fuse: Callable[[], Any]) -> list[str]:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fuse()
    return [str(one.message) for one in said]


@pytest.mark.parametrize("method", ["staple", "soft-staple", "simplified-soft-staple", "majority"])
@pytest.mark.parametrize("first", [True, False])
def test_brain_mask_is_named(method: str, first: bool) -> None:
    raters = [BRAIN, *RATERS] if first else [*RATERS, BRAIN]
    said = [one for one in remarks_of(lambda: fastfuse.fuse(raters, method)) if ASKED in one]
    assert len(said) == 1
    assert said[0].startswith(f"rater {0 if first else 3} marks ")
    assert [
        one for one in remarks_of(lambda: fastfuse.fuse(RATERS, method, mask=BRAIN)) if ASKED in one
    ] == []


BIG = [
    pytest.param([RATERS[0], BRAIN], {}, id="one rater only"),
    pytest.param([None, *RATERS, BRAIN], {}, id="None before"),
    pytest.param([*RATERS, BRAIN * 0, BRAIN], {}, id="an empty rater"),
    pytest.param([*RATERS, np.full(SHAPE, 0.9) * BRAIN + 0.05], {"method": "majority"}, id="soft"),
    pytest.param([*(4 * one for one in RATERS), 4 * BRAIN], {"select_label": 4}, id="labels"),
    pytest.param([*RATERS, BRAIN * np.arange(28)], {"binarize": True}, id="image, binarized"),
    pytest.param([*RATERS, 1 - ball((0, 0, 0), 3)], {"mask": BRAIN | ball((0, 0, 0), 3)}, id="with a mask"),
    pytest.param([*RATERS, BRAIN, ball((14, 15, 13), 11)], {}, id="two"),
]


@pytest.mark.parametrize(("raters", "options"), BIG)
def test_big_ones_of_other_kinds(raters: list[Any], options: dict[str, Any]) -> None:
    said = remarks_of(lambda: fastfuse.fuse(raters, **{"method": "staple", **options}))
    assert [one for one in said if ASKED in one or "marks everything" in one]


LEGITIMATE = [
    pytest.param(RATERS, id="alike"),
    pytest.param([*RATERS, ball((14, 15, 13), 8)], id="marks eight times as much"),
    pytest.param([*RATERS, ball((4, 5, 5), 9)], id="marks much, but elsewhere"),
    pytest.param([ball((14, 15, 13), 1), ball((14, 15, 13), 1), ball((14, 15, 13), 4)], id="two marks tiny"),
    pytest.param([BRAIN, BRAIN, ball((14, 15, 13), 11), RATERS[0]], id="all but one mark the brain"),
    pytest.param([BRAIN, ball((14, 15, 13), 11)], id="two masks of the brain"),
    pytest.param([*RATERS, BRAIN * 0], id="an empty rater"),
]


@pytest.mark.parametrize("raters", LEGITIMATE)
@pytest.mark.parametrize("method", ["staple", "majority"])
def test_raters_are_not_taken_for_masks(raters: list[Any], method: str) -> None:
    assert [one for one in remarks_of(lambda: fastfuse.fuse(raters, method)) if ASKED in one] == []


def test_applied_rates() -> None:
    table = fastfuse.tabulate([*RATERS, BRAIN])
    said = remarks_of(lambda: fastfuse.estimate(table, "staple").apply([*RATERS, BRAIN]))
    assert [one for one in said if ASKED in one]


@pytest.mark.parametrize("words", [["--method", "staple"], ["--binarize"], ["--select-label", "1"]])
def test_the_glob_of_a_folder(tmp_path: Path, words: list[str]) -> None:
    for name, data in {"Brain_Mask": BRAIN, **{f"Manual_{i}": one for i, one in enumerate(RATERS)}}.items():
        nib.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / f"{name}.nii")
    masks = sorted(path.name for path in tmp_path.glob("Manual*"))
    done = run_here(tmp_path, "fuse", "Brain_Mask.nii", *masks, "-o", "c.nii.gz", *words)
    assert done.returncode == 0, done.stderr
    assert any(
        line.startswith("warning: Brain_Mask.nii marks ") and ASKED in line
        for line in done.stderr.splitlines()
    )
    done = run_here(tmp_path, "fuse", *masks, "--mask", "Brain_Mask.nii", "-o", "d.nii.gz", *words)
    assert ASKED not in done.stderr, "the remedy"
