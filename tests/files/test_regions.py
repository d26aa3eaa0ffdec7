"""A network's regions beside other kinds of raters: what is one structure, what is refused, and that the remedy works."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse import FusionWarning, ImageError

from ..command import run_here
from ..images.networks import AFFINE, labels_of, regions, save_pair
from ..images.segmentations import dicom_seg
from .common import save

SHAPE = (20, 19, 18)  # no axis that could hold regions
VALUES = [regions(seed, 3, SHAPE) for seed in range(3)]
EXPERT = labels_of(VALUES[2])
pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


def as_classes(values: np.ndarray) -> np.ndarray:
    """Return nested regions as classes: the background, and each region without the next."""
    nested = np.minimum.accumulate(values, axis=0)
    return -np.diff(np.concatenate([np.ones_like(nested[:1]), nested, np.zeros_like(nested[:1])]), axis=0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One case as networks and an expert give it: regions, classes, label maps, masks."""
    save_pair(tmp_path / "regions", VALUES[0], labels_of(VALUES[0]))
    permuted = VALUES[0][[2, 0, 1]]
    save_pair(tmp_path / "permuted", permuted, labels_of(permuted, (3, 1, 2)))
    one_hot = as_classes(VALUES[1])
    save_pair(tmp_path / "classes", one_hot, one_hot.argmax(axis=0).astype(np.uint8))
    save(tmp_path / "regions4.nii", np.moveaxis(VALUES[0], 0, -1), AFFINE)
    save(tmp_path / "classes4.nii", np.moveaxis(one_hot, 0, -1), AFFINE)
    save(tmp_path / "expert.nii", EXPERT, AFFINE)
    save(tmp_path / "whole.nii", (EXPERT >= 1).astype(np.uint8), AFFINE)
    save(tmp_path / "core.nii", (EXPERT >= 2).astype(np.uint8), AFFINE)
    return tmp_path


def fused(folder: Path, *names: str, label: int | list[int] | None) -> np.ndarray:
    found = fastfuse.fuse_files(
        [folder / name for name in names],
        folder / "consensus.nii.gz",
        method="majority",
        select_label=label,
        overwrite=True,
    )
    return found.probability


def mean(*votes: np.ndarray) -> np.ndarray:
    return np.mean([one.astype(np.float64) for one in votes], axis=0)


NOT_KNOWN = "regions4.nii gives region {0}, whose labels are not known, and {1} gives label {0}: "


@pytest.mark.parametrize("other", ["expert.nii", "classes4.nii", "classes/case.npz"])
@pytest.mark.parametrize("label", [1, 2, 3])
@pytest.mark.parametrize("first", [False, True])
def test_regions_of_four_axes_are_no_labels(folder: Path, other: str, label: int, first: bool) -> None:
    pair = ("regions4.nii", other) if first else (other, "regions4.nii")
    told = re.escape(NOT_KNOWN.format(label, Path(other).name))
    with pytest.raises(ImageError, match=rf"{told}.*--select-label K --method majority -o REGION"):
        fused(folder, *pair, label=label)


@pytest.mark.parametrize("other", ["regions4.nii", "regions/case.npz"])
def test_a_region_beside_a_mask(folder: Path, other: str) -> None:
    """Label 1 of a mask of 0 and 1 is whatever it marks; but it holds no label 2."""
    np.testing.assert_allclose(
        fused(folder, other, "whole.nii", label=1), mean(VALUES[0][0], EXPERT >= 1), atol=1e-6
    )
    with pytest.raises(ImageError, match=r"core\.nii gives label 2: to compare a region with labels, write"):
        fused(folder, other, "core.nii", label=2)
    save(folder / "nothing.nii", np.zeros_like(EXPERT), AFFINE)
    np.testing.assert_allclose(fused(folder, other, "nothing.nii", label=2), VALUES[0][1] / 2, atol=1e-6)


def test_regions_of_two_kinds_of_file(folder: Path) -> None:
    """Both count them by their place."""
    for place in (1, 2, 3):
        both = fused(folder, "regions4.nii", "regions/case.npz", label=place)
        np.testing.assert_allclose(both, VALUES[0][place - 1], atol=1e-6)


