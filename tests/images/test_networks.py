"""Networks' probabilities are held against the segmentation beside them: classes, regions, their order and place."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse import FusionWarning, ImageError
from fastfuse.images import reading
from fastfuse.images.image import Image
from fastfuse.images.wanted import Wanted
from fastfuse.inputs.foreground import Foreground

from .networks import AFFINE, blob, classes, labels_of, regions, save_pair, soft

CUBE = (8, 8, 8)
TURNS = [
    (axes, flips)
    for axes in itertools.permutations(range(3))
    for flips in itertools.chain.from_iterable(itertools.combinations(range(3), k) for k in range(4))
]


def read(path: Path, *labels: int, **more: Any) -> Image:
    return reading.read(path, wanted=Wanted(Foreground(labels, **more)))


def turned(values: np.ndarray, axes: tuple[int, ...], flips: tuple[int, ...]) -> np.ndarray:
    """Probabilities in another orientation than the segmentation's."""
    moved = values.transpose(0, *(axis + 1 for axis in axes))
    return np.flip(moved, [axis + 1 for axis in flips])


@pytest.mark.parametrize(("axes", "flips"), TURNS)
@pytest.mark.parametrize("kind", ["classes", "regions"])
def test_turned_probabilities_are_turned_back(
    tmp_path: Path, kind: str, axes: tuple[int, ...], flips: tuple[int, ...]
) -> None:
    values = classes(0, shape=CUBE) if kind == "classes" else regions(0, shape=CUBE)
    labels = values.argmax(axis=0).astype(np.uint8) if kind == "classes" else labels_of(values)
    image = read(save_pair(tmp_path, turned(values, axes, flips), labels), 2)
    np.testing.assert_array_equal(image.data, values[2 if kind == "classes" else 1])
    said = image.remark or ""
    assert ("lie turned against case.nii.gz" in said) == ((axes, flips) != ((0, 1, 2), ()))


def test_turned_where_axes_have_other_lengths(tmp_path: Path) -> None:
    values = classes(0, 2)
    labels = values.argmax(axis=0).astype(np.uint8)
    image = read(save_pair(tmp_path, turned(values, (2, 0, 1), (1,)), labels))
    np.testing.assert_array_equal(image.data, values[1])
    assert "axes 0, 1 and 2 exchanged and axis 0 flipped" in (image.remark or "")


def test_consensus_of_a_turned_network(tmp_path: Path) -> None:
    """Which came out mirrored: two networks that agree, one of them read by a reader that turns."""
    values = [classes(seed, 2) for seed in range(2)]
    labels = [one.argmax(axis=0).astype(np.uint8) for one in values]
    paths = [
        save_pair(tmp_path / "a", values[0], labels[0]),
        save_pair(tmp_path / "b", turned(values[1], (0, 1, 2), (0, 1)), labels[1]),
    ]
    with pytest.warns(
        FusionWarning, match=r"b.case\.npz: the probabilities lie turned against case\.nii\.gz"
    ):
        fused = fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", m_step="em")
    np.testing.assert_array_equal(
        fused.probability, fastfuse.soft_staple([one[1] for one in values], m_step="em").probability
    )


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("key", ["probabilities", "softmax"])
def test_regions_by_their_place(tmp_path: Path, count: int, key: str) -> None:
    values = regions(0, count)
    path = save_pair(tmp_path, values, labels_of(values), key)
    for place in range(1, count + 1):
        image = read(path, place)
        np.testing.assert_array_equal(image.data, values[place - 1])
        inside = ", ".join(map(str, range(place, count + 1)))
        told = (
            f"region {place} of {count} was taken, label{'s' * (place < count)} {inside} of the segmentation"
        )
        assert (told in (image.remark or "")) == (count > 1)
    with pytest.raises(
        ImageError, match=rf"case\.npz: there is no region {count + 1}: it holds {count} region"
    ):
        read(path, count + 1)
    if count == 1:
        np.testing.assert_array_equal(read(path).data, values[0])
    else:
        with pytest.raises(ImageError, match=rf"its {count} channels are regions, .* K from 1 to {count}"):
            read(path)


@pytest.mark.parametrize("order", [(2, 1, 3), (3, 1, 2), (2, 4, 1)])
def test_regions_in_another_order_of_labels(tmp_path: Path, order: tuple[int, ...]) -> None:
    """As regions_class_order may have it."""
    values = regions(0)
    path = save_pair(tmp_path, values, labels_of(values, order))
    for place in range(1, 4):
        inside = sorted(order[place - 1 :])
        image = read(path, place)
        np.testing.assert_array_equal(image.data, values[place - 1])
        named = f"{', '.join(map(str, inside))} of the segmentation"
        assert f"region {place} of 3 was taken, label" in str(image.remark)
        assert named in str(image.remark)
        if place < 3:
            np.testing.assert_array_equal(read(path, *inside).data, values[place - 1])


