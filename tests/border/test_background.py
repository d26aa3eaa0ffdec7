"""What is said of STAPLE over a whole volume of background, and of votes that count twice."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from ..command import run_here
from .draws import SPACING, contours

DRAWN = contours([1.6, 1.2, 0.4, 0.2, 0.0, -0.2, -0.4], shape=(64, 60, 40))
OF_THE_FIT = "the model does not fit"  # these raters draw contours
WHOLE = "neither mask nor roi is given"


def raters(folder: Path, volumes: list[Any]) -> list[Path]:
    paths = [folder / f"rater{i}.nii.gz" for i in range(len(volumes))]
    for path, one in zip(paths, volumes, strict=True):
        nib.save(nib.Nifti1Image(one, np.diag([*SPACING, 1])), path)
    return paths


def mask_of(folder: Path, data: Any) -> Path:
    nib.save(nib.Nifti1Image(data, np.diag([*SPACING, 1])), folder / "mask.nii.gz")
    return folder / "mask.nii.gz"


def said(files: list[Path], **options: Any) -> tuple[fastfuse.Fusion, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", fastfuse.FusionWarning)
        found = fastfuse.fuse_files(files, files[0].parent / "c.nii.gz", overwrite=True, **options)
    assert all(Path(warning.filename) == Path(__file__) for warning in caught), "the caller's line is named"
    remarks = [remark for warning in caught for remark in warning.message.remarks]  # type: ignore[union-attr]
    return found, [remark for remark in remarks if not remark.startswith(OF_THE_FIT)]


def least_marks(fusion: fastfuse.Fusion) -> int:
    """The least number of marks of which at least half of the voxels are foreground, counted anew."""
    marks, label = sum(mask.astype(int) for mask in DRAWN.masks), fusion.label() == 1
    return next(k for k in range(1, 8) if label[marks == k].mean() >= 0.5)


def test_background_decides(tmp_path: Path) -> None:
    """It says so with the numbers of the fit; what it advises changes them."""
    files = raters(tmp_path, DRAWN.masks)
    for method in ("staple", "soft-staple", "simplified-soft-staple"):
        fusion, remarks = said(files, method=method)
        few = least_marks(fusion)
        assert few <= 2
        told = next(remark for remark in remarks if remark.startswith(WHOLE))
        assert f"and {few} mark{'s' * (few > 1)} of 7 make" in told
        assert f"at least {fusion.specificity.min():.4f}" in told
        assert told.endswith("give roi=4 (--roi 4), and a mask (--mask) where there is one")
        near, remarks = said(files, method=method, roi=4.0)
        assert least_marks(near) > few
        assert remarks == []


@pytest.mark.parametrize("method", ["majority", "border-staple"])
def test_methods_that_background_does_not_touch(tmp_path: Path, method: str) -> None:
    assert said(raters(tmp_path, DRAWN.masks), method=method)[1] == []


def test_what_is_no_background(tmp_path: Path) -> None:
    """Where most is marked, where many marks are needed, or where a mask is given."""
    small = np.s_[20:44, 16:40, 8:30]
    crowded = raters(tmp_path, [mask[small] | (np.arange(22) < 4).astype(np.uint8) for mask in DRAWN.masks])
    assert not any(WHOLE in one for one in said(crowded, method="staple")[1])
    alike = contours([0.1, 0.05, 0, -0.05, -0.1], shape=(64, 60, 40)).masks
    _, remarks = said(raters(tmp_path, alike[:2]), method="staple")
    assert not any(WHOLE in one for one in remarks)  # one of two is half
    files = raters(tmp_path, DRAWN.masks)
    assert said(files, method="staple", mask=mask_of(tmp_path, DRAWN.masks[0] * 0 + 1))[1][0].startswith(
        "the mask is the whole volume, and no roi is given"
    )
    inside = np.zeros_like(DRAWN.masks[0])
    inside[2:-2] = 1
    assert said(files, method="staple", mask=mask_of(tmp_path, inside))[1] == []


def test_rings_of_softened_masks(tmp_path: Path) -> None:
    soft = [one.values for one in fastfuse.soften(DRAWN.masks, DRAWN.image)]
    fusion, remarks = said(raters(tmp_path, soft), method="soft-staple")
    marks = sum(mask.astype(int) for mask in DRAWN.masks)
    few = least_marks(fusion)
    rings = int(np.count_nonzero((fusion.label() == 1) & (marks < few)))
    assert rings > 0
    assert f"rings alone do so at {rings:,} voxel" in remarks[0]
    assert "lesions run together" in remarks[0]


def test_missing_votes_are_no_few_marks(tmp_path: Path) -> None:
    """Where two of seven read, and both mark, two marks are all."""
    votes = [mask.astype(np.float32) for mask in DRAWN.masks]
    for vote in votes[2:]:
        vote[:, :, 10:] = np.nan
    _, remarks = said(raters(tmp_path, votes), method="staple", missing="nan")
    told = [remark for remark in remarks if remark.startswith(WHOLE)]
    whole = sum(mask[:, :, :10].astype(int) for mask in DRAWN.masks)
    fusion, _ = said(raters(tmp_path, votes), method="staple", missing="nan")
    label = fusion.label()[:, :, :10] == 1
    enough = [k for k in (1, 2) if (whole == k).any() and label[whole == k].mean() >= 0.5]
    assert bool(told) == bool(enough)


def test_a_prior_of_the_same_votes(tmp_path: Path) -> None:
    files = raters(tmp_path, DRAWN.masks)
    _, remarks = said(files, method="staple", roi=4.0, prior="smooth:3")
    (told,) = remarks
    assert told.startswith("the prior is the mean of the same votes, smoothed: they count twice")
    assert told.endswith("leave it out, or give an atlas")
    assert said(files, method="staple", roi=4.0)[1] == []


def test_a_prior_of_the_same_votes_in_memory() -> None:
    prior = fastfuse.smoothed_vote(DRAWN.masks, 3, spacing_mm=SPACING)
    with pytest.warns(fastfuse.FusionWarning, match="they count twice"):
        fastfuse.staple(DRAWN.masks, prior=prior)
    with pytest.warns(fastfuse.FusionWarning, match="they count twice"):
        fastfuse.soft_staple([mask.astype(np.float32) for mask in DRAWN.masks[:4]], prior=prior)
    others = contours([1.0, 0.5, 0.0, -0.5], seed=1, shape=DRAWN.truth.shape).masks
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "the model does not fit")  # such borders
        fastfuse.staple(others, prior=prior)
        fastfuse.staple(DRAWN.masks, prior=prior.copy())  # whatever it is by now


def test_in_the_shell(tmp_path: Path) -> None:
    names = [path.name for path in raters(tmp_path, DRAWN.masks)]
    done = run_here(tmp_path, "fuse", *names, "-o", "c.nii.gz", "--method", "staple")
    assert done.returncode == 0
    (line,) = [line for line in done.stderr.splitlines() if OF_THE_FIT not in line]
    assert line.startswith(f"warning: {WHOLE}")
    assert line.endswith("give --roi 4, and a mask (--mask) where there is one")
    done = run_here(
        tmp_path, "fuse", *names, "-o", "c.nii.gz", "--overwrite", "--method", "staple", "--roi", "4"
    )
    assert done.returncode == 0
    assert all(OF_THE_FIT in line for line in done.stderr.splitlines())