def test_classes_beside_regions(folder: Path) -> None:
    inner = as_classes(VALUES[1])
    for classes in ("classes/case.npz", "classes4.nii"):
        for label, labels in ((1, "1,2,3"), (2, "2,3")):
            remedy = rf"gives labels .* and .* gives label {label}: name all .*select_label=\[{labels}\]$"
            with pytest.raises(ImageError, match=remedy):
                fused(folder, classes, "regions/case.npz", label=label)
            both = fused(folder, classes, "regions/case.npz", label=[*map(int, labels.split(","))])
            union = inner[label:].sum(axis=0)
            np.testing.assert_allclose(both, mean(union, VALUES[0][label - 1]), atol=1e-6)
        both = fused(folder, classes, "regions/case.npz", label=3)
        np.testing.assert_allclose(both, mean(inner[3], VALUES[0][2]), atol=1e-6)


@pytest.mark.parametrize("label", [1, 2])
@pytest.mark.parametrize("overlapping", [False, True])
def test_segments_beside_regions(folder: Path, label: int, overlapping: bool) -> None:
    """Of segments that overlap each is a structure of its own; the others are labels."""
    pytest.importorskip("pydicom")
    parts = {
        "a": EXPERT >= 1 if overlapping else EXPERT == 1,
        "b": EXPERT >= 2 if overlapping else EXPERT == 2,
    }
    masks = {name: part.astype(np.uint8) for name, part in parts.items()}
    path = dicom_seg(folder / "s.dcm", masks, spacing=(1, 1.5, 2), origin=(0, 0, 0), empty=True)
    save(folder / "regions.nii", np.moveaxis(VALUES[0], 0, -1), np.diag([-1.0, -1.5, 2.0, 1.0]))
    words = f"fuse {path.name} regions.nii --select-label {label} -o c.nii.gz --method majority"
    done = run_here(folder, *words.split())
    if overlapping:
        assert done.returncode == 0, done.stderr
        found = np.asarray(nib.load(folder / "c.nii.gz").dataobj)
        np.testing.assert_allclose(found, mean(VALUES[0][label - 1], masks["ab"[label - 1]]), atol=1e-6)
    else:
        assert done.returncode == 2
        assert NOT_KNOWN.replace("4", "").format(label, "s.dcm") in done.stderr


def test_a_region_that_shows_no_label(folder: Path) -> None:
    """Since a larger one comes later in the file, and covers it."""
    told = "case.npz gives region 1, which shows no label in its segmentation, and "
    for other, taken in (
        ("expert.nii", "expert.nii gives label 1"),
        ("regions/case.npz", "gives labels 1, 2, 3"),
    ):
        with pytest.raises(ImageError, match=f"{told}.*{taken}"):
            fused(folder, "permuted/case.npz", other, label=1)


def test_all_labels_of_a_region_of_four_axes_are_not_known(folder: Path) -> None:
    message = (
        "none is labels 1, 2, 3; choose one .*; which labels they hold is not known; to compare a region"
    )
    with pytest.raises(ImageError, match=message):
        fused(folder, "regions4.nii", "expert.nii", label=[1, 2, 3])


@pytest.mark.parametrize("regions_in", ["regions4.nii", "permuted/case.npz"])
def test_the_remedy_for_regions_whose_labels_are_not_known(folder: Path, regions_in: str) -> None:
    """As the message says it: the region and its labels as files of their own, which are raters like others."""
    told = run_here(folder, "fuse", regions_in, "expert.nii", "--select-label", "1", "-o", "c.nii.gz").stderr
    of_region, of_labels = re.findall(r"'fastfuse (fuse FILE .*?)'", told)
    enhancing = regions_in != "regions4.nii"  # is the first one there
    words = of_region.replace("FILE", regions_in).replace("select-label K", "select-label 1")
    labels = "3" if enhancing else "1,2,3"
    others = of_labels.replace("FILE", "expert.nii").replace("LABEL,LABEL", labels)
    for command in (words, others):
        assert run_here(folder, *command.split()).returncode == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error", FusionWarning)  # that they are fastfuse's own is no doubt
        found = fused(folder, "REGION.nii.gz", "MASK.nii.gz", label=None)
    expected = mean(VALUES[0][2 if enhancing else 0], EXPERT == 3 if enhancing else EXPERT >= 1)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_without_labels_nothing_is_compared(folder: Path) -> None:
    found = fastfuse.fuse_files(
        [folder / "regions4.nii", folder / "expert.nii"],
        folder / "c.nii.gz",
        method="majority",
        binarize=True,
    )
    np.testing.assert_allclose(found.probability, mean(VALUES[0].max(axis=0), EXPERT > 0), atol=1e-6)