def test_labels_that_are_no_region(tmp_path: Path) -> None:
    values = regions(0)
    path = save_pair(tmp_path, values, labels_of(values))
    with pytest.raises(
        ImageError, match=r"none is labels 1, 2; choose one .*: 1 holds labels 1, 2, 3; 2 holds labels 2, 3"
    ):
        read(path, 2, 1)
    np.testing.assert_array_equal(read(path, binarize=True).data, values.max(axis=0))


def test_regions_beside_label_maps(tmp_path: Path) -> None:
    """Region 2 is labels 2 and 3 together: label 2 of an expert's map alone is another structure."""
    values = regions(0)
    path = save_pair(tmp_path, values, labels_of(values))
    expert = tmp_path / "expert.nii.gz"
    nib.save(nib.Nifti1Image(np.roll(labels_of(values), 1, 0), AFFINE), expert)
    with pytest.raises(
        ImageError, match=r"gives labels 2, 3 and .* label 2: name all .*select_label=\[2,3\]"
    ):
        fastfuse.fuse_files([path, expert], tmp_path / "c.nii.gz", select_label=2)
    with pytest.warns(FusionWarning, match="region 2 of 3 was taken, labels 2, 3 of the segmentation"):
        fused = fastfuse.fuse_files(
            [path, expert], tmp_path / "c.nii.gz", select_label=[2, 3], method="majority"
        )
    expected = fastfuse.majority_vote([values[1], np.roll(labels_of(values), 1, 0) >= 2])
    np.testing.assert_allclose(fused.probability, expected.probability, atol=1e-6)
    with pytest.warns(FusionWarning, match="region 3 of 3 was taken, label 3 of the segmentation"):
        fastfuse.fuse_files([path, expert], tmp_path / "d.nii.gz", select_label=3, method="majority")


@pytest.mark.parametrize("order", [(1, 2, 0), (2, 1, 0), (0, 2, 1)])
def test_classes_in_another_order(tmp_path: Path, order: tuple[int, ...]) -> None:
    """Such as one with the background last: the label chooses, not the place."""
    values = classes(0)
    labels = values.argmax(axis=0).astype(np.uint8)
    path = save_pair(tmp_path, values[list(order)], labels)
    for label in (1, 2):
        image = read(path, label)
        np.testing.assert_array_equal(image.data, values[label])
        assert f"channel {order.index(label)} is label {label}" in str(image.remark)
    np.testing.assert_allclose(read(path, binarize=True).data, 1 - values[0], atol=1e-6)


def test_two_classes_with_the_background_last(tmp_path: Path) -> None:
    values = classes(0, 2)
    path = save_pair(tmp_path, values[::-1], values.argmax(axis=0).astype(np.uint8))
    np.testing.assert_array_equal(read(path).data, values[1])


def test_labels_of_the_segmentation_choose(tmp_path: Path) -> None:
    values = classes(0)
    labels = np.array([0, 5, 9], np.uint8)[values.argmax(axis=0)]
    path = save_pair(tmp_path, values, labels)
    np.testing.assert_array_equal(read(path, 9).data, values[2])
    with pytest.raises(ImageError, match="no class 2 among its 3, whose labels are 0, 5, 9"):
        read(path, 2)


def test_union_of_classes(tmp_path: Path) -> None:
    values = classes(0, 4)
    path = save_pair(tmp_path, values, values.argmax(axis=0).astype(np.uint8))
    np.testing.assert_allclose(read(path, 1, 3).data, values[1] + values[3], atol=1e-6)
    with pytest.raises(ImageError, match="there is no class 4 among its 4"):
        read(path, 1, 4)


@pytest.mark.parametrize("kind", ["classes", "regions"])
def test_half_precision(tmp_path: Path, kind: str) -> None:
    """As version 1 saves them."""
    values = (classes(0) if kind == "classes" else regions(0)).astype(np.float16)
    labels = values.argmax(axis=0).astype(np.uint8) if kind == "classes" else labels_of(values)
    image = read(save_pair(tmp_path, values, labels, "softmax"), 1)
    np.testing.assert_array_equal(image.data, values[1 if kind == "classes" else 0])


def test_segmentation_that_lost_a_small_component(tmp_path: Path) -> None:
    values = classes(0, 2, (20, 20, 20))
    labels = values.argmax(axis=0).astype(np.uint8)
    first = tuple(np.argwhere(labels)[0])
    labels[first] = 0
    image = read(save_pair(tmp_path, values, labels))
    np.testing.assert_array_equal(image.data, values[1])
    assert "say other than case.nii.gz at 1 voxel" in str(image.remark)


