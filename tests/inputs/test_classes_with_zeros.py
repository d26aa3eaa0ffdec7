"""Classes that are all 0 outside the brain, or where a network did not look: they are classes all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse import FusionWarning, ImageError
from fastfuse.images import reading
from fastfuse.images.wanted import Wanted
from fastfuse.inputs.foreground import Foreground

from ..images.networks import AFFINE, blob, classes, regions, save_pair

SHAPE = (20, 19, 18)
GRID = np.indices(SHAPE)
BRAIN = ((GRID - 5) ** 2).sum(axis=0) < 50
ZEROS = {
    "brain": BRAIN,
    "slices": GRID[0] > 1,
    "crop": (GRID[0] > 0) & (GRID[1] > 0) & (GRID[2] < 16),
}


def of_brain(seed: int, count: int = 3, where: str = "brain") -> np.ndarray:
    return classes(seed, count, SHAPE) * ZEROS[where].astype(np.float32)


def save(path: Path, values: np.ndarray) -> Path:
    nib.save(nib.Nifti1Image(values, AFFINE), path)
    return path


def take(path: Path, *labels: int, **more: Any) -> Any:
    return reading.read(path, wanted=Wanted(Foreground(labels, **more)))


@pytest.mark.parametrize("where", ZEROS)
@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("count", [2, 3, 4])
def test_of_a_file(tmp_path: Path, where: str, axis: int, count: int) -> None:
    values = of_brain(0, count, where)
    path = save(tmp_path / "net.nii.gz", np.moveaxis(values, 0, axis))
    for label in range(1, count):
        image = take(path, label)
        np.testing.assert_array_equal(image.data, values[label])
        assert f"class {label} of 0 to {count - 1} was taken; at " in str(image.remark)
    np.testing.assert_allclose(take(path, binarize=True).data, values[1:].sum(axis=0), atol=1e-6)


def test_of_bytes(tmp_path: Path) -> None:
    values = of_brain(0)
    path = save(tmp_path / "net.nii.gz", np.moveaxis(np.rint(255 * values), 0, -1).astype(np.uint8))
    np.testing.assert_allclose(take(path, 2, scale=255.0).data / 255, values[2], atol=1 / 255)


def test_evaluate_and_fuse(tmp_path: Path) -> None:
    values = [of_brain(seed) for seed in range(2)]
    paths = [save(tmp_path / f"net{k}.nii.gz", np.moveaxis(one, 0, -1)) for k, one in enumerate(values)]
    with pytest.warns(FusionWarning, match=r"class 2 of 0 to 2 was taken; at \d+% of the voxels"):
        fused = fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", method="majority", select_label=2)
    np.testing.assert_allclose(fused.probability, (values[0][2] + values[1][2]) / 2, atol=1e-6)
    truth = save(tmp_path / "truth.nii.gz", (values[0][2] > 0.5).astype(np.uint8))
    with pytest.warns(FusionWarning, match="class 2 of 0 to 2 was taken"):
        found = fastfuse.evaluate_files(paths[0], truth, select_label=2, threshold=0.5, truth_binarize=True)
    assert found.dice == 1


@pytest.mark.parametrize("where", ZEROS)
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (0, 2, 1)])
def test_beside_a_segmentation(tmp_path: Path, where: str, order: tuple[int, ...]) -> None:
    """As nnU-Net v1 leaves them, put back with zeros; in any order of the channels."""
    values = of_brain(0, 3, where)
    labels = (values.argmax(axis=0) * ZEROS[where]).astype(np.uint8)
    path = save_pair(tmp_path, values[list(order)], labels)
    for label in (1, 2):
        image = take(path, label)
        np.testing.assert_array_equal(image.data, values[label])
        assert "it gives all classes 0" in str(image.remark)


def test_all_labels(tmp_path: Path) -> None:
    values = [of_brain(seed) for seed in range(2)]
    paths = [
        save_pair(tmp_path / f"m{k}", one, (one.argmax(axis=0) * BRAIN).astype(np.uint8))
        for k, one in enumerate(values)
    ]
    with pytest.warns(FusionWarning, match="gives all classes 0"):
        fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", labels="all")
    fused = np.asanyarray(nib.load(tmp_path / "c.nii.gz").dataobj)
    np.testing.assert_array_equal(fused, (values[0] + values[1]).argmax(axis=0))


def test_one_hot_with_zeros_is_asked_for_and_told_by_a_segmentation(tmp_path: Path) -> None:
    labels = of_brain(0).argmax(axis=0)
    hot = ((labels == np.arange(3)[:, None, None, None]) & BRAIN).astype(np.float32)
    path = save(tmp_path / "net.nii.gz", np.moveaxis(hot, 0, -1))
    with pytest.raises(ImageError, match="masks that never overlap, and all are 0 at some voxels"):
        take(path, 2)
    image = take(save_pair(tmp_path, hot, (labels * BRAIN).astype(np.uint8)), 2)
    np.testing.assert_array_equal(image.data, hot[2])
    foreground = save_pair(tmp_path / "no background", hot[1:], (labels * BRAIN).astype(np.uint8))
    image = take(foreground, 2)
    np.testing.assert_array_equal(image.data, hot[2])
    assert "region 2 of 2 was taken" in str(image.remark)


def nested() -> np.ndarray:
    return regions(0, 2, SHAPE)


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda: 0.9 * classes(0, 3, SHAPE),
        lambda: 0.5 * classes(0, 2, SHAPE),
        lambda: classes(0, 3, SHAPE).round(1),
        lambda: np.stack([1 - nested().max(axis=0), *nested()]),
    ],
)
def test_neither_classes_nor_regions(tmp_path: Path, make: Any, zeros: bool) -> None:
    values = make() * (BRAIN if zeros else 1)
    path = save(tmp_path / "net.nii.gz", np.moveaxis(values, 0, -1).astype(np.float32))
    with pytest.raises(ImageError, match=r"channels are neither classes, as they sum to .* nor regions"):
        take(path, 1)


@pytest.mark.parametrize(
    "values",
    [
        regions(0, 2, SHAPE),
        regions(0, 3, SHAPE),
        regions(0, 3, SHAPE) * BRAIN,
        (regions(0, 3, SHAPE) > 0.5).astype(np.float32),
        np.stack([blob((5, 5, 5), 3, SHAPE), blob((12, 12, 12), 3, SHAPE)]) * np.float32(0.7)
        + np.float32(0.01),
        np.zeros((2, *SHAPE), np.float32),
    ],
)
def test_regions_stay_regions(tmp_path: Path, values: np.ndarray) -> None:
    path = save(tmp_path / "net.nii.gz", np.moveaxis(values, 0, -1).astype(np.float32))
    image = take(path, 1)
    np.testing.assert_array_equal(image.data, values[0].astype(np.float32))
    assert "channels are regions, region 1" in str(image.remark)


def test_regions_of_the_wrong_axis(tmp_path: Path) -> None:
    path = save(tmp_path / "net.nii.gz", np.moveaxis(regions(0, 2, SHAPE), 0, -1))
    with pytest.raises(ImageError, match=r"its first axis holds no channels: .* the last axis may"):
        reading.read(path, wanted=Wanted(Foreground((2,)), "first"))


def test_arrays_of_classes() -> None:
    values = [of_brain(seed) for seed in range(2)]
    for axis, one in ((0, r"rater\[1\]"), (-1, r"rater\[..., 1\]")):
        with pytest.raises(ValueError, match=rf"sums to 1 along axis . wherever it is not 0.*{one}"):
            fastfuse.majority_vote([np.moveaxis(value, 0, axis) for value in values])
    for stack in (values[0], (values[0] == values[0].max(axis=0)) & BRAIN, list(values[0])):
        with pytest.raises(ValueError, match="the 3 raters' votes sum to 1 wherever one is not 0"):
            fastfuse.majority_vote(stack)
    hot = [(np.moveaxis(value == value.max(axis=0), 0, -1) & BRAIN[..., None]) for value in values]
    with pytest.raises(ValueError, match="wherever it is not 0"):
        fastfuse.staple(hot)
    with pytest.raises(ValueError, match="both sum to 1 wherever one is not 0"):
        fastfuse.majority_vote(of_brain(0, 2))


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("count", [2, 3])
def test_masks_that_never_meet_are_raters(count: int) -> None:
    raters = [blob((3, 3, 3), 2.5, SHAPE), blob((10, 10, 10), 2.5, SHAPE), blob((15, 4, 14), 2.5, SHAPE)]
    raters = [rater & (GRID.sum(axis=0) > 3) for rater in raters[:count]]
    assert fastfuse.majority_vote(raters).probability.max() <= np.float32(1 / count)


@pytest.mark.parametrize("dtype", ["?", "u1", "i2", "i8", "f4"])
@pytest.mark.parametrize("options", [{"threshold": 0.5}, {"scale": 1}, {"threshold": 1}])
def test_masks_of_integers_are_no_rounded_classes(dtype: str, options: dict[str, Any]) -> None:
    """A step from 0 to 1 is no rounding: sums far from 1, along an axis or over raters, are no classes."""
    rng = np.random.default_rng(0)
    for shape, count, share in [((10, 12, 8), 4, 0.3), ((40, 40, 40), 8, 0.1)]:
        masks = [(rng.random(shape) < share).astype(dtype) for _ in range(count)]
        found = fastfuse.majority_vote(masks, **options)
        np.testing.assert_array_equal(found.probability, fastfuse.majority_vote(masks).probability)
    channels = [np.eye(4, dtype=dtype)[rng.integers(0, 4, (9, 8, 7))] for _ in range(3)]
    with pytest.raises(ValueError, match="sums to 1 along axis 3 everywhere"):
        fastfuse.majority_vote(channels, **options)
    with pytest.raises(ValueError, match="votes sum to 1 at every voxel"):
        fastfuse.majority_vote(list(np.moveaxis(channels[0], -1, 0)), **options)


@pytest.mark.parametrize(
    ("scale", "refused"), [(3, False), (10, False), (20, True), (100, True), (255, True)]
)
@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_only_fine_steps_are_rounding(scale: int, refused: bool) -> None:
    """Of votes in whole steps of a scale: each class is half a step off at most, which of 3 or of 10 is too much to tell."""
    exact = 0.05 + 0.8 * np.random.default_rng(0).dirichlet((1, 1, 1, 1), (9, 8, 7))
    rounded = np.rint(scale * exact / exact.sum(axis=-1, keepdims=True)).astype(np.uint8)
    assert np.ptp(rounded.astype(int).sum(axis=-1)) >= 1
    raters = list(np.moveaxis(rounded, -1, 0))
    if refused:
        with pytest.raises(ValueError, match=f"votes sum to {scale} at every voxel"):
            fastfuse.soft_staple(raters, scale=scale)
    else:
        fastfuse.majority_vote(raters, scale=scale)
