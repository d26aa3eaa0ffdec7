"""Files that are one rater: the two files of one image, a network's two files, one file by two names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse import FusionWarning, ImageError
from fastfuse.images.repeats import check_pairs

from ..command import run_here
from .common import AFFINE, save

PAIRS = [
    ("a.hdr", "a.img"),
    ("a.img", "a.hdr"),
    ("a.HDR", "a.IMG"),
    ("a.hdr", "a.img.gz"),
    ("a.hdr.gz", "a.img.gz"),
    ("s/a+orig.HEAD", "s/a+orig.BRIK"),
    ("a+orig.HEAD", "a+orig.BRIK.gz"),
]
NETWORKS = [("case.npz", f"case{ending}") for ending in (".nii.gz", ".nii", ".nrrd", ".mha")]
OTHERS = [
    ("a.hdr", "b.img"),
    ("a/x.hdr", "b/x.img"),
    ("a.nii", "a.nii.gz"),
    ("case.npz", "case2.nii.gz"),
    ("a/case.npz", "b/case.nii.gz"),
    ("a/case.npz", "b/case.npz"),
    ("a.nii.gz", "a.nrrd"),
    ("a.hdr", "a.nii.gz"),
]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_two_files_of_one_image(tmp_path: Path, one: str, other: str) -> None:
    files = [tmp_path / one, tmp_path / "x.nii", tmp_path / other]
    with pytest.raises(
        ImageError, match=r"are the header and the voxels of one image, so one rater: name one"
    ):
        check_pairs(files)


@pytest.mark.parametrize(("one", "other"), NETWORKS)
def test_two_files_of_one_network(tmp_path: Path, one: str, other: str) -> None:
    for files in ([tmp_path / one, tmp_path / other], [tmp_path / other, tmp_path / one]):
        with pytest.raises(
            ImageError, match="a network's probabilities and the segmentation made of them, so one"
        ):
            check_pairs(files)


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_two_images(tmp_path: Path, one: str, other: str) -> None:
    check_pairs([tmp_path / one, tmp_path / other])


def test_pair_by_another_spelling(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "sub")
    with pytest.raises(ImageError, match="the header and the voxels"):
        check_pairs([tmp_path / "sub" / "a.hdr", tmp_path / "sub" / ".." / "link" / "a.img"])


@pytest.mark.parametrize("kind", [nib.Nifti1Pair, nib.AnalyzeImage])
def test_glob_that_takes_both(tmp_path: Path, masks: np.ndarray, kind: Any) -> None:
    """As rater*: seven raters became fourteen. Each alone is a rater, by either file."""
    for i, mask in enumerate(masks[:2]):
        nib.save(kind(mask, AFFINE if kind is nib.Nifti1Pair else np.eye(4)), tmp_path / f"rater{i}.img")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["rater0.hdr", "rater0.img", "rater1.hdr", "rater1.img"]
    done = run_here(tmp_path, "fuse", *names, "-o", "c.nii.gz")
    assert done.returncode == 2
    assert "rater0.img and rater0.hdr are the header and the voxels of one image" in done.stderr.replace(
        "\n", " "
    )
    for ending in ("img", "hdr"):
        found = [f"rater{i}.{ending}" for i in range(2)]
        assert run_here(tmp_path, "fuse", *found, "-o", f"{ending}.nii.gz").returncode == 0
    save(tmp_path / "flair.nii", np.random.default_rng(0).random(masks[0].shape).astype(np.float32))
    done = run_here(tmp_path, "soften", *names[:2], "--image", "flair.nii", "--out-dir", "soft")
    assert done.returncode == 2
    assert not (tmp_path / "c.nii.gz").exists()


@pytest.mark.parametrize("how", ["again", "spelled", "link", "hard link"])
def test_one_file_by_two_names(tmp_path: Path, masks: np.ndarray, how: str) -> None:
    first = save(tmp_path / "a.nii.gz", masks[0])
    second = save(tmp_path / "b.nii.gz", masks[1])
    (tmp_path / "sub").mkdir()
    again = {"again": first, "spelled": tmp_path / "sub" / ".." / "a.nii.gz"}.get(how, tmp_path / "c.nii.gz")
    if how == "link":
        again.symlink_to(first)
    if how == "hard link":
        again.hardlink_to(first)
    with pytest.warns(FusionWarning, match=r"(are|is) one file: it is given as two raters"):
        fastfuse.fuse_files([first, second, again], tmp_path / "out.nii.gz")


@pytest.mark.parametrize(("copies", "number"), [(3, "three"), (4, "four"), (6, "6")])
def test_one_file_by_many_names(tmp_path: Path, masks: np.ndarray, copies: int, number: str) -> None:
    """In one line, with the number of all, also where they stand between others."""
    paths = [save(tmp_path / f"{i}.nii.gz", masks[i % 2]) for i in range(2)]
    for place in range(2, copies + 1):
        paths.append(tmp_path / f"{place}.nii.gz")
        paths[-1].symlink_to(paths[0])
    names = [path for path in paths if path != paths[1]]
    told = [f"{names[0]}, {names[1]}, {names[2]} and {copies - 3} other{'s' * (copies > 4)}"]
    told += [f"{names[0]}, {names[1]} and {names[2]}"] * (copies == 3)
    with pytest.warns(FusionWarning) as warned:
        fastfuse.fuse_files(paths, tmp_path / "out.nii.gz", method="majority")
    said = [remark for remark in warned[0].message.remarks if "one file" in remark]
    assert said == [f"{told[-1]} are one file: it is given as {number} raters; leave copies out"]


def test_files_of_one_name_are_told_apart(tmp_path: Path, masks: np.ndarray) -> None:
    for folder, mask in zip(("ann", "bob", "deep/eve"), masks, strict=False):
        (tmp_path / folder).mkdir(parents=True)
        save(tmp_path / folder / "mask.nii.gz", mask)
    names = [f"{folder}/mask.nii.gz" for folder in ("ann", "bob", "deep/eve")]
    done = run_here(tmp_path, "fuse", *names, "-o", "c.nii.gz")
    short = [name.removeprefix("deep/") for name in names]
    assert all(name in done.stdout for name in short)
    save(tmp_path / "bob" / "mask.nii.gz", masks[1] * np.uint8(3))
    done = run_here(tmp_path, "fuse", *names, "-o", "d.nii.gz")
    assert "error: bob/mask.nii.gz holds 3" in done.stderr