@pytest.mark.parametrize("kind", ["classes", "regions"])
def test_segmentation_of_another_case(tmp_path: Path, kind: str) -> None:
    values = classes(0) if kind == "classes" else regions(0)
    labels = np.random.default_rng(0).integers(0, 3, values.shape[1:]).astype(np.uint8)
    path = save_pair(tmp_path, values, labels)
    with pytest.raises(
        ImageError, match=rf"case\.npz: its 3 channels, taken as {kind}, are not those of case\.nii\.gz: \d+%"
    ):
        read(path, 1)


def test_regions_without_regions_in_the_segmentation(tmp_path: Path) -> None:
    values = np.stack([soft(blob((3, 2, 2), 2), 0), soft(blob((6, 5, 4), 2), 1)])
    path = save_pair(tmp_path, values, blob((6, 5, 4), 2).astype(np.uint8))
    with pytest.raises(ImageError, match="are not those of"):
        read(path, 2)


def test_empty_segmentation(tmp_path: Path) -> None:
    values = classes(0, 2)
    values[1] *= 0.1
    values[0] = 1 - values[1]
    image = read(save_pair(tmp_path, values, np.zeros(values.shape[1:], np.uint8)))
    np.testing.assert_array_equal(image.data, values[1])
    assert "case.nii.gz marks nothing" in str(image.remark)


def test_symmetric_case_of_another_shape(tmp_path: Path) -> None:
    """Which fits in several ways, and the probabilities do not."""
    mask = np.zeros((6, 6, 4), bool)
    mask[2:4, 2:4, 1:3] = True
    values = soft(mask, 0)[None]
    path = save_pair(tmp_path, turned(values, (2, 0, 1), ()), mask.astype(np.uint8))
    with pytest.raises(ImageError, match=r"fit case\.nii\.gz in \d+ ways"):
        read(path)


def test_nan(tmp_path: Path) -> None:
    values = classes(0, 2)
    values[1, 0, 0, 0] = np.nan
    with pytest.raises(
        ImageError,
        match=r"case\.npz: its channel . holds (nan|inf) at voxel .*, so that its probabilities are not all finite",
    ):
        read(save_pair(tmp_path, values, values.argmax(axis=0).astype(np.uint8)))


def test_segmentation_that_is_no_label_map(tmp_path: Path) -> None:
    values = classes(0, 2)
    with pytest.raises(ImageError, match=r"case\.nii\.gz: the segmentation of case\.npz is no label map"):
        read(save_pair(tmp_path, values, values[1]))


@pytest.mark.parametrize("options", [{"threshold": 0.5}, {"method": "staple", "threshold": 0.5}])
def test_threshold_of_a_class(tmp_path: Path, options: dict[str, Any]) -> None:
    values = [classes(seed) for seed in range(2)]
    values[1] = np.roll(values[1], 1, axis=1)
    paths = [
        save_pair(tmp_path / f"m{k}", one, one.argmax(axis=0).astype(np.uint8))
        for k, one in enumerate(values)
    ]
    fused = fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", select_label=2, **options)
    method = {"method": options["method"]} if "method" in options else {}
    expected = fastfuse.fuse([one[2] >= 0.5 for one in values], **method)
    np.testing.assert_array_equal(fused.probability, expected.probability)


def test_more_classes_than_a_byte_holds(tmp_path: Path) -> None:
    labels = np.where(blob((4, 3, 2), 2), 299, 0)
    values = np.moveaxis(np.eye(300, dtype=np.float32)[labels], -1, 0)
    image = read(save_pair(tmp_path, values, labels.astype(np.uint16)), 299)
    np.testing.assert_array_equal(image.data, labels == 299)
    assert image.remark is None


def test_channels_last(tmp_path: Path) -> None:
    values = classes(0, 2)
    path = save_pair(tmp_path, values, values.argmax(axis=0).astype(np.uint8))
    np.savez(path, probabilities=values.transpose(3, 2, 1, 0))
    np.testing.assert_array_equal(read(path).data, values[1])


def test_logits(tmp_path: Path) -> None:
    values = classes(0, 2)
    logits = np.log(values) - np.log(values).mean(axis=0)
    with pytest.raises(ImageError, match=r"case\.npz: it holds values from -.* as logits do"):
        read(save_pair(tmp_path, logits, values.argmax(axis=0).astype(np.uint8)))


