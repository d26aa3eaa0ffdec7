"""Connected components, and small ones dropped."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import fastfuse
from fastfuse.evaluation.components import drop_small, labelled


def pair(*step: int) -> np.ndarray:
    """Two voxels, one step apart, and three in a row elsewhere."""
    mask = np.zeros((9, 5, 4), np.uint8)
    mask[1, 1, 1] = mask[1 + step[0], 1 + step[1], 1 + step[2]] = 1
    mask[5:8, 4, 3] = 1
    return mask


@pytest.mark.parametrize(
    ("step", "joined"), [((1, 0, 0), {6, 18, 26}), ((0, 1, 1), {18, 26}), ((1, 1, 1), {26})]
)
@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_neighbours_share_faces_edges_corners(
    step: tuple[int, ...], joined: set[int], connectivity: int
) -> None:
    mask = pair(*step)
    assert labelled(mask, 1, connectivity).max() == (2 if connectivity in joined else 3)
    kept = drop_small(mask, 2, connectivity)
    assert kept.sum() == (5 if connectivity in joined else 3)


@pytest.mark.parametrize(("least", "kept"), [(0, 5), (1, 5), (2, 5), (3, 3), (4, 0)])
def test_components_of_the_least_size_stay(least: int, kept: int) -> None:
    mask = pair(0, 0, 1)
    result = drop_small(mask, least)
    assert result.dtype == np.uint8
    assert result.sum() == kept
    np.testing.assert_array_equal(result, mask & result)
    assert mask.sum() == 5


def test_labels_are_numbered_without_gaps() -> None:
    mask = np.zeros((11, 1, 1))
    mask[[0, 2, 3, 5, 7, 8, 9]] = 0.5
    np.testing.assert_array_equal(labelled(mask, 2)[:, 0, 0], [0, 0, 1, 1, 0, 0, 0, 2, 2, 2, 0])


@pytest.mark.parametrize(("connectivity", "kept"), [(6, 0), (18, 2), (26, 2)])
def test_slices_have_edges_and_corners(connectivity: int, kept: int) -> None:
    """Two pixels that share a corner, in a slice and in a volume of one slice."""
    mask = np.eye(5, dtype=np.uint8) * (np.arange(5) < 2)
    for one in (mask, mask[..., None], mask[..., None, None]):
        result = drop_small(one, 2, connectivity)
        assert result.shape == one.shape
        assert result.sum() == kept


def test_nothing_marked() -> None:
    assert not drop_small(np.zeros((3, 4, 5)), 2).any()


@pytest.mark.parametrize(("connectivity", "fully"), [(6, False), (26, True)])
@pytest.mark.parametrize("share", [0.05, 0.1])
def test_as_simpleitk(connectivity: int, fully: bool, share: float) -> None:
    sitk = pytest.importorskip("SimpleITK")
    mask = (np.random.default_rng(0).random((31, 22, 17)) < share).astype(np.uint8)
    image = sitk.ConnectedComponent(sitk.GetImageFromArray(mask), fully)
    theirs = sitk.GetArrayFromImage(sitk.RelabelComponent(image, 3))
    ours = labelled(mask, 3, connectivity)
    assert ours.max() == theirs.max() > 5
    pairs = np.unique(np.stack([ours.ravel(), theirs.ravel()]), axis=1)
    assert pairs.shape[1] == ours.max() + 1  # one label of theirs for each of ours


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones(3), 2), r"the mask has shape \(3,\): a 2-D slice or a 3-D volume is needed"),
        ((np.ones((3, 3, 3, 2)), 2), r"shape \(3, 3, 3, 2\): a 2-D slice or a 3-D volume"),
        ((np.ones((3, 0, 3)), 2), r"shape \(3, 0, 3\)"),
        ((np.ones((3, 3, 3)), -1), "least_voxels is -1"),
        ((np.ones((3, 3, 3)), 2, 8), "connectivity is 8: it must be 6, 18 or 26"),
        ((np.ones((3, 3, 3)), 2, "6"), "connectivity is '6': it must be 6, 18 or 26"),
        ((np.ones((3, 3, 3)), 2, [6]), r"connectivity is \[6\]: it must be 6, 18 or 26"),
    ],
)
def test_bad_input(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        drop_small(*arguments)


def test_without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.ndimage", None)
    with pytest.raises(fastfuse.FastfuseError, match=r"needs scipy.ndimage: pip install '.\[evaluate\]'"):
        drop_small(np.ones((3, 3, 3)), 2)
