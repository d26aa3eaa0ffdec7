"""Headers that are odd: two affines that disagree, none, other units, and axes that are not at right angles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.images import reading

from ..command import run_here
from .common import AFFINE, patch, save, shifted

MM = np.array([[-1.0, 0, 0, 90], [0, -1, 0, 120], [0, 0, 1, -60], [0, 0, 0, 1]])  # whole voxels from 0, 0, 0
TURNED = np.array([[0.8, -0.6, 0, 0], [0.6, 0.8, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
quiet = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


def two_forms(
    path: Path, data: np.ndarray, qform: np.ndarray, sform: np.ndarray, codes: Any = (1, 2)
) -> Path:
    image = nib.Nifti1Image(data, sform)
    image.set_qform(qform, codes[0])
    image.set_sform(sform, codes[1])
    nib.save(image, path)
    return path


def in_unit(path: Path, data: np.ndarray, affine: np.ndarray, unit: str) -> Path:
    scaled = affine.copy()
    scaled[:3] /= {"meter": 1000, "mm": 1, "micron": 1e-3}[unit]
    image = nib.Nifti1Image(data, scaled)
    image.set_qform(scaled, 1)
    image.header.set_xyzt_units(unit, "sec")
    nib.save(image, path)
    return path


def fused(folder: Path, files: list[Path], **options: Any) -> np.ndarray:
    fastfuse.fuse_files(files, folder / "c.nii", overwrite=True, **options)
    return np.asarray(nib.load(folder / "c.nii").dataobj)


def facts(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "c.json").read_text())


# --- qform and sform -----------------------------------------------------------------------------------------

MOVES = {
    "a part of a voxel": shifted(8.5),
    "whole voxels": shifted(3),
    "turned": TURNED @ AFFINE,
    "larger": AFFINE @ np.diag([1.1, 1.1, 1.1, 1]),
    "flipped": AFFINE @ np.diag([-1, 1, 1, 1]),
}


@quiet
@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("moved_one", [0, 1])
def test_moved_sform(tmp_path: Path, masks: np.ndarray, move: str, moved_one: int) -> None:
    """The refusal names the file, both forms, and a remedy that works."""
    files = [save(tmp_path / "a.nii", masks[0]), save(tmp_path / "b.nii", masks[1])]
    expected = fused(tmp_path, files)
    two_forms(files[moved_one], masks[moved_one], AFFINE, MOVES[move])
    name = files[moved_one].name
    with pytest.raises(
        fastfuse.GridError,
        match=rf"by the qform they are one grid; qform and sform of .*{name} .*use='qform'",
    ):
        fused(tmp_path, files)
    np.testing.assert_array_equal(fused(tmp_path, files, use="qform"), expected)
    assert "the qform is used, as asked" in " ".join(facts(tmp_path)["warnings"])
    assert facts(tmp_path)["grid"]["use"] == "qform"


@quiet
@pytest.mark.parametrize("move", MOVES)
def test_one_right_by_each_form(tmp_path: Path, masks: np.ndarray, move: str) -> None:
    """No form is right for both, so that none is advised."""
    files = [
        two_forms(tmp_path / "a.nii", masks[0], AFFINE, MOVES[move]),
        two_forms(tmp_path / "b.nii", masks[1], MOVES[move] @ np.diag([1, -1, 1, 1]), AFFINE),
    ]
    with pytest.raises(
        fastfuse.GridError, match="each needs another form, so write the right affine"
    ) as caught:
        fused(tmp_path, files)
    assert "use=" not in str(caught.value)


@quiet
@pytest.mark.parametrize("move", [shifted(8.5), shifted(3)], ids=["a part of a voxel", "whole voxels"])
def test_cropped_and_moved(tmp_path: Path, masks: np.ndarray, move: np.ndarray) -> None:
    """A part of the volume with two places is not padded at either, unless one is chosen."""
    files = [save(tmp_path / "a.nii", masks[0]), save(tmp_path / "b.nii", masks[1][:12])]
    expected = fused(tmp_path, files)
    two_forms(files[1], masks[1][:12], AFFINE, move)
    with pytest.raises(
        fastfuse.GridError, match=r"qform and sform of .*b\.nii lie .* mm apart; say which .*use='qform'"
    ):
        fused(tmp_path, files)
    np.testing.assert_array_equal(fused(tmp_path, files, use="qform"), expected)
    assert not any("the sform is used" in remark for remark in facts(tmp_path)["warnings"])


@quiet
def test_moved_qform(tmp_path: Path, masks: np.ndarray) -> None:
    files = [
        save(tmp_path / "a.nii", masks[0]),
        two_forms(tmp_path / "b.nii", masks[1], shifted(8.5), AFFINE),
    ]
    expected = fused(tmp_path, files)
    assert "the sform is used" in " ".join(facts(tmp_path)["warnings"])
    with pytest.raises(fastfuse.GridError, match=r"by the sform they are one grid.* use='sform'"):
        fused(tmp_path, files, use="qform")
    np.testing.assert_array_equal(fused(tmp_path, files, use="sform"), expected)


def test_shell_takes_the_remedy(tmp_path: Path, masks: np.ndarray) -> None:
    save(tmp_path / "a.nii", masks[0])
    two_forms(tmp_path / "b.nii", masks[1], AFFINE, shifted(8.5))
    refused = run_here(tmp_path, "fuse", "a.nii", "b.nii", "-o", "c.nii")
    assert refused.returncode == 2
    assert "pass --use qform" in refused.stderr
    assert run_here(tmp_path, "fuse", "a.nii", "b.nii", "-o", "c.nii", "--use", "qform").returncode == 0
    assert run_here(tmp_path, "evaluate", "a.nii", "b.nii").returncode == 2
    assert run_here(tmp_path, "evaluate", "a.nii", "b.nii", "--use", "qform").returncode == 0


def test_qform_and_sform_that_disagree(tmp_path: Path, masks: np.ndarray) -> None:
    image = nib.Nifti1Image(masks[0], AFFINE)
    image.set_qform(shifted(5), 1)
    image.set_sform(AFFINE, 1)
    nib.save(image, tmp_path / "r0.nii")
    second = save(tmp_path / "r1.nii", masks[1])
    with pytest.warns(
        fastfuse.FusionWarning, match=r"r0\.nii: its qform and sform lie 5 mm apart; the sform is used"
    ):
        fastfuse.fuse_files([tmp_path / "r0.nii", second], tmp_path / "c.nii")


def test_voxels_of_a_microscope(tmp_path: Path, masks: np.ndarray) -> None:
    paths = [
        save(tmp_path / f"r{i}.nii", mask, np.diag([9e-5, 9e-5, 9e-5, 1])) for i, mask in enumerate(masks)
    ]
    with pytest.warns(
        fastfuse.FusionWarning, match="their headers give no unit, and voxels of 9e-05 x .* are taken in mm"
    ):
        fastfuse.fuse_files(paths, tmp_path / "c.nii")


# --- no affine -----------------------------------------------------------------------------------------------

NONE = {
    "identity": np.eye(4),
    "identity of ITK": np.diag([-1.0, -1, 1, 1]),
    "sizes alone": np.diag([2.0, 2, 2, 1]),
}


@pytest.mark.parametrize("kind", NONE)
@pytest.mark.parametrize("other", [MM, AFFINE], ids=["same lattice", "another"])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("extent", [14, 12])
@pytest.mark.parametrize("resample", ["none", "nearest"])
def test_an_affine_that_looks_like_none(
    tmp_path: Path, masks: np.ndarray, kind: str, other: np.ndarray, first: bool, extent: int, resample: Any
) -> None:
    """It is neither padded nor resampled by chance, even if whole voxels are all that is missing."""
    files = [
        save(tmp_path / "lost.nii", masks[0][:extent], NONE[kind]),
        save(tmp_path / "b.nii", masks[1], other),
    ]
    with pytest.raises(
        fastfuse.GridError, match=r"the affine of .*lost\.nii is .*, which looks like none; "
    ) as caught:
        fused(tmp_path, files if first else files[::-1], resample=resample)
    remedy = "copy the affine of" if extent == 14 else "save it again with its place"
    assert remedy in str(caught.value)


def test_two_affines_that_look_like_none(tmp_path: Path, masks: np.ndarray) -> None:
    files = [save(tmp_path / "a.nii", masks[0], np.eye(4)), save(tmp_path / "b.nii", masks[1], np.eye(4))]
    fused(tmp_path, files)
    files[1] = save(tmp_path / "b.nii", masks[1][:12], np.eye(4))
    with pytest.raises(fastfuse.GridError, match=r"looks like none.* name the whole volume: grid=FILE"):
        fused(tmp_path, files)
    with pytest.warns(fastfuse.FusionWarning, match=r"b\.nii: padded with 0 onto the grid of a\.nii"):
        fused(tmp_path, files, grid=files[0])  # the remedy that is offered


def test_a_header_without_place(tmp_path: Path, masks: np.ndarray) -> None:
    first = save(tmp_path / "a.nii", masks[0])
    for data in (masks[1], masks[1][:12]):
        nib.save(nib.Nifti1Image(data, None), tmp_path / "nowhere.nii")
        with pytest.raises(fastfuse.GridError, match=r"nowhere\.nii does not say where it lies"):
            fused(tmp_path, [first, tmp_path / "nowhere.nii"])


def test_a_named_grid_gives_a_place(tmp_path: Path, masks: np.ndarray) -> None:
    first = save(tmp_path / "a.nii", masks[0])
    expected = fused(tmp_path, [first, save(tmp_path / "b.nii", masks[1])])
    nib.save(nib.Nifti1Image(masks[1], None), tmp_path / "nowhere.nii")
    with pytest.raises(fastfuse.GridError, match=r"or name the grid of both: grid=FILE"):
        fused(tmp_path, [first, tmp_path / "nowhere.nii"])
    with pytest.warns(
        fastfuse.FusionWarning,
        match=r"nowhere\.nii: has no place of its own and is taken to lie on the grid of a",
    ):
        found = fused(tmp_path, [first, tmp_path / "nowhere.nii"], grid=first)
    np.testing.assert_array_equal(found, expected)


def test_wrong_header_is_told_from_a_turned_image(tmp_path: Path, masks: np.ndarray) -> None:
    straight = save(tmp_path / "a.nii", masks[0])
    mirrored = save(tmp_path / "b.nii", masks[1], AFFINE @ np.diag([-1, 1, 1, 1]))
    with pytest.raises(fastfuse.GridError, match="axis 0 is flipped: one header is wrong"):
        fused(tmp_path, [straight, mirrored])


# --- units ---------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*the model does not fit")
@pytest.mark.parametrize("unit", ["meter", "mm", "micron"])
def test_units_are_honoured(tmp_path: Path, masks: np.ndarray, unit: str) -> None:
    files = [in_unit(tmp_path / f"r{i}.nii", mask, AFFINE, unit) for i, mask in enumerate(masks)]
    other = save(tmp_path / "mm.nii", masks[0] | masks[1])
    with pytest.warns(fastfuse.FusionWarning, match="sizes are taken in") if unit != "mm" else _nothing():
        fused(tmp_path, [*files, other])
    told = facts(tmp_path)
    assert told["foreground"]["ml"] == pytest.approx(told["foreground"]["voxels"] * 3.6e-3)
    np.testing.assert_allclose(told["grid"]["affine"], AFFINE, rtol=1e-6)
    ours, first = nib.load(tmp_path / "c.nii"), nib.load(files[0])
    np.testing.assert_allclose(ours.affine, first.affine, rtol=1e-6)
    assert ours.header.get_xyzt_units() == (unit, "sec")


@quiet
def test_units_of_an_evaluation(tmp_path: Path, masks: np.ndarray) -> None:
    cube = np.zeros((9, 9, 9), np.uint8)
    cube[2:7, 2:7, 2:7] = 1
    a, b = (
        in_unit(tmp_path / f"{name}.nii", cube, np.diag([1e-3, 1e-3, 1e-3, 1]), "micron") for name in "ab"
    )
    assert fastfuse.evaluate_files(a, b).truth_ml == pytest.approx(125e-12, rel=1e-5)


def test_a_unit_that_is_wrong(tmp_path: Path, masks: np.ndarray) -> None:
    first = save(tmp_path / "a.nii", masks[0])
    image = nib.Nifti1Image(masks[1], AFFINE)
    image.header.set_xyzt_units("micron")
    nib.save(image, tmp_path / "b.nii")
    with pytest.raises(
        fastfuse.GridError, match=r"b\.nii counts in microns, that of .*a\.nii in mm: correct the unit"
    ):
        fused(tmp_path, [first, tmp_path / "b.nii"])


def _nothing() -> Any:
    import contextlib

    return contextlib.nullcontext()


# --- shear ---------------------------------------------------------------------------------------------------

SHEARED = np.eye(4)
SHEARED[1, 2] = 0.5
TILTED = np.array([[0.5, 0, 0, -90], [0, 0.5, 0.6, -80], [0, 0, 2.9, 10], [0, 0, 0, 1]])


def cube_files(folder: Path, affine: np.ndarray) -> list[Path]:
    cubes = np.zeros((3, 12, 12, 12), np.uint8)
    cubes[0, 3:8, 3:8, 3:8] = cubes[1, 3:8, 3:8, 3:8] = cubes[2, 3:8, 3:8, 3:9] = 1
    return [save(folder / f"r{i}.nii", cube, affine) for i, cube in enumerate(cubes)]


@quiet
@pytest.mark.parametrize("affine", [SHEARED, TILTED])
def test_volume_is_that_of_the_determinant(tmp_path: Path, affine: np.ndarray) -> None:
    files = cube_files(tmp_path, affine)
    fused(tmp_path, files, method="majority", save_label=tmp_path / "l.nii")
    expected = 125 * abs(np.linalg.det(affine[:3, :3])) / 1000
    told = facts(tmp_path)
    assert told["foreground"]["ml"] == pytest.approx(expected, rel=1e-5)
    assert told["raters"][0]["volume_ml"] == pytest.approx(expected, rel=1e-5)
    assert fastfuse.evaluate_files(tmp_path / "l.nii", files[0]).prediction_ml == pytest.approx(
        expected, rel=1e-5
    )


@quiet
@pytest.mark.parametrize(
    "option", [{"roi": 5.0}, {"mrf": 0.3}, {"prior": "smooth:2"}], ids=["roi", "mrf", "smooth"]
)
def test_distances_along_sheared_axes_are_refused(tmp_path: Path, option: dict[str, Any]) -> None:
    files = cube_files(tmp_path, TILTED)
    fused(tmp_path, files)
    with pytest.raises(
        fastfuse.GridError, match=r"r0\.nii: its axes are not at right angles .* resample all images"
    ):
        fused(tmp_path, files, **option)
    flair = save(tmp_path / "flair.nii", np.arange(12**3, dtype=np.int16).reshape(12, 12, 12), TILTED)
    fused(tmp_path, files, image=flair, soften=True)
    for job in (
        lambda: fused(tmp_path, files, image=flair, soften=True, dilation={"radius_mm": 3}),
        lambda: fastfuse.soften_files(files[:1], flair, output=tmp_path / "s.nii", radius_mm=3),
    ):
        with pytest.raises(fastfuse.GridError, match="its axes are not at right angles"):
            job()


@quiet
def test_a_trace_of_shear_is_none(tmp_path: Path) -> None:
    """Headers hold single precision, and registrations leave a little."""
    affine = TURNED @ np.diag([1, 1, 3.0, 1])
    affine[0, 1] += 0.003
    fused(tmp_path, cube_files(tmp_path, affine), roi=5.0)


@pytest.mark.parametrize(
    ("code", "side", "said"),
    [
        (7, 1, "unit code 7 is not defined: mm is taken"),
        (0, 0.001, "gives no unit, and voxels of 0.001"),
        (0, 1, None),
    ],
)
def test_units_are_doubted(tmp_path: Path, code: int, side: float, said: str | None) -> None:
    path = save(tmp_path / "a.nii", np.ones((3, 4, 5), np.uint8), np.diag([side, side, side, 1.0]))
    patch(path, 123, bytes([code]))
    remark = reading.read(path).remark
    assert remark is None if said is None else said in str(remark)


@pytest.mark.parametrize("side", [1e30, 1e7, 1e-8, 1e-30])
@pytest.mark.parametrize("axis", [0, 2])
@pytest.mark.parametrize("options", [{}, {"resample": "nearest"}])
def test_voxels_of_no_image(
    tmp_path: Path, masks: np.ndarray, side: float, axis: int, options: dict[str, str]
) -> None:
    image = nib.Nifti1Image(masks[0], AFFINE)
    image.set_qform(AFFINE, 1)
    image.set_sform(None, 0)
    image.header["pixdim"][1 + axis] = side
    (tmp_path / "a.nii").write_bytes(image.header.binaryblock + b"\0" * 4 + masks[0].tobytes(order="F"))
    files = [save(tmp_path / "b.nii", masks[1]), tmp_path / "a.nii"]
    with pytest.raises(
        fastfuse.ImageError, match=r"a\.nii: its voxels measure .* mm, as no image's do; mend"
    ):
        fused(tmp_path, files, **options)


def with_side(path: Path, data: np.ndarray, side: float, axis: int) -> Path:
    """Save a file whose qform alone is set, with one voxel side patched."""
    image = nib.Nifti1Image(data, AFFINE)
    image.set_qform(AFFINE, 1)
    image.set_sform(None, 0)
    image.header["pixdim"][1 + axis] = side
    path.write_bytes(image.header.binaryblock + b"\0" * 4 + data.tobytes(order="F"))
    return path


@pytest.mark.parametrize("side", [1e-3, 1e3])
@pytest.mark.parametrize("axis", [0, 2])
@pytest.mark.parametrize("first", [True, False])
def test_voxels_of_another_size(
    tmp_path: Path, masks: np.ndarray, side: float, axis: int, first: bool
) -> None:
    """The size is named before any resampling, and again where resampling was asked for."""
    files = [save(tmp_path / "b.nii", masks[1]), with_side(tmp_path / "a.nii", masks[0], side, axis)]
    if first:
        files.reverse()
    with pytest.raises(
        fastfuse.GridError,
        match="more than 100 times apart: one header's voxel size is likely wrong, so mend it; if both are right, resample",
    ) as caught:
        fused(tmp_path, files)
    assert f"{side:.3g}" in str(caught.value)
    with pytest.warns(fastfuse.FusionWarning, match="one header's voxel size is likely wrong"):
        fused(tmp_path, files, resample="nearest")


def test_voxels_of_another_resolution(tmp_path: Path, masks: np.ndarray) -> None:
    files = [save(tmp_path / "b.nii", masks[1]), with_side(tmp_path / "a.nii", masks[0], 20, 0)]
    with pytest.raises(fastfuse.GridError, match="resample one onto the other's grid") as caught:
        fused(tmp_path, files)
    assert "likely wrong" not in str(caught.value)