def test_regions_have_the_names_of_the_dataset(tmp_path: Path) -> None:
    values = regions(0)
    path = save_pair(tmp_path, values, labels_of(values))
    labels = {"background": 0, "whole tumour": [1, 2, 3], "core": [2, 3], "enhancing": 3}
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels, "regions_class_order": [1, 2, 3]}))
    with pytest.raises(
        ImageError, match=r"K from 1 to 3 in the file's order \(whole tumour, core, enhancing\)"
    ):
        read(path)
    assert "region 2 (core) of 3 was taken" in str(read(path, 2).remark)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"labels": 3}', '{"labels": {"background": 0, "a": 1}}', "[" * 100_000, "\xff"],
)
def test_dataset_that_tells_nothing(tmp_path: Path, content: str) -> None:
    values = regions(0)
    path = save_pair(tmp_path, values, labels_of(values))
    (tmp_path / "dataset.json").write_bytes(content.encode("latin1"))
    assert "region 2 of 3 was taken" in str(read(path, 2).remark)


def test_network_that_shows_not_all_labels(tmp_path: Path) -> None:
    """Without enhancing tumour, region 2 shows label 2 alone, and is labels 2 and 3 all the same."""
    values = [regions(seed) for seed in range(2)]
    values[1][2] *= 0.1
    paths = [save_pair(tmp_path / f"m{k}", one, labels_of(one)) for k, one in enumerate(values)]
    expected = fastfuse.majority_vote([one[1] for one in values])
    for chosen in (2, [2, 3]):
        with pytest.warns(FusionWarning, match="region 2 of 3 was taken"):
            fused = fastfuse.fuse_files(
                paths, tmp_path / "c.nii.gz", select_label=chosen, method="majority", overwrite=True
            )
        np.testing.assert_allclose(fused.probability, expected.probability, atol=1e-6)
    with pytest.raises(ImageError, match="there is no region 4"):
        read(paths[1], 4)


def test_labels_of_the_dataset_choose_a_region_that_is_not_shown(tmp_path: Path) -> None:
    values = regions(0)
    values[1:] *= 0.1
    path = save_pair(tmp_path, values, labels_of(values))
    with pytest.raises(ImageError, match="none is labels 2, 3"):
        read(path, 2, 3)
    labels = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3}
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    np.testing.assert_array_equal(read(path, 2, 3).data, values[1])


def test_regions_of_two_orders(tmp_path: Path) -> None:
    """Region 2 of one network is label 2 and 3, and of the other labels 1 and 3."""
    values = [regions(seed) for seed in range(2)]
    orders = [(1, 2, 3), (2, 1, 3)]
    paths = [
        save_pair(tmp_path / f"m{k}", one, labels_of(one, order))
        for k, (one, order) in enumerate(zip(values, orders, strict=True))
    ]
    with pytest.raises(
        ImageError, match=r"gives labels 2, 3 and .* labels 1, 3: name all labels of a region"
    ):
        fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", select_label=2)


def both_ways(mask: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Return a mask that is the same mirrored along each of these axes."""
    for axis in axes:
        mask = mask | np.flip(mask, axis)
    return mask


@pytest.mark.parametrize(("axes", "ways"), [((0,), 2), ((2,), 2), ((0, 1), 4), ((0, 1, 2), 8)])
@pytest.mark.parametrize("wrong", [0, 1])
def test_of_a_symmetric_segmentation_no_orientation_is_known(
    tmp_path: Path, axes: tuple[int, ...], ways: int, wrong: int
) -> None:
    mask = both_ways(blob((3, 2, 2), 1.5), axes)
    inside = soft(mask, 1)
    labels = mask.astype(np.uint8)
    labels[4, 4, 3] ^= wrong  # a small component that was removed, or kept
    path = save_pair(tmp_path, np.stack([1 - inside, inside]), labels)
    remark = str(reading.read(path).remark)
    assert f"fit case.nii.gz in {ways} ways (as they are; ax" in remark
    assert "were taken as they are; if that is wrong, save the channel of every network as NIfTI" in remark


def test_a_symmetric_segmentation_of_symmetric_probabilities_is_no_doubt(tmp_path: Path) -> None:
    inside = np.where(both_ways(blob((3, 2, 2), 1.5), (0,)), 0.9, 0.1).astype(np.float32)
    path = save_pair(tmp_path, np.stack([1 - inside, inside]), (inside > 0.5).astype(np.uint8))
    assert "ways" not in str(reading.read(path).remark)


@pytest.mark.parametrize("length", [65000, 20000, 100])
def test_words_of_a_damaged_file_are_cut(tmp_path: Path, length: int) -> None:
    path = save_pair(tmp_path, classes(1), classes(1).argmax(axis=0).astype(np.uint8))
    content = bytearray(path.read_bytes() + b"\0" * 200_000)
    content[26:28] = length.to_bytes(2, "little")  # of the name in the local header
    path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        reading.read(path, wanted=Wanted(Foreground(labels=(1,))))
    assert len(str(caught.value)) < 700
