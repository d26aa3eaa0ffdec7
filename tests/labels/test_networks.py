"""Networks' probabilities of all labels: the mean of classes and regions, as nnU-Net's own ensembling makes it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from ..images.networks import AFFINE, classes, labels_of, regions
from .files import load, save

NAMES = {"background": 0, "liver": 1, "spleen": 2, "aorta": 3}
ORDER = (1, 2, 4)
REGIONS = {"background": 0, "whole": [1, 2, 4], "core": [2, 4], "enhancing": 4}


def turned(values: np.ndarray) -> np.ndarray:
    """Return channels as a reader leaves them that turns images: axes exchanged and reversed."""
    return values[:, ::-1, :, ::-1].transpose(0, 2, 1, 3)


def turned_back(values: np.ndarray) -> np.ndarray:
    return values.transpose(1, 0, 2)[::-1, :, ::-1]


def predicted(
    folder: Path,
    models: Sequence[np.ndarray],
    labels: Any,
    *,
    turn: bool = False,
    order: Sequence[int] | None = None,
) -> list[Path]:
    """Write what nnU-Net writes for each model: CASE.npz, CASE.nii.gz and dataset.json."""
    paths = []
    for k, values in enumerate(models):
        fold = folder / f"fold_{k}"
        fold.mkdir(parents=True)
        stored = turned(values) if turn else values
        np.savez_compressed(
            fold / "case.npz", probabilities=np.ascontiguousarray(stored.transpose(0, 3, 2, 1))
        )
        segmentation = values.argmax(axis=0) if order is None else labels_of(values, tuple(order))
        nib.save(nib.Nifti1Image(segmentation.astype(np.uint8), AFFINE), fold / "case.nii.gz")
        if labels is not None:
            facts = {"labels": labels, **({} if order is None else {"regions_class_order": list(order)})}
            (fold / "dataset.json").write_text(json.dumps(facts))
        paths.append(fold / "case.npz")
    return paths


def ensemble(paths: Sequence[Path], order: Sequence[int] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and label map, (z, y, x), as nnU-Net v2 takes them of its files: summed in single precision."""
    mean: np.ndarray | None = None
    for path in paths:
        found = np.load(path)["probabilities"]
        if mean is None:
            mean = found.astype(np.float32)
        else:
            mean += found
    assert mean is not None
    mean /= len(paths)
    if order is None:
        return mean, mean.argmax(axis=0)
    labels = np.zeros(mean.shape[1:], np.uint16)
    for channel, label in zip(mean, order, strict=True):
        labels[channel > 0.5] = label
    return mean, labels


@pytest.mark.parametrize("turn", [False, True])
@pytest.mark.parametrize("kind", [np.float32, np.float16])
@pytest.mark.parametrize("models", [1, 2, 5])
@pytest.mark.filterwarnings("ignore:.*lie turned against", "ignore:.*there is one rater only")
def test_classes(tmp_path: Path, kind: Any, turn: bool, models: int) -> None:
    paths = predicted(tmp_path, [classes(seed, 4).astype(kind) for seed in range(models)], NAMES, turn=turn)
    mean, labels = ensemble(paths)
    fusion = fastfuse.fuse_files(
        paths, tmp_path / "o.nii.gz", labels="all", save_probability={("liver", 2): tmp_path / "p.nii.gz"},
        save_confidence=tmp_path / "c.nii.gz",
    )  # fmt: skip
    back = turned_back if turn else np.asarray
    np.testing.assert_array_equal(load(tmp_path / "o.nii.gz"), back(labels.T))
    np.testing.assert_array_equal(load(tmp_path / "c.nii.gz"), back(mean.max(axis=0).T))
    np.testing.assert_allclose(
        load(tmp_path / "p.nii.gz"), back(np.minimum(mean[1] + mean[2], 1).T), atol=1e-6
    )
    assert (fusion.method, fusion.label_names) == ("majority", tuple(NAMES))
    np.testing.assert_allclose(nib.load(tmp_path / "o.nii.gz").affine, AFFINE)


@pytest.mark.filterwarnings("ignore:.*hold the same votes")
def test_ties_as_argmax(tmp_path: Path) -> None:
    """Half precision makes ties; nnU-Net takes the first class of highest mean. undecided= writes another label."""
    one = np.zeros((3, 9, 8, 7), np.float16)
    one[0], one[1, 2:5, 2:6, 1:3], one[0, 2:5, 2:6, 1:3] = 1, 1, 0
    two = one[[0, 2, 1]]
    paths = predicted(tmp_path, [one, two, one, two], {"background": 0, "a": 1, "b": 2})
    _, labels = ensemble(paths)
    fusion = fastfuse.fuse_files(paths, tmp_path / "o.nii", labels="all")
    tied = fastfuse.fuse_files(paths, tmp_path / "t.nii", labels="all", undecided=9)
    np.testing.assert_array_equal(fusion.label(), labels.T)
    np.testing.assert_array_equal(tied.label() == 9, labels.T == 1)


