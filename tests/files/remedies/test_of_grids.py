"""The remedies that an error about another grid names work, each as it is printed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import nibabel.processing
import numpy as np
import pytest

import fastfuse

SHAPE = (20, 20, 20)
NOWHERE = np.diag([-1.0, -1, 1, 1])  # looks like none
SOMEWHERE = np.array([[-1.0, 0, 0, 40], [0, -1, 0, 30], [0, 0, 1, -20], [0, 0, 0, 1]])
pytestmark = pytest.mark.filterwarnings(
    f"ignore::{fastfuse.FusionWarning.__module__}.{fastfuse.FusionWarning.__name__}"
)


def save(path: Path, data: np.ndarray, affine: np.ndarray) -> Path:
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


def raters(folder: Path, affine: np.ndarray) -> list[Path]:
    g = np.mgrid[:20, :20, :20]
    centres = ((9, 8, 11), (10, 8, 11), (9, 9, 10))
    masks = [sum((g[i] - c[i]) ** 2 for i in range(3)) <= 25 for c in centres]
    return [save(folder / f"{n}.nii", m.astype("u1"), affine) for n, m in zip("abc", masks, strict=True)]


def coarse(affine: np.ndarray, *, centred: bool) -> np.ndarray:
    """Return the affine of voxels twice as large: from the same first voxel, or over the same box."""
    out = affine @ np.diag([2.0, 2, 2, 1])
    if centred:
        out[:3, 3] += affine[:3, :3] @ [0.5, 0.5, 0.5]
    return out


def fused(folder: Path, files: list[Path], **options: Any) -> Any:
    fastfuse.fuse_files(files, folder / "o.nii", overwrite=True, method="soft-staple", **options)
    return nib.load(folder / "o.nii").get_fdata()


def refused(folder: Path, files: list[Path], **options: Any) -> str:
    with pytest.raises(fastfuse.GridError) as caught:
        fused(folder, files, **options)
    return str(caught.value)


def tried(
    folder: Path, files: list[Path], said: str, before: Mapping[str, Any], whole: Path, prior: Path | None
) -> int:
    """Try each remedy that was printed; return how many there were."""
    count = 0
    if "resample='nearest'" in said:
        grid = {"grid": whole} if "grid=FILE" in said else {}
        fused(folder, files, **{**before, **grid, "resample": "nearest"})
        count += 1
    elif "grid=FILE" in said:
        fused(folder, files, **{**before, "grid": whole})
        count += 1
    own = re.search(r"grid='([^']+)'", said)
    if own:
        fused(folder, files, **{**before, "grid": Path(own[1])})
        count += 1
    call = re.search(r"nibabel\.processing\.resample_from_to\(prior, rater, (.*?)\)", said)
    if call:
        assert prior is not None
        asked = eval(f"dict({call[1]})")
        made = nibabel.processing.resample_from_to(nib.load(prior), nib.load(whole), **asked)
        nib.save(made, folder / "onto.nii")
        fused(folder, files, **{**before, "prior": folder / "onto.nii"})
        count += 1
    return count


@pytest.mark.parametrize("affine", [NOWHERE, SOMEWHERE], ids=["nowhere", "somewhere"])
@pytest.mark.parametrize("what", ["crop", "coarse", "coarse, one box", "coarse crop", "larger", "shifted"])
@pytest.mark.parametrize("first_step", [{}, {"grid": "a"}, {"resample": "nearest"}])
def test_a_prior_on_another_grid(
    tmp_path: Path, affine: np.ndarray, what: str, first_step: dict[str, Any]
) -> None:
    files = raters(tmp_path, affine)
    before = {name: files[0] if value == "a" else value for name, value in first_step.items()}
    near = affine.copy()
    near[0, 3] += 0.5
    shape, where = {
        "crop": ((10, 10, 10), affine),
        "coarse": ((10, 10, 10), coarse(affine, centred=False)),
        "coarse, one box": ((10, 10, 10), coarse(affine, centred=True)),
        "coarse crop": ((5, 5, 5), coarse(affine, centred=False)),
        "larger": ((24, 20, 22), affine),
        "shifted": (SHAPE, near),
    }[what]
    prior = save(tmp_path / "prior.nii", np.full(shape, 0.1, "f4"), where)
    try:
        fused(tmp_path, files, prior=prior, **before)
    except fastfuse.GridError as error:
        said = str(error)
        count = tried(tmp_path, files, said, {**before, "prior": prior}, files[0], prior)
        assert count or "give one that covers all" in said or "resample one onto the other" in said
        assert "padded" not in said
        if what in ("coarse", "coarse, one box") and not before:
            assert "nibabel.processing" in said or "resample='nearest'" in said
    else:
        assert what == "larger" or before or affine is SOMEWHERE


@pytest.mark.parametrize("affine", [NOWHERE, SOMEWHERE], ids=["nowhere", "somewhere"])
@pytest.mark.parametrize("what", ["crop", "coarse", "coarse, one box", "coarse crop"])
@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize("first_step", [{}, {"grid": "b"}])
def test_a_rater_on_another_grid(
    tmp_path: Path, affine: np.ndarray, what: str, place: int, first_step: dict[str, Any]
) -> None:
    files = raters(tmp_path, affine)
    before = {name: files[1] if value == "b" else value for name, value in first_step.items()}
    part = nib.load(files[place]).get_fdata().astype("u1")
    cut, where = {
        "crop": (part[:16, :16, :17], affine),
        "coarse": (part[::2, ::2, ::2], coarse(affine, centred=False)),
        "coarse, one box": (part[::2, ::2, ::2], coarse(affine, centred=True)),
        "coarse crop": (part[:16:2, :16:2, ::2], coarse(affine, centred=False)),
    }[what]
    save(files[place], cut, where)
    try:
        found = fused(tmp_path, files, **before)
    except fastfuse.GridError as error:
        said = str(error)
        assert tried(tmp_path, files, said, before, files[1], None) == 1
        assert ("resample='nearest'" in said) == what.startswith("coarse")
        found = nib.load(tmp_path / "o.nii").get_fdata()
    else:
        assert what == "crop"
    assert found.max() > 0.9


def test_nothing_is_named_for_what_cannot_be_right(tmp_path: Path) -> None:
    """A file that looks like none beside those that lie elsewhere: its header is to be mended, and no grid helps."""
    files = raters(tmp_path, SOMEWHERE)
    prior = save(tmp_path / "prior.nii", np.full((10, 10, 10), 0.1, "f4"), np.diag([-2.0, -2, 2, 1]))
    said = refused(tmp_path, files, prior=prior)
    assert "save it again with its place in space" in said
    assert "grid=" not in said
    assert "resample=" not in said


@pytest.mark.parametrize("offset", [0.7, 4.5, -4.5])
@pytest.mark.parametrize("command", ["fuse", "evaluate"])
def test_resampling_cuts_off_no_marks_unsaid(tmp_path: Path, command: str, offset: float) -> None:
    """A box that fills its file, half a voxel or more beside the first: what lies beyond is said by number."""
    for name, shift in (("a", 0.0), ("b", offset)):
        affine = np.eye(4)
        affine[:3, 3] = 100
        affine[0, 3] += shift
        nib.save(nib.Nifti1Image(np.ones((10, 10, 10), np.uint8), affine), tmp_path / f"{name}.nii")
    whole = np.eye(4)
    whole[:3, 3] = 94
    nib.save(nib.Nifti1Image(np.zeros((24, 22, 22), np.uint8), whole), tmp_path / "whole.nii")
    one, two = tmp_path / "a.nii", tmp_path / "b.nii"

    def run(**placing: Any) -> Any:
        if command == "evaluate":
            return fastfuse.evaluate_files(one, two, **placing)
        return fastfuse.fuse_files(
            [one, two], tmp_path / "o.nii", method="majority", overwrite=True, **placing
        )

    kept = r"cropped by \d+ voxels that are not 0 \(a grid that holds all keeps them"
    with pytest.warns(fastfuse.FusionWarning, match=kept):
        run(resample="nearest")
    with pytest.warns(fastfuse.FusionWarning, match=r"cropped by \d+ voxels that are not 0;"):
        run(resample="nearest", grid=one)
    with pytest.warns(fastfuse.FusionWarning, match="was 1000 mm³ and is now 1000 mm³"):
        held = run(resample="nearest", grid=tmp_path / "whole.nii")
    if command == "fuse":
        assert held.probability.sum() == pytest.approx(1000)
