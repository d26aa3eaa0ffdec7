"""Structures that may overlap: each fused as masks are, in one call."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse

SHAPE = (8, 9, 10)
FUNCTIONS: dict[str, Any] = {
    "staple": fastfuse.staple,
    "soft-staple": fastfuse.soft_staple,
    "simplified-soft-staple": fastfuse.simplified_soft_staple,
    "majority": fastfuse.majority_vote,
}
NAMES = {2: "tumour", 1: "core"}


def stacks(count: int = 3) -> list[NDArray[np.uint8]]:
    """Return masks (2, ...) of a tumour and of its core, which lies in it."""
    rng = np.random.default_rng(0)
    truth = np.zeros((2, *SHAPE), np.uint8)
    truth[0, 1:7, 2:8, 2:8] = truth[1, 3:5, 3:6, 3:6] = 1
    return [np.where(rng.random(truth.shape) < 0.1, 1 - truth, truth).astype(np.uint8) for _ in range(count)]


@pytest.mark.parametrize("method", FUNCTIONS)
def test_each_structure_is_that_of_its_masks(method: Any) -> None:
    raters = stacks()
    mask = np.random.default_rng(1).random(SHAPE) < 0.9
    found = fastfuse.fuse(raters, method, labels=NAMES, overlap=True, mask=mask, dtype="float64")
    assert list(found) == ["tumour", "core"]
    for place, fusion in enumerate(found.values()):
        plain = fastfuse.fuse([one[place] for one in raters], method, mask=mask, dtype="float64")
        np.testing.assert_array_equal(fusion.probability, plain.probability)
        np.testing.assert_array_equal(fusion.sensitivity, plain.sensitivity)
    again = FUNCTIONS[method](raters, labels=NAMES, overlap=True, mask=mask, dtype="float64")
    np.testing.assert_array_equal(again["core"].probability, found["core"].probability)
    both = found["tumour"].label() & found["core"].label()
    assert both.any()


def test_labels_priors_absent_raters_and_stacks() -> None:
    raters = stacks()
    with pytest.warns(fastfuse.FusionWarning, match="7: rater 1 has no vote; 3: rater 1 has no vote"):
        found = fastfuse.fuse(
            [raters[0], None, *raters[1:]], "staple", labels=[7, 3], overlap=True, prior={3: 0.1, 7: 0.4}
        )
    assert list(found) == [7, 3]
    assert [found[7].prior, found[3].prior] == [0.4, 0.1]
    assert np.isnan(found[7].sensitivity[1])
    whole = fastfuse.fuse(
        np.stack(raters), "staple", labels=[7, 3], overlap=True, roi=2.0, spacing_mm=(1, 1, 1)
    )
    plain = fastfuse.staple([one[1] for one in raters], roi=2.0, spacing_mm=(1, 1, 1))
    np.testing.assert_array_equal(whole[3].probability, plain.probability)


def test_remarks_name_the_structure() -> None:
    raters = stacks()
    for one in raters:
        one[1] = 0
    with pytest.warns(fastfuse.FusionWarning, match="core: nobody marks anything") as caught:
        fastfuse.fuse(raters, "staple", labels=NAMES, overlap=True)
    assert caught[0].filename == __file__
    with pytest.warns(fastfuse.FusionWarning, match="core: nobody marks anything") as caught:
        fastfuse.staple(raters, labels=NAMES, overlap=True)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"labels": "all"}, "labels is 'all', and overlap is True: name the structures"),
        (
            {"labels": [1, 2, 3]},
            r"rater 0 has shape \(2, 8, 9, 10\): with overlap=True each rater gives 3 masks",
        ),
        ({"labels": None}, "overlap is True: it is for label maps; give labels too"),
        ({"undecided": 9}, "undecided is given, and overlap is True: each structure is fused by itself"),
        ({"knows": {0: [1]}}, "knows is given, and overlap is True"),
        ({"candidates": "all"}, "candidates is given, and overlap is True"),
        ({"select_label": 1}, "select_label is given, and overlap is True"),
        ({"out": np.empty(SHAPE)}, "out is given, and overlap is True"),
        ({"prior": {1: 0.3}}, "prior has none for label tumour"),
        ({"m_step": "em"}, "m_step is 'em': staple has no such option"),
        ({"overlap": 3}, "overlap is 3"),
    ],
)
def test_refusals(options: dict[str, Any], said: str) -> None:
    with pytest.raises((ValueError, TypeError), match=said):
        fastfuse.fuse(stacks(), "staple", **{"labels": NAMES, "overlap": True, **options})


def test_label_maps_and_images_are_refused_by_name() -> None:
    raters: list[Any] = stacks()
    raters[1] = raters[1][0]
    with pytest.raises(
        ValueError, match=r"rater 1 has shape \(8, 9, 10\): with overlap=True each rater gives 2 masks"
    ):
        fastfuse.fuse(raters, "staple", labels=NAMES, overlap=True)
    image = nib.Nifti1Image(np.moveaxis(stacks()[0], 0, -1), np.eye(4))
    with pytest.raises(ValueError, match=r"rater 0 has shape \(8, 9, 10, 2\)"):
        fastfuse.fuse([image] * 3, "staple", labels=NAMES, overlap=True)