def test_rates_against_the_mean(tmp_path: Path) -> None:
    """p(vote | truth) under the mean, by a sum over all voxels; the sidecar holds the same."""
    models = [classes(seed, 4) for seed in range(3)]
    paths = predicted(tmp_path, models, NAMES)
    mask = np.zeros(models[0].shape[1:], np.uint8)
    mask[2:8, 1:7] = 1
    fusion = fastfuse.fuse_files(
        paths, tmp_path / "o.nii", labels="all", mask=save(tmp_path / "m.nii", mask, AFFINE)
    )
    mean = np.mean(models, axis=0, dtype=np.float64)
    inside = mask != 0
    for model, votes in enumerate(models):
        table = mean[:, inside] @ votes[:, inside].T
        np.testing.assert_allclose(
            fusion.confusion[model], table / table.sum(axis=1, keepdims=True), atol=1e-6
        )
        np.testing.assert_allclose(fusion.ppv[model], np.diag(table) / table.sum(axis=0), atol=1e-6)
    assert fusion.n_voxels == inside.sum()
    assert not fusion.label()[~inside].any()
    facts = json.loads((tmp_path / "o.json").read_text())
    found = [[one["sensitivity"] for one in rater["labels"]] for rater in facts["raters"]]
    np.testing.assert_allclose(found, fusion.sensitivity)


def test_weights(tmp_path: Path) -> None:
    models = [classes(seed, 4) for seed in range(3)]
    paths = predicted(tmp_path, models, NAMES)
    fusion = fastfuse.fuse_files(paths, tmp_path / "o.nii", labels="all", weights=[1, 2, 5])
    mean = np.tensordot([0.125, 0.25, 0.625], np.stack(models), axes=1)
    np.testing.assert_allclose(fusion.probability("spleen"), mean[2], atol=1e-6)
    np.testing.assert_array_equal(fusion.label(), mean.argmax(axis=0))
    with pytest.raises(ValueError, match="a positive number for each of the 3 raters"):
        fastfuse.fuse_files(paths, tmp_path / "p.nii", labels="all", weights=[1, 2])


@pytest.mark.parametrize("turn", [False, True])
@pytest.mark.parametrize("kind", [np.float32, np.float16])
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.filterwarnings("ignore:.*lie turned against")
def test_regions(tmp_path: Path, kind: Any, turn: bool, count: int) -> None:
    """Sigmoids of three, two and one region; painted in the dataset's order."""
    held = dict(list(REGIONS.items())[: count + 1])
    order = ORDER[:count]
    models = [regions(seed, count).astype(kind) for seed in range(3)]
    paths = predicted(tmp_path, models, held, turn=turn, order=order)
    mean, labels = ensemble(paths, order)
    fusion = fastfuse.fuse_files(
        paths, tmp_path / "o.nii.gz", labels="all", save_probability={"whole": tmp_path / "w.nii.gz"}
    )
    back = turned_back if turn else np.asarray
    np.testing.assert_array_equal(load(tmp_path / "o.nii.gz"), back(labels.T))
    np.testing.assert_array_equal(load(tmp_path / "w.nii.gz"), back(mean[0].T))
    assert fusion.labels == (0, *order)


def test_what_regions_do_not_tell(tmp_path: Path) -> None:
    paths = predicted(tmp_path, [regions(seed) for seed in range(2)], REGIONS, order=ORDER)
    fusion = fastfuse.fuse_files(paths, tmp_path / "o.nii", labels="all")
    mean = (regions(0) + regions(1)) / 2
    np.testing.assert_allclose(fusion.probability([2, 4]), mean[1], atol=1e-6)
    with pytest.raises(
        ValueError, match="label is 2: these networks tell the probabilities of regions, which hold"
    ):
        fusion.probability(2)
    for call in (fusion.confidence, fusion.entropy):
        with pytest.raises(ValueError, match="regions of networks may overlap, so that a voxel has no"):
            call()
    with pytest.raises(ValueError, match="save_confidence is given: regions may overlap"):
        fastfuse.fuse_files(paths, tmp_path / "p.nii", labels="all", save_confidence=tmp_path / "c.nii")
    with pytest.raises(ValueError, match="undecided is given: regions are painted"):
        fastfuse.fuse_files(paths, tmp_path / "p.nii", labels="all", undecided=9)


