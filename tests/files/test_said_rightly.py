"""Refusals and remarks that name the cause and a remedy that works, of files that are wrong in ways that look alike."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.images import reading
from fastfuse.inputs.grids import Grid, check_same_grid

from ..command import run_here
from .common import save

SHAPE = (6, 5, 4)
MASKS = [(np.random.default_rng(seed).random(SHAPE) < 0.4).astype(np.uint8) for seed in range(2)]
AFFINE = np.array([[1.0, 0, 0, -3], [0, 1.5, 0, -4], [0, 0, 2, 5], [0, 0, 0, 1]])


def header_of(path: Path, data: np.ndarray, *faults: tuple[int, str, float]) -> Path:
    content = bytearray(save(path, data, AFFINE).read_bytes())
    for at, kind, value in faults:
        struct.pack_into(f"<{kind}", content, at, value)
    path.write_bytes(content)
    return path


def remarks_of(paths: list[Path], out: Path, **options: Any) -> str:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fastfuse.fuse_files(paths, out, method="majority", **options)
    return "; ".join(str(one.message) for one in caught)


def test_the_form_that_is_used(tmp_path: Path) -> None:
    """Of an sform of zeros beside a sound qform, neither its voxel size nor its distance is told."""
    paths = []
    for name, mask in zip("ab", MASKS, strict=True):
        image = nib.Nifti1Image(mask, AFFINE)
        image.set_qform(AFFINE, 1)
        image.header.set_sform(np.zeros((4, 4)), 1)
        image.header["xyzt_units"] = 0
        path = tmp_path / f"{name}.nii"
        path.write_bytes(image.header.binaryblock + bytes(4) + mask.tobytes(order="F"))
        content = bytearray(path.read_bytes())
        struct.pack_into("<f", content, 108, 352.0)
        path.write_bytes(content)
        paths.append(path)
    said = remarks_of(paths, tmp_path / "c.nii", use="qform")
    assert "its sform is no invertible matrix; the qform is used" in said
    assert "0 x 0" not in said
    assert "mm apart" not in said
    np.testing.assert_allclose(nib.load(tmp_path / "c.nii").affine, AFFINE)


def test_inverted_masks() -> None:
    big = np.random.default_rng(1).random((12, 11, 10)) < 0.3
    for a, b, scale in (
        (big, ~big, None),
        (255 * big.astype(np.uint8), 255 - 255 * big.astype(np.uint8), 255),
    ):
        with pytest.raises(ValueError, match="rater 1 is the inverse of rater 0: both sum to"):
            fastfuse.majority_vote([a, b], scale=scale)


def test_inverted_files_are_named(tmp_path: Path) -> None:
    big = np.random.default_rng(1).random((12, 11, 10)) < 0.3
    paths = [
        save(tmp_path / "a.nii", big.astype(np.uint8), AFFINE),
        save(tmp_path / "b.nii", (~big).astype(np.uint8), AFFINE),
    ]
    with pytest.raises(ValueError, match=r"b\.nii is the inverse of .*a\.nii"):
        fastfuse.fuse_files(paths, tmp_path / "c.nii")


@pytest.mark.parametrize(
    ("name", "lacks"),
    [
        ("only.img", "only.hdr"),
        ("only.IMG", "only.hdr"),
        ("only.hdr", "only.img"),
        ("only.img.gz", "only.hdr"),
    ],
)
def test_half_of_two_files(tmp_path: Path, name: str, lacks: str) -> None:
    path = tmp_path / name
    if name == "only.hdr":
        path.write_bytes(nib.Nifti1Pair(MASKS[0], AFFINE).header.binaryblock)
    else:
        path.write_bytes(MASKS[0].tobytes())
    with pytest.raises(fastfuse.ImageError, match="a file that belongs to it is missing") as caught:
        reading.read(path)
    assert lacks in str(caught.value)


@pytest.mark.parametrize("voxels", [(1, 0, 0), (0, -2, 0), (3, 1, 1), (0.5, 0, 0)])
def test_no_resampling_of_what_lies_whole_voxels_apart(voxels: tuple[float, ...]) -> None:
    moved = AFFINE.copy()
    moved[:3, 3] += AFFINE[:3, :3] @ voxels
    with pytest.raises(fastfuse.GridError) as caught:
        check_same_grid(Grid("a", SHAPE, AFFINE), Grid("b", SHAPE, moved))
    whole = all(step == int(step) for step in voxels)
    assert ("one header is wrong" in str(caught.value)) == whole
    assert ("resample" in str(caught.value)) != whole


@pytest.mark.parametrize(("slope", "stored"), [(1.0005, 3), (1.176, 9), (2.5, 1)])
def test_steps_that_lose_labels(tmp_path: Path, slope: float, stored: int) -> None:
    data = np.where(MASKS[0], stored, 0).astype(np.uint8)
    path = header_of(tmp_path / "a.nii", data, (112, "f", slope), (116, "f", 0))
    with pytest.raises(
        fastfuse.FastfuseError,
        match=f"a.nii.* in steps of {slope}, such as .* save the label map as integers",
    ):
        fastfuse.fuse_files([path, path], tmp_path / "c.nii", select_label=3)
    good = save(tmp_path / "b.nii", np.where(MASKS[0], 3, 0).astype(np.uint8), AFFINE)  # the remedy
    with pytest.warns(fastfuse.FusionWarning, match="one file"):
        fused = fastfuse.fuse_files([good, good], tmp_path / "d.nii", method="majority", select_label=3)
    np.testing.assert_array_equal(fused.probability, MASKS[0])


def test_whole_steps_keep_labels(tmp_path: Path) -> None:
    path = header_of(tmp_path / "a.nii", MASKS[0], (112, "f", 3.0), (116, "f", 0))
    with pytest.warns(fastfuse.FusionWarning, match="one file"):
        fused = fastfuse.fuse_files([path, path], tmp_path / "d.nii", method="majority", select_label=3)
    np.testing.assert_array_equal(fused.probability, MASKS[0])


@pytest.mark.parametrize(
    ("slope", "inter", "said"),
    [
        (np.nan, 0, "its scl_slope nan is ignored: no scaling"),
        (np.nan, np.nan, ""),
        (0, 0, ""),
        (np.inf, 0, "its scl_slope inf is ignored"),
        (0, 2, "its scl_inter 2 and scl_slope 0 are ignored"),
    ],
)
def test_a_scale_that_is_ignored(tmp_path: Path, slope: float, inter: float, said: str) -> None:
    path = header_of(tmp_path / "a.nii", MASKS[0], (112, "f", slope), (116, "f", inter))
    remark = str(reading.read(path).remark)
    assert said in remark
    assert ("ignored" in remark) == bool(said)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ((108, "f", np.nan), r"its vox_offset is nan, and must be .* \(352 without extensions\)"),
        ((108, "f", np.inf), "its vox_offset is inf"),
        ((40, "h", 8), r"its header tells of 8 axes \(dim\[0\]\)"),
        ((40, "h", -1), "its header tells of -1 axes"),
        ((40, "h", 300), "its header tells of 300 axes"),
    ],
)
def test_headers_that_are_no_headers(tmp_path: Path, fault: Any, message: str) -> None:
    with pytest.raises(fastfuse.ImageError, match=message):
        reading.read(header_of(tmp_path / "a.nii", MASKS[0], fault))


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("order", ["<", ">"])
def test_headers_of_either_order(tmp_path: Path, kind: Any, order: str) -> None:
    header = kind.header_class(endianness=order)
    header.set_data_dtype(np.uint8)
    nib.save(kind(MASKS[0], AFFINE, header), tmp_path / "a.nii")
    np.testing.assert_array_equal(reading.read(tmp_path / "a.nii").data, MASKS[0])


@pytest.mark.parametrize("value", [b"\0" * 10_000, "x" * 10_000])
def test_long_values_are_cut_short(value: Any) -> None:
    with pytest.raises(TypeError, match=r"rater 0 is .*, not an array") as caught:
        fastfuse.staple([value, value])
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_networks_of_pictures(tmp_path: Path, ending: str) -> None:
    """nnU-Net writes CASE.npz beside CASE.png for images of two axes."""
    pillow = pytest.importorskip("PIL.Image")
    foreground = np.random.default_rng(2).random((9, 8)).astype(np.float32)
    np.savez(tmp_path / "a.npz", probabilities=np.stack([1 - foreground, foreground])[:, None])
    pillow.fromarray((foreground > 0.5).astype(np.uint8)).save(tmp_path / f"a.{ending}")
    image = reading.read(tmp_path / "a.npz")
    np.testing.assert_array_equal(image.data, foreground.T[:, :, None])


def test_integers_of_a_network(tmp_path: Path) -> None:
    """The remedy that is named makes a file that is read."""
    foreground = np.random.default_rng(2).integers(0, 256, (4, 5, 6)).astype(np.uint8)
    values = np.stack([255 - foreground, foreground])
    np.savez(tmp_path / "a.npz", probabilities=values)
    save(tmp_path / "a.nii", (foreground > 127).astype(np.uint8).T, AFFINE)
    with pytest.raises(
        fastfuse.ImageError, match=r"times 255, .*probabilities=values / numpy.float32\(255\)"
    ):
        reading.read(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", probabilities=values / np.float32(255))
    np.testing.assert_allclose(reading.read(tmp_path / "a.npz").data, foreground.T / np.float32(255))


# --- the mask among the raters, axes that are not at right angles, one scale of several ------------------------

INSIDE = np.pad(np.ones((8, 8, 8), np.uint8), 2)
SHEARED = np.array([[1.0, 0.4, 0, 0], [0, 1, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])


def balls(folder: Path, affine: np.ndarray, count: int = 3) -> list[Path]:
    grid = np.indices(INSIDE.shape)
    marked = [sum((axis - 5.5) ** 2 for axis in grid) < 8 + 2 * at for at in range(count)]
    return [save(folder / f"r{at}.nii", one.astype(np.uint8), affine) for at, one in enumerate(marked)]


def said_by(function: Any, *given: Any, **options: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function(*given, **options)
    return [str(one.message) for one in caught]


def test_the_mask_among_the_raters_is_told_everywhere(tmp_path: Path) -> None:
    raters = balls(tmp_path, AFFINE)
    mask = save(tmp_path / "inside.nii", INSIDE, AFFINE)
    calls = [
        (fastfuse.agreement_files, [*raters, mask], {}),
        (fastfuse.compare_files, [*raters, mask], {}),
        (fastfuse.fuse_files, [*raters, mask], {"output": tmp_path / "o.nii", "method": "majority"}),
    ]
    told = [said_by(function, given, mask=mask, **options) for function, given, options in calls]
    told.append(said_by(fastfuse.evaluate_against_rater_files, raters[0], [*raters[1:], mask], mask=mask))
    for said in told:
        assert "inside.nii is the mask, too: leave it out of the raters" in "\n".join(said)
    assert "inside.nii is the mask" not in "\n".join(said_by(fastfuse.agreement_files, raters, mask=mask))


def test_a_rater_who_marks_everything_is_told(tmp_path: Path) -> None:
    raters = balls(tmp_path, AFFINE)
    full = save(tmp_path / "full.nii", np.ones_like(INSIDE), AFFINE)
    agreed = said_by(fastfuse.agreement_files, [*raters, full])
    against = said_by(fastfuse.evaluate_against_rater_files, raters[0], [*raters[1:], full])
    assert "full.nii marks everything" in agreed
    assert sum("full.nii" in one and one.endswith("marks everything") for one in against) == 1
    assert not any("everything" in one for one in said_by(fastfuse.agreement_files, raters))


@pytest.mark.parametrize("count", [3, 5])
def test_a_sheared_grid_has_no_margin_unless_one_is_given(tmp_path: Path, count: int) -> None:
    raters = balls(tmp_path, SHEARED, count)
    image = save(
        tmp_path / "flair.nii", np.arange(INSIDE.size, dtype=np.float32).reshape(12, 12, 12), SHEARED
    )
    said = said_by(fastfuse.fuse_files, raters, tmp_path / "o.nii", preset="recommended", image=image)
    assert sum("takes no margin" in one for one in said) == 1
    assert not any("roi=4" in one for one in said)
    with pytest.raises(fastfuse.GridError, match="not at right angles"):
        fastfuse.fuse_files(raters, tmp_path / "p.nii", preset="recommended", roi=4)
    quiet = said_by(fastfuse.fuse_files, raters, tmp_path / "q.nii", preset="recommended", roi="all")
    assert not any("takes no margin" in one for one in quiet)


def test_no_line_advises_a_margin_where_it_is_refused(tmp_path: Path) -> None:
    names = [path.name for path in balls(tmp_path, SHEARED)]
    done = run_here(tmp_path, "fuse", *names, "-o", "o.nii", "--method", "staple")
    assert done.returncode == 0
    assert "give --mask to leave it out" in done.stdout
    assert "--roi" not in done.stdout + done.stderr


def test_compare_on_a_sheared_grid(tmp_path: Path) -> None:
    raters = balls(tmp_path, SHEARED)
    image = save(
        tmp_path / "flair.nii", np.arange(INSIDE.size, dtype=np.float32).reshape(12, 12, 12), SHEARED
    )
    with pytest.warns(fastfuse.FusionWarning, match="all is fused, without a margin"):
        found = fastfuse.compare_files(raters, image)
    assert found.region == INSIDE.size
    assert found.left_out["shape-based average"] == "needs axes at right angles"
    assert found.left_out["border-staple, image"] == "needs axes at right angles"
    assert found.voxel_ml == pytest.approx(0.002)
    with pytest.raises(fastfuse.GridError, match="not at right angles"):
        fastfuse.compare_files(raters, roi=5)


def test_one_rater_of_another_scale_is_not_to_be_mended_for_all(tmp_path: Path) -> None:
    maps = [np.random.default_rng(at).random(INSIDE.shape, np.float32) for at in range(3)]
    given = [
        save(tmp_path / f"z{at}.nii", one * (100 if at == 1 else 1), AFFINE) for at, one in enumerate(maps)
    ]
    with pytest.raises(ValueError, match=r"z1\.nii .*scale='auto'.*: divide this one by 100") as refused:
        fastfuse.fuse_files(given, tmp_path / "o.nii", method="majority")
    assert "scale=100" not in str(refused.value)
    save(given[1], maps[1], AFFINE)
    fastfuse.fuse_files(given, tmp_path / "o.nii", method="majority")