def test_regions_without_their_order(tmp_path: Path) -> None:
    paths = predicted(tmp_path, [regions(seed) for seed in range(2)], None, order=ORDER)
    with pytest.raises(
        fastfuse.ImageError, match=r"fold_0/case\.npz: its 3 regions .*put nnU-Net's dataset\.json beside"
    ):
        fastfuse.fuse_files(paths, tmp_path / "o.nii", labels="all")
    facts = {"labels": REGIONS, "regions_class_order": [1, 2]}
    beside = tmp_path / "fold_0" / "dataset.json"
    beside.write_text(json.dumps(facts))
    with pytest.raises(fastfuse.ImageError, match=r"dataset\.json tells of 2 only"):
        fastfuse.fuse_files(paths, tmp_path / "o.nii", labels="all")
    beside.write_text(json.dumps({**facts, "regions_class_order": [2, 1, 4]}))
    with pytest.raises(
        fastfuse.ImageError, match="paints region 1 with label 2, and the segmentations show label 1"
    ):
        fastfuse.fuse_files(paths, tmp_path / "o.nii", labels="all")
    beside.write_text(json.dumps({**facts, "regions_class_order": [1, 2, 4]}))
    assert fastfuse.fuse_files(paths, tmp_path / "o.nii", labels="all").labels == (0, *ORDER)
    (tmp_path / "fold_1" / "dataset.json").write_text(json.dumps({**facts, "regions_class_order": [4, 2, 1]}))
    with pytest.raises(fastfuse.ImageError, match="paint regions in another order"):
        fastfuse.fuse_files(paths, tmp_path / "p.nii", labels="all")


def test_refused_by_name(tmp_path: Path) -> None:
    paths = predicted(tmp_path / "a", [classes(seed, 4) for seed in range(2)], NAMES)
    three = predicted(tmp_path / "b", [classes(5, 3)], {"background": 0, "a": 1, "b": 2})
    painted = predicted(tmp_path / "c", [regions(0)], REGIONS, order=ORDER)
    out = tmp_path / "o.nii"

    def refused(files: Sequence[Path], told: str, **options: Any) -> None:
        with pytest.raises((ValueError, fastfuse.ImageError), match=told):
            fastfuse.fuse_files(files, out, **{"labels": "all", **options})
        assert not out.exists()

    refused(paths, "K labels of soft votes: majority", method="staple")
    refused(paths, "soft-staple has no such option", method="soft-staple")
    refused([*paths, *three], "holds 4 classes, and .* 3 classes: fuse networks of one dataset")
    refused([*paths, *painted], "holds 4 classes, and .* 3 regions: fuse networks of one dataset")
    refused(
        [*paths, paths[0].with_name("case.nii.gz")], "names? one|the segmentation beside the .npz is|hold"
    )
    refused(
        [*paths, three[0].with_name("case.nii.gz")], r"holds a network's probabilities, and .* is a label map"
    )
    refused(paths, r"labels is 0, 1, and .* has the labels 0, 1, 2, 3", labels=[0, 1])
    refused(paths, "missing is given: not for networks'", missing="nan")
    refused(paths, "grid is given: not for networks'", grid=paths[0].with_name("case.nii.gz"))
    refused(paths, "undecided is 2, which is one of the labels", undecided=2)
    refused(
        paths,
        "save_probability names 'kidney', and no label is called so",
        save_probability={"kidney": tmp_path / "k.nii"},
    )
    refused([paths[0], tmp_path / "none.npz"], "no such file")
    order = {"labels": {**NAMES, "liver": [1, 2]}, "regions_class_order": [1, 2, 3]}
    for path in paths:
        path.with_name("dataset.json").unlink()
    paths[0].with_name("dataset.json").write_text(json.dumps(order))
    refused(paths, "its channels sum to 1, as classes do, and dataset.json beside it tells of regions")


def test_other_grids_and_other_segmentations(tmp_path: Path) -> None:
    paths = predicted(tmp_path, [classes(seed, 4) for seed in range(2)], NAMES)
    labels = load(paths[1].with_name("case.nii.gz"))
    moved = AFFINE.copy()
    moved[0, 3] += 2
    save(paths[1].with_name("case.nii.gz"), labels, moved)
    with pytest.raises((fastfuse.ImageError, fastfuse.GridError)):
        fastfuse.fuse_files(paths, tmp_path / "o.nii", labels="all")
    save(paths[1].with_name("case.nii.gz"), np.roll(labels, 3, axis=1), AFFINE)
    with pytest.raises(
        fastfuse.ImageError, match=r"fold_1/case\.npz: its 4 channels, taken as classes, are not those of"
    ):
        fastfuse.fuse_files(paths, tmp_path / "o.nii", labels="all")
